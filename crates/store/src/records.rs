//! Records: one Belvo object each, or the tombstone of one.
//!
//! The three conditional writes, and what it means when the condition fails:
//!
//! | write | goes through when | otherwise |
//! |---|---|---|
//! | upsert | nothing is there, or a live record that is not newer | a tombstone, or a newer record |
//! | tombstone | nothing is there, or something older | something as new or newer |
//! | restore | nothing is there, or something older, tombstones too | something as new or newer |

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use domain::{EpochMillis, LinkId, ObjectId, Record, Resource, Value, as_of, path_name};

use crate::attributes::{Item, map, n, number, s, size, size_of_value, strings, text};
use crate::keys::Key;
use crate::table::{call_failed, send_if_allowed};
use crate::{FencingToken, StoreError, Table, expires_at, keys};

/// DynamoDB takes items of at most 400 KB; some room is left for how it counts.
const MAX_ITEM_BYTES: usize = 390 * 1024;
/// BatchGetItem takes at most 100 keys.
const MAX_KEYS_PER_READ: usize = 100;
/// How often keys that DynamoDB left over are asked for.
const READ_ATTEMPTS: u32 = 9;
/// The wait before the second time; each further one is twice as long.
const READ_PAUSE: Duration = Duration::from_millis(25);

/// What became of an upsert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpsertResult {
    /// The record stands as given.
    Written,
    /// A newer snapshot stands there; it stays.
    Stale,
    /// The object was deleted; a listing does not bring it back. Only asking for it by its id does, with
    /// [`Table::restore`].
    Tombstoned {
        /// The tombstone's fencing token.
        token: FencingToken,
    },
}

/// What became of a burial or a revival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutResult {
    /// It was written.
    Written,
    /// Something as new or newer stands there; it stays.
    Stale,
}

/// What stands in the place of a record, as far as deciding about a write needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// The content's hash; none for a tombstone.
    pub content_hash: Option<String>,
    /// Was it absent from the last whole listing?
    pub is_missing: bool,
    /// The member of that name, if it is a text or null.
    pub created_at: Option<Value>,
    /// Of an account: the age of this copy, see [`domain::as_of`].
    pub as_of: Option<i64>,
    /// Of an account: Belvo's word for its kind, where it says so.
    pub category: Option<String>,
}

impl StoredRecord {
    fn read(item: &Item) -> Self {
        let data = item.get("data").and_then(|data| data.as_m().ok());
        let member = |name| data.and_then(|data| text(data, name));
        let created_at = data.and_then(|data| data.get("created_at")).and_then(|value| match value {
            AttributeValue::S(text) => Some(Value::Text(text.clone())),
            AttributeValue::Null(_) => Some(Value::Null),
            _ => None,
        });
        Self {
            content_hash: text(item, "content_hash").map(str::to_owned),
            is_missing: item.contains_key("missing_since"),
            created_at,
            as_of: as_of(member("collected_at"), member("created_at")),
            category: member("category").map(str::to_owned),
        }
    }

    /// Would writing this record change nothing but its fencing token, and the times at which Belvo collected or saved it?
    ///
    /// The hash of a record that version 0.1 stored covers the stored `created_at` too. Such a record counts as unchanged, and
    /// keeps its hash. That other form is worked out only when today's hash differs.
    #[must_use]
    pub fn is_unchanged_by(&self, record: &Record) -> bool {
        let is_of_0_1 = |hash: &String| *hash == record.content_hash_of_0_1(self.created_at.as_ref());
        let has_same_content = |hash: &String| *hash == record.content_hash || is_of_0_1(hash);
        !self.is_missing && self.content_hash.as_ref().is_some_and(has_same_content)
    }
}

