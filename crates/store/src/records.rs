//! Writes of records and tombstones. The crate's documentation lists their conditions.
//!
//! An upsert and a mark accept an equal token (`fetched_at <= :token`): a pass may write an object twice, because its row moves
//! between pages or the SDK repeats a call. A tombstone and a restore require a smaller one (`fetched_at < :token`): within a
//! pass, what it wrote first stays.

use domain::{EpochMillis, LinkId, ObjectId, Record, Resource};

use crate::attributes::{Item, n, number, s, text};
use crate::error::{StoreError, call_failed};
use crate::fencing_token::FencingToken;
use crate::keys;
use crate::record_item::live_item;
use crate::retention::expires_at;
use crate::table::{Table, put_if_allowed, update_if_allowed};

/// The result of an upsert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpsertResult {
    /// The record was written.
    Written,
    /// Not written: the table has a newer snapshot.
    Stale,
    /// Not written: the table has a tombstone. Only [`Table::restore`] replaces it, after Belvo returned the object by its id.
    Tombstoned {
        /// The fencing token of the tombstone.
        token: FencingToken,
    },
}

/// The result of writing a tombstone, or of restoring a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutResult {
    /// The item was written.
    Written,
    /// Not written: the table has a snapshot or a tombstone that is as new or newer.
    Stale,
}

impl Table {
    /// Stores a record, unless the table has a newer snapshot or a tombstone.
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
            .put(live_item(link, resource, record, token))
            .condition_expression(
                "attribute_not_exists(pk) OR (attribute_not_exists(deleted_at) AND fetched_at <= :token)",
            )
            .expression_attribute_values(":token", n(token));
        Ok(match put_if_allowed(put).await? {
            None => UpsertResult::Written,
            Some(stored) if stored.contains_key("deleted_at") => UpsertResult::Tombstoned { token: token_of(&stored)? },
            Some(_) => UpsertResult::Stale,
        })
    }

    /// Replaces an object by a tombstone, also if the table never had the object: a slow host may still write it.
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
        self.replace_older(tombstone, token).await
    }

    /// Stores a record that Belvo returned by its id. It replaces anything older, tombstones included.
    ///
    /// The condition is the age, not the tombstone that the upsert met: another delivery may have replaced it since, by one
    /// still older than this record.
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
        self.replace_older(live_item(link, resource, record, token), token).await
    }

    async fn replace_older(&self, item: Item, token: FencingToken) -> Result<PutResult, StoreError> {
        let put = self
            .put(item)
            .condition_expression("attribute_not_exists(pk) OR fetched_at < :token")
            .expression_attribute_values(":token", n(token));
        Ok(put_if_allowed(put).await?.map_or(PutResult::Written, |_| PutResult::Stale))
    }

    /// Returns a page of the ids of a resource's live records that are not marked as missing, in order. The second value is
    /// the id to continue after, or `None` after the last page.
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
        let is_live = |item: &&Item| !item.contains_key("deleted_at") && !item.contains_key("missing_since");
        let live = output.items().iter().filter(is_live).filter_map(id).collect();
        Ok((live, output.last_evaluated_key().and_then(id)))
    }

    /// Marks a record as missing, because a whole listing lacked it. The data stays: Belvo itself drops old data. Returns
    /// `false` if a later pass than the listing's first has written the record, or if it is a tombstone. `listing_token` is the
    /// fencing token of the listing's first pass.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn mark_missing(
        &self,
        link: &LinkId,
        resource: &Resource,
        listing_token: FencingToken,
        id: &ObjectId,
        now: EpochMillis,
    ) -> Result<bool, StoreError> {
        let update = self
            .update(keys::record(link, resource, id))
            .update_expression("SET missing_since = :now")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(deleted_at) AND fetched_at <= :token")
            .expression_attribute_values(":now", n(now))
            .expression_attribute_values(":token", n(listing_token));
        Ok(update_if_allowed(update).await?.is_some())
    }
}

fn token_of(item: &Item) -> Result<FencingToken, StoreError> {
    number(item, "fetched_at").ok_or(StoreError::Unreadable("a record without fetched_at"))
}
