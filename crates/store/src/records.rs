//! Records: one Belvo object each, or the tombstone of one.
//!
//! The three conditional writes, and what it means when the condition fails:
//!
//! | write | goes through when | otherwise |
//! |---|---|---|
//! | upsert | nothing is there, or a live record that is not newer | a tombstone, or a newer record |
//! | bury | nothing is there, or something older | something as new or newer |
//! | revive | nothing is there, or something older, tombstones too | something as new or newer |

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use domain::{EpochMillis, LinkId, ObjectId, Record, Resource};

use crate::attributes::{Item, map, n, number, s, size, size_of_value, strings, text};
use crate::keys::Key;
use crate::table::{call_failed, send_if_allowed};
use crate::{Stamp, StoreTrouble, Table, expires_at, keys};

/// DynamoDB takes items of at most 400 KB; some room is left for how it counts.
const MAX_ITEM_BYTES: usize = 390 * 1024;
/// BatchGetItem takes at most 100 keys.
const MAX_KEYS_PER_READ: usize = 100;
/// How often keys that DynamoDB left over are asked for.
const READ_ATTEMPTS: u32 = 6;
/// The wait before the second time; each further one is twice as long.
const READ_PAUSE: Duration = Duration::from_millis(25);

/// What became of an upsert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upsert {
    /// The record stands as given.
    Written,
    /// A newer snapshot stands there; it stays.
    Stale,
    /// The object was deleted; a listing does not bring it back. Only asking for it by its id does, with
    /// [`Table::revive`].
    Buried {
        /// The tombstone's stamp.
        seen: Stamp,
    },
}

/// What became of a burial or a revival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It was done.
    Done,
    /// Something as new or newer stands there; it stays.
    Stale,
}

/// What stands in the place of a record, as far as deciding about a write needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The content's hash; none for a tombstone.
    pub content_hash: Option<String>,
    /// Was it absent from the last whole listing?
    pub is_missing: bool,
    /// When Belvo collected it, where it says so.
    pub collected_at: Option<String>,
}

impl Known {
    fn read(item: &Item) -> Self {
        let data = item.get("data").and_then(|data| data.as_m().ok());
        Self {
            content_hash: text(item, "content_hash").map(str::to_owned),
            is_missing: item.contains_key("missing_since"),
            collected_at: data.and_then(|data| text(data, "collected_at")).map(str::to_owned),
        }
    }

    /// Would writing this record change nothing but its stamp?
    #[must_use]
    pub fn makes_unchanged(&self, record: &Record) -> bool {
        !self.is_missing && self.content_hash.as_deref() == Some(record.content_hash.as_str())
    }
}

impl Table {
    /// What stands in the places of these objects, read consistently; those that have never been seen are absent.
    ///
    /// # Errors
    /// [`StoreTrouble`]
    pub async fn known(
        &self,
        link: &LinkId,
        resource: &Resource,
        ids: &[ObjectId],
    ) -> Result<HashMap<ObjectId, Known>, StoreTrouble> {
        let mut known = HashMap::with_capacity(ids.len());
        // BatchGetItem refuses a key that comes twice.
        let ids: Vec<_> = ids.iter().collect::<HashSet<_>>().into_iter().collect();
        for piece in ids.chunks(MAX_KEYS_PER_READ) {
            let keys = piece.iter().map(|id| keys::record(link, resource, id)).collect();
            for item in self.read_all(keys).await? {
                let id = text(&item, "sk").and_then(|sk| keys::object_id(sk, resource));
                let id = id.ok_or(StoreTrouble::Unreadable("a record's key"))?;
                known.insert(id, Known::read(&item));
            }
        }
        Ok(known)
    }