impl Table {
    /// What stands in the places of these objects, read consistently; those that have never been seen are absent.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn stored_records(
        &self,
        link: &LinkId,
        resource: &Resource,
        ids: &[ObjectId],
    ) -> Result<HashMap<ObjectId, StoredRecord>, StoreError> {
        let mut known = HashMap::with_capacity(ids.len());
        // BatchGetItem refuses a key that comes twice.
        let ids: Vec<_> = ids.iter().collect::<HashSet<_>>().into_iter().collect();
        for piece in ids.chunks(MAX_KEYS_PER_READ) {
            let keys = piece.iter().map(|id| keys::record(link, resource, id)).collect();
            for item in self.read_all(keys, projection(resource)).await? {
                let id = text(&item, "sk").and_then(|sk| keys::object_id(sk, resource));
                let id = id.ok_or(StoreError::Unreadable("a record's key"))?;
                known.insert(id, StoredRecord::read(&item));
            }
        }
        Ok(known)
    }

    /// One BatchGetItem, and what it left over again: under load DynamoDB answers a part only.
    async fn read_all(&self, keys: Vec<Key>, projection: &str) -> Result<Vec<Item>, StoreError> {
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
                .projection_expression(projection)
                .expression_attribute_names("#data", "data")
                .build()
                .map_err(|_| StoreError::Unreadable("a request of ours"))?;
            let output = self.client.batch_get_item().request_items(&self.name, request).send().await;
            let output = output.map_err(|error| call_failed(&error))?;
            items.extend(output.responses.into_iter().flat_map(HashMap::into_values).flatten());
            let unprocessed = output.unprocessed_keys.and_then(|mut tables| tables.remove(&self.name));
            left = unprocessed.map(|request| request.keys).unwrap_or_default();
        }
        if left.is_empty() { Ok(items) } else { Err(StoreError::CallFailed("keys stayed unprocessed".to_owned())) }
    }

    /// Stores a record as a pass saw it.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn upsert(
        &self,
        link: &LinkId,
        resource: &Resource,
        record: Record,
        token: FencingToken,
    ) -> Result<UpsertResult, StoreError> {
        let put = self
            .put(live(link, resource, record, token))
            .condition_expression("attribute_not_exists(pk) OR (attribute_not_exists(deleted_at) AND fetched_at <= :s)")
            .expression_attribute_values(":s", n(token));
        Ok(match refused(put).await? {
            None => UpsertResult::Written,
            Some(there) if there.contains_key("deleted_at") => UpsertResult::Tombstoned { token: token_of(&there)? },
            Some(_) => UpsertResult::Stale,
        })
    }

    /// Replaces an object by a tombstone, also when it was never stored: the record may still be on its way.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn tombstone(
        &self,
        link: &LinkId,
        resource: &Resource,
        id: &ObjectId,
        token: FencingToken,
        now: EpochMillis,
    ) -> Result<PutResult, StoreError> {
        let mut tombstone = keys::record(link, resource, id);
        tombstone.extend([
            ("fetched_at".to_owned(), n(token)),
            ("deleted_at".to_owned(), n(now)),
            ("expires_at".to_owned(), n(expires_at(now))),
        ]);
        let put = self
            .put(tombstone)
            .condition_expression("attribute_not_exists(pk) OR fetched_at < :s")
            .expression_attribute_values(":s", n(token));
        done(put).await
    }

    /// Puts a record in the place of whatever is older, tombstones too, after Belvo gave the object by its id. Not only in the
    /// place of the tombstone that was met: a burial or a revival that was on its way may have replaced it meanwhile, and be
    /// older than this look.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn restore(
        &self,
        link: &LinkId,
        resource: &Resource,
        record: Record,
        token: FencingToken,
    ) -> Result<PutResult, StoreError> {
        let put = self
            .put(live(link, resource, record, token))
            .condition_expression("attribute_not_exists(pk) OR fetched_at < :s")
            .expression_attribute_values(":s", n(token));
        done(put).await
    }

    /// Some ids of a resource's live records that are not marked as missing, in their order, and the id after which there
    /// may be more.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn live_ids(
        &self,
        link: &LinkId,
        resource: &Resource,
        after: Option<&ObjectId>,
    ) -> Result<(Vec<ObjectId>, Option<ObjectId>), StoreError> {
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

    /// Marks a record that a whole listing, which began with this fencing token, lacks: `missing_since`. Its data stays, since Belvo
    /// drops old data by itself. `false` when somebody has seen or deleted the object since.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn mark_missing(
        &self,
        link: &LinkId,
        resource: &Resource,
        listing: FencingToken,
        id: &ObjectId,
        now: EpochMillis,
    ) -> Result<bool, StoreError> {
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

/// What is read of stored records before a write. Accounts are stored from two sources, which are compared.
fn projection(resource: &Resource) -> &'static str {
    if std::ptr::eq(resource, Resource::accounts()) {
        "sk, content_hash, missing_since, #data.created_at, #data.collected_at, #data.category"
    } else {
        "sk, content_hash, missing_since, #data.created_at"
    }
}

