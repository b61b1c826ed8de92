//! A pass over a resource of a link: its reads and writes, each with its link, its resource and its fencing token.

use std::collections::HashMap;

use domain::{EpochMillis, LinkId, ObjectId, Record, Resource};

use crate::attributes::number;
use crate::error::{StoreError, call_failed};
use crate::fencing_token::FencingToken;
use crate::keys;
use crate::link_state::LinkState;
use crate::records::{PutResult, UpsertResult};
use crate::stored_records::StoredRecord;
use crate::sync_state::SyncState;
use crate::table::Table;

/// A pass over a resource of a link.
#[derive(Debug, Clone)]
pub struct Pass {
    pub(crate) table: Table,
    /// The link.
    pub link: LinkId,
    /// The resource.
    pub resource: &'static Resource,
    /// The fencing token of all writes of the pass.
    pub token: FencingToken,
    /// When the pass began, by the clock of its host.
    pub began_at: EpochMillis,
    /// The sync state that earlier passes left.
    pub sync_state_before: SyncState,
    /// The state of the link when the pass began.
    pub link_state: LinkState,
}

impl Pass {
    /// Returns `true` if no later pass has begun on the link. Called before each page is written.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn is_current(&self) -> Result<bool, StoreError> {
        let Table { client, name } = &self.table;
        let get = client.get_item().table_name(name).set_key(Some(keys::link(&self.link)));
        let get = get.consistent_read(true).projection_expression("clock");
        let output = get.send().await.map_err(|error| call_failed(&error))?;
        Ok(output.item.as_ref().and_then(|item| number(item, "clock")) == Some(self.token))
    }

    /// Returns the same pass for another resource of the link. `sync_state_before` stays the state of the first resource.
    #[must_use]
    pub fn with_resource(&self, resource: &'static Resource) -> Self {
        Self { resource, ..self.clone() }
    }

    /// Returns the sync state of the resource as it is stored now, see [`Table::sync_state`].
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn sync_state(&self) -> Result<SyncState, StoreError> {
        self.table.sync_state(&self.link, self.resource).await
    }

    /// Returns the stored records and tombstones of these objects, see [`Table::stored_records`].
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn stored_records(&self, ids: &[ObjectId]) -> Result<HashMap<ObjectId, StoredRecord>, StoreError> {
        self.table.stored_records(&self.link, self.resource, ids).await
    }

    /// Stores a record, unless the table has a newer snapshot or a tombstone, see [`Table::upsert`].
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn upsert(&self, record: Record) -> Result<UpsertResult, StoreError> {
        self.table.upsert(&self.link, self.resource, record, self.token).await
    }

    /// Replaces an object by a tombstone, unless the table has something as new or newer, see [`Table::tombstone`].
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn tombstone(&self, id: &ObjectId, now: EpochMillis) -> Result<PutResult, StoreError> {
        self.table.tombstone(&self.link, self.resource, id, self.token, now).await
    }

    /// Stores a record that Belvo returned by its id. It replaces anything older, see [`Table::restore`].
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn restore(&self, record: Record) -> Result<PutResult, StoreError> {
        self.table.restore(&self.link, self.resource, record, self.token).await
    }

    /// Returns a page of the ids of live records that are not marked as missing, see [`Table::live_ids`].
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn live_ids(&self, after: Option<&ObjectId>) -> Result<(Vec<ObjectId>, Option<ObjectId>), StoreError> {
        self.table.live_ids(&self.link, self.resource, after).await
    }

    /// Marks a record that a whole listing lacked, see [`Table::mark_missing`].
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn mark_missing(
        &self,
        listing_token: FencingToken,
        id: &ObjectId,
        now: EpochMillis,
    ) -> Result<bool, StoreError> {
        self.table.mark_missing(&self.link, self.resource, listing_token, id, now).await
    }
}