    /// One BatchGetItem, and what it left over again: under load DynamoDB answers a part only.
    async fn read_all(&self, keys: Vec<Key>) -> Result<Vec<Item>, StoreTrouble> {
        let mut items = Vec::with_capacity(keys.len());
        let mut left = keys;
        for attempt in 0..READ_ATTEMPTS {
            if left.is_empty() {
                return Ok(items);
            }
            if attempt > 0 {
                tokio::time::sleep(READ_PAUSE * 2_u32.pow(attempt - 1)).await;
            }
            let request = KeysAndAttributes::builder()
                .set_keys(Some(left))
                .consistent_read(true)
                .projection_expression("sk, content_hash, missing_since, #data.collected_at")
                .expression_attribute_names("#data", "data")
                .build()
                .map_err(|_| StoreTrouble::Unreadable("a request of ours"))?;
            let output = self.client.batch_get_item().request_items(&self.name, request).send().await;
            let output = output.map_err(|error| call_failed(&error))?;
            items.extend(output.responses.into_iter().flat_map(HashMap::into_values).flatten());
            let unprocessed = output.unprocessed_keys.and_then(|mut tables| tables.remove(&self.name));
            left = unprocessed.map(|request| request.keys).unwrap_or_default();
        }
        if left.is_empty() { Ok(items) } else { Err(StoreTrouble::CallFailed("keys stayed unprocessed".to_owned())) }
    }

    /// Stores a record as a pass saw it.
    ///
    /// # Errors
    /// [`StoreTrouble`]
    pub async fn upsert(
        &self,
        link: &LinkId,
        resource: &Resource,
        record: Record,
        stamp: Stamp,
    ) -> Result<Upsert, StoreTrouble> {
        let put = self
            .put(live(link, resource, record, stamp))
            .condition_expression("attribute_not_exists(pk) OR (attribute_not_exists(deleted_at) AND fetched_at <= :s)")
            .expression_attribute_values(":s", n(stamp));
        Ok(match refused(put).await? {
            None => Upsert::Written,
            Some(there) if there.contains_key("deleted_at") => Upsert::Buried { seen: stamp_of(&there)? },
            Some(_) => Upsert::Stale,
        })
    }

    /// Replaces an object by a tombstone, also when it was never stored: the record may still be on its way.
    ///
    /// # Errors
    /// [`StoreTrouble`]
    pub async fn bury(
        &self,
        link: &LinkId,
        resource: &Resource,
        id: &ObjectId,
        stamp: Stamp,
        now: EpochMillis,
    ) -> Result<Written, StoreTrouble> {
        let mut tombstone = keys::record(link, resource, id);
        tombstone.extend([
            ("fetched_at".to_owned(), n(stamp)),
            ("deleted_at".to_owned(), n(now)),
            ("expires_at".to_owned(), n(expires_at(now))),
        ]);
        let put = self
            .put(tombstone)
            .condition_expression("attribute_not_exists(pk) OR fetched_at < :s")
            .expression_attribute_values(":s", n(stamp));
        done(put).await
    }

    /// Puts a record in the place of whatever is older, tombstones too, after Belvo gave the object by its id. Not only in the
    /// place of the tombstone that was met: a burial or a revival that was on its way may have replaced it meanwhile, and be
    /// older than this look.
    ///
    /// # Errors
    /// [`StoreTrouble`]
    pub async fn revive(
        &self,
        link: &LinkId,
        resource: &Resource,
        record: Record,
        stamp: Stamp,
    ) -> Result<Written, StoreTrouble> {
        let put = self
            .put(live(link, resource, record, stamp))
            .condition_expression("attribute_not_exists(pk) OR fetched_at < :s")
            .expression_attribute_values(":s", n(stamp));
        done(put).await
    }