/// The item of a record, made to fit: of one that DynamoDB would refuse for its size the largest members are left out. It
/// always fits then: a record's names are bounded, and so are its paths.
fn live(link: &LinkId, resource: &Resource, record: Record, token: FencingToken) -> Item {
    let mut omitted = record.omitted.clone();
    let mut item = whole(link, resource, record, token);
    let bytes = size(&item);
    if bytes > MAX_ITEM_BYTES {
        omitted.extend(omit_largest(&mut item, bytes - MAX_ITEM_BYTES));
        item.insert("omitted".to_owned(), strings(&omitted));
    }
    item
}

/// Takes the largest members out of `data`, and out of `as_text` what it says of them, until there are so many bytes less
/// and room for their names.
fn omit_largest(item: &mut Item, mut excess: usize) -> Vec<String> {
    let paths = match item.remove("as_text") {
        Some(AttributeValue::L(paths)) => paths,
        _ => Vec::new(),
    };
    let mut bytes_of_paths: HashMap<String, usize> = HashMap::new();
    for path in paths.iter().filter_map(|path| path.as_s().ok()) {
        *bytes_of_paths.entry(member_of(path).to_owned()).or_default() += path.len() + 2;
    }
    let Some(AttributeValue::M(data)) = item.get_mut("data") else { return Vec::new() };
    let in_item = |(name, value): (&String, &AttributeValue)| {
        let paths = bytes_of_paths.get(&*path_name(name)).copied().unwrap_or_default();
        (name.len() + 1 + size_of_value(value) + paths, name.clone())
    };
    let mut members: Vec<_> = data.iter().filter(|(name, _)| *name != "id").map(in_item).collect();
    members.sort_unstable_by(|one, other| other.cmp(one));
    let mut omitted = Vec::new();
    // The attribute's own name and value, where there was none before.
    excess += "omitted".len() + 3;
    for (bytes, name) in members {
        if excess == 0 {
            break;
        }
        // In its place stands its name, in `omitted`.
        excess = (excess + name.len() + 2).saturating_sub(bytes);
        data.remove(&name);
        omitted.push(name);
    }
    let gone: HashSet<_> = omitted.iter().map(|name| path_name(name)).collect();
    let stays = |path: &AttributeValue| !path.as_s().is_ok_and(|path| gone.contains(member_of(path)));
    let left: Vec<_> = paths.into_iter().filter(stays).collect();
    if !left.is_empty() {
        item.insert("as_text".to_owned(), AttributeValue::L(left));
    }
    omitted
}

