//! The reads and writes of a pass: each call passes on its link, its resource and its fencing token.

use std::collections::HashMap;

use domain::{EpochMillis, ObjectId, Record, Resource};

use crate::error::StoreError;
use crate::fencing_token::FencingToken;
use crate::passes::Pass;
use crate::records::{PutResult, UpsertResult};
use crate::stored_records::StoredRecord;
use crate::sync_state::SyncState;

impl Pass {
    /// Returns the same pass for another resource of the link. `before` stays the state of the first resource.
    #[must_use]
    pub fn with_resource(&self, resource: &'static Resource) -> Self {
        Self { resource, ..self.clone() }
    }

    /// Returns the sync state of the resource as it is stored now, see [`Table::sync_state`](crate::Table::sync_state).
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn sync_state(&self) -> Result<SyncState, StoreError> {
        self.table.sync_state(&self.link, self.resource).await
    }

    /// Returns the stored records and tombstones of these objects, see [`Table::stored_records`](crate::Table::stored_records).
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn stored_records(&self, ids: &[ObjectId]) -> Result<HashMap<ObjectId, StoredRecord>, StoreError> {
        self.table.stored_records(&self.link, self.resource, ids).await
    }

    /// Stores a record, unless the table has a newer snapshot or a tombstone, see [`Table::upsert`](crate::Table::upsert).
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn upsert(&self, record: Record) -> Result<UpsertResult, StoreError> {
        self.table.upsert(&self.link, self.resource, record, self.token).await
    }

    /// Replaces an object by a tombstone, unless the table has something as new or newer, see [`Table::tombstone`](crate::Table::tombstone).
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn tombstone(&self, id: &ObjectId, now: EpochMillis) -> Result<PutResult, StoreError> {
        self.table.tombstone(&self.link, self.resource, id, self.token, now).await
    }

    /// Stores a record that Belvo returned by its id. It replaces anything older, see [`Table::restore`](crate::Table::restore).
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn restore(&self, record: Record) -> Result<PutResult, StoreError> {
        self.table.restore(&self.link, self.resource, record, self.token).await
    }

    /// Returns a page of the ids of live records that are not marked as missing, see [`Table::live_ids`](crate::Table::live_ids).
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn live_ids(&self, after: Option<&ObjectId>) -> Result<(Vec<ObjectId>, Option<ObjectId>), StoreError> {
        self.table.live_ids(&self.link, self.resource, after).await
    }

    /// Marks a record that a whole listing lacked, see [`Table::mark_missing`](crate::Table::mark_missing).
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn mark_missing(
        &self,
        listing: FencingToken,
        id: &ObjectId,
        now: EpochMillis,
    ) -> Result<bool, StoreError> {
        self.table.mark_missing(&self.link, self.resource, listing, id, now).await
    }
}