    /// Some ids of a resource's live records that are not marked as missing, in their order, and the id after which there
    /// may be more.
    ///
    /// # Errors
    /// [`StoreTrouble`]
    pub async fn live_ids(
        &self,
        link: &LinkId,
        resource: &Resource,
        after: Option<&ObjectId>,
    ) -> Result<(Vec<ObjectId>, Option<ObjectId>), StoreTrouble> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .set_exclusive_start_key(after.map(|id| keys::record(link, resource, id)))
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .projection_expression("sk, deleted_at, missing_since")
            .expression_attribute_values(":pk", s(keys::link_pk(link)))
            .expression_attribute_values(":prefix", s(keys::record_prefix(resource)));
        let output = query.send().await.map_err(|error| call_failed(&error))?;
        let id = |item: &Item| text(item, "sk").and_then(|sk| keys::object_id(sk, resource));
        let is_settled = |item: &Item| item.contains_key("deleted_at") || item.contains_key("missing_since");
        let live = output.items().iter().filter(|item| !is_settled(item)).filter_map(id).collect();
        Ok((live, output.last_evaluated_key().and_then(id)))
    }

    /// Marks a record that a whole listing, which began with this stamp, lacks: `missing_since`. Its data stays, since Belvo
    /// drops old data by itself. `false` when somebody has seen or deleted the object since.
    ///
    /// # Errors
    /// [`StoreTrouble`]
    pub async fn mark_missing(
        &self,
        link: &LinkId,
        resource: &Resource,
        listing: Stamp,
        id: &ObjectId,
        now: EpochMillis,
    ) -> Result<bool, StoreTrouble> {
        let update = self
            .update(keys::record(link, resource, id))
            .update_expression("SET missing_since = :now")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(deleted_at) AND fetched_at <= :s")
            .expression_attribute_values(":now", n(now))
            .expression_attribute_values(":s", n(listing));
        Ok(send_if_allowed(update).await?.is_some())
    }

    fn put(&self, item: Item) -> PutItemFluentBuilder {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item));
        put.return_values_on_condition_check_failure(AllOld)
    }
}

/// The item of a record, made to fit: of one that DynamoDB would refuse for its size the largest members are left out.
fn live(link: &LinkId, resource: &Resource, record: Record, stamp: Stamp) -> Item {
    let mut omitted = record.omitted.clone();
    let mut item = whole(link, resource, record, stamp);
    while size(&item) > MAX_ITEM_BYTES {
        let Some(name) = omit_largest(&mut item) else { break };
        omitted.push(name);
        item.insert("omitted".to_owned(), strings(&omitted));
    }
    item
}

/// Takes the largest member out of `data`, and out of `as_text` what it says of it.
fn omit_largest(item: &mut Item) -> Option<String> {
    let AttributeValue::M(data) = item.get_mut("data")? else { return None };
    let largest = data.iter().filter(|(name, _)| *name != "id").max_by_key(|(_, value)| size_of_value(value));
    let name = largest?.0.clone();
    data.remove(&name);
    if let Some(AttributeValue::L(paths)) = item.get_mut("as_text") {
        let is_of = |path: &String| path == &name || path.starts_with(&format!("{name}."));
        paths.retain(|path| !path.as_s().is_ok_and(is_of));
    }
    Some(name)
}

fn whole(link: &LinkId, resource: &Resource, record: Record, stamp: Stamp) -> Item {
    let mut item: HashMap<_, _> = keys::record(link, resource, &record.id);
    if let (Some(account), Some(_)) = (&record.account_id, resource.date) {
        item.insert("gsi1pk".to_owned(), s(keys::by_account(account)));
        item.insert("gsi1sk".to_owned(), s(record.date_key(resource)));
    }
    item.extend(record.account_id.map(|account| ("account_id".to_owned(), s(account.as_str()))));
    if !record.as_text.is_empty() {
        item.insert("as_text".to_owned(), strings(&record.as_text));
    }
    if !record.omitted.is_empty() {
        item.insert("omitted".to_owned(), strings(&record.omitted));
    }
    item.insert("fetched_at".to_owned(), n(stamp));
    item.insert("content_hash".to_owned(), s(record.content_hash));
    item.insert("data".to_owned(), map(record.data));
    item
}

/// Sends a conditional put. When its condition refuses it: what stands there.
async fn refused(put: PutItemFluentBuilder) -> Result<Option<Item>, StoreTrouble> {
    match put.send().await {
        Ok(_) => Ok(None),
        Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
            let PutItemError::ConditionalCheckFailedException(failed) = error.into_err() else {
                return Err(StoreTrouble::Unreadable("a failed condition"));
            };
            // Without the item a tombstone would pass for a newer record.
            failed.item.map(Some).ok_or(StoreTrouble::Unreadable("a failed condition without its item"))
        }
        Err(error) => Err(call_failed(&error)),
    }
}

async fn done(put: PutItemFluentBuilder) -> Result<Written, StoreTrouble> {
    Ok(refused(put).await?.map_or(Written::Done, |_| Written::Stale))
}

fn stamp_of(item: &Item) -> Result<Stamp, StoreTrouble> {
    number(item, "fetched_at").ok_or(StoreTrouble::Unreadable("a record without fetched_at"))
}