/// The member of `data` that a path leads to or through: up to the first dot that has no backslash before it.
fn member_of(path: &str) -> &str {
    let mut is_escaped = false;
    let end = path.bytes().position(|byte| {
        let ends = byte == b'.' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    &path[..end.unwrap_or(path.len())]
}

fn whole(link: &LinkId, resource: &Resource, record: Record, token: FencingToken) -> Item {
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
    item.insert("fetched_at".to_owned(), n(token));
    item.insert("content_hash".to_owned(), s(record.content_hash));
    item.insert("data".to_owned(), map(record.data));
    item
}

/// Sends a conditional put. When its condition refuses it: what stands there.
async fn refused(put: PutItemFluentBuilder) -> Result<Option<Item>, StoreError> {
    match put.send().await {
        Ok(_) => Ok(None),
        Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
            let PutItemError::ConditionalCheckFailedException(failed) = error.into_err() else {
                return Err(StoreError::Unreadable("a failed condition"));
            };
            // Without the item a tombstone would pass for a newer record.
            failed.item.map(Some).ok_or(StoreError::Unreadable("a failed condition without its item"))
        }
        Err(error) => Err(call_failed(&error)),
    }
}

async fn done(put: PutItemFluentBuilder) -> Result<PutResult, StoreError> {
    Ok(refused(put).await?.map_or(PutResult::Written, |_| PutResult::Stale))
}

fn token_of(item: &Item) -> Result<FencingToken, StoreError> {
    number(item, "fetched_at").ok_or(StoreError::Unreadable("a record without fetched_at"))
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn item(json: &str) -> Item {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let resource = Resource::of_webhook_type("TRANSACTIONS").unwrap();
        let record = Record::read(resource, raw).unwrap().0;
        live(&LinkId::parse("l-1").unwrap(), resource, record, 1)
    }

    fn texts<'a>(item: &'a Item, name: &str) -> Vec<&'a str> {
        let list = item.get(name).map(|list| list.as_l().unwrap().as_slice()).unwrap_or_default();
        list.iter().map(|text| text.as_s().unwrap().as_str()).collect()
    }

    fn filled(members: impl Iterator<Item = String>) -> String {
        format!(r#"{{"id":"t",{}}}"#, members.collect::<Vec<_>>().join(","))
    }

    #[test]
    fn whatever_belvo_sends_its_item_fits_and_says_what_it_lacks() {
        let big = "x".repeat(30 * 1024);
        for json in [
            // Small members in great number: each leaves its name behind, which is hardly shorter.
            filled((0..13_000).map(|n| format!(r#""{n}":"{n:020}""#))),
            filled((0..60).map(|n| format!(r#""{n:01000}":"{big}""#))),
            filled((0..8).map(|n| format!(r#""{n}":[{}]"#, vec!["0"; 60_000].join(",")))),
            filled((0..13_000).map(|n| format!(r#""{n}":1e999"#))),
            filled((0..40).map(|n| format!(r#""{n}":["{big}",1e999]"#))),
        ] {
            let item = item(&json);
            let data = item["data"].as_m().unwrap();
            assert!(size(&item) <= MAX_ITEM_BYTES, "{} bytes", size(&item));
            let sent: HashMap<String, &RawValue> = serde_json::from_str(&json).unwrap();
            let omitted: HashSet<_> = texts(&item, "omitted").into_iter().collect();
            assert!(data.contains_key("id") && sent.len() == data.len() + omitted.len());
            assert!(omitted.iter().all(|name| !data.contains_key(*name)));
            assert!(texts(&item, "as_text").into_iter().all(|path| data.contains_key(member_of(path))));
        }
    }

    #[test]
    fn no_more_is_left_out_than_has_to_be() {
        let large = |kib: usize| "x".repeat(kib * 1024);
        let json = format!(r#"{{"id":"t","a":"{}","b":["{}",1e999],"c":"{}"}}"#, large(200), large(195), large(100));
        assert_eq!(texts(&item(&json), "omitted"), ["a"]);
        assert_eq!(texts(&item(&json), "as_text"), ["b.1"]);
        assert!(texts(&item(r#"{"id":"t"}"#), "omitted").is_empty());
    }

    #[test]
    fn a_path_belongs_to_its_member_whatever_that_is_called() {
        assert_eq!(
            ["a", "a.0.b", r"a\.b.c", r"a\\.b", r"a\\\.b"].map(member_of),
            ["a", "a", r"a\.b", r"a\\", r"a\\\.b"]
        );
        let json = format!(r#"{{"id":"t","a":"{}","a.b":1e999}}"#, "x".repeat(400 * 1024));
        assert_eq!((texts(&item(&json), "omitted"), texts(&item(&json), "as_text")), (vec!["a"], vec![r"a\.b"]));
    }
}
