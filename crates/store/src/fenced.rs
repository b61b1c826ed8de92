//! What a pass reads and writes: each call carries the link, the resource and the fencing token of the pass.

use std::collections::HashMap;

use domain::{EpochMillis, ObjectId, Record, Resource};

use crate::checkpoint::Checkpoint;
use crate::error::StoreError;
use crate::events::{Counts, EventKey, Outcome};
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

    /// Returns `true` if no later pass has begun on the link. Called before each page is written.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn is_current(&self) -> Result<bool, StoreError> {
        self.table.is_current(self).await
    }

    /// Returns the pass that does the rest of this one's work, or `None` if a later pass has begun on the link.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn follow(&self, now: EpochMillis) -> Result<Option<Self>, StoreError> {
        self.table.follow_pass(self, now).await
    }

    /// Records that this pass reads from Belvo from now on.
    ///
    /// # Errors
    /// [`StoreError::Contended`] when a later pass has recorded it already.
    pub async fn record_start(&self) -> Result<SyncState, StoreError> {
        self.table.record_pass_start(self).await
    }

    /// Ends the pass and its event, as [`Table::finish`](crate::Table::finish) does. `false` when a later pass has begun.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn finish(
        &self,
        checkpoint: &Checkpoint,
        event: &EventKey,
        outcome: Outcome,
        counts: Counts,
        now: EpochMillis,
    ) -> Result<bool, StoreError> {
        self.table.finish(self, checkpoint, event, outcome, counts, now).await
    }

    /// Returns what earlier passes over the resource left behind, as it is stored now.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn sync_state(&self) -> Result<SyncState, StoreError> {
        self.table.sync_state(&self.link, self.resource).await
    }

    /// Returns what is stored for these objects.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn stored_records(&self, ids: &[ObjectId]) -> Result<HashMap<ObjectId, StoredRecord>, StoreError> {
        self.table.stored_records(&self.link, self.resource, ids).await
    }

    /// Stores a record, unless a newer one or a tombstone is stored.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn upsert(&self, record: Record) -> Result<UpsertResult, StoreError> {
        self.table.upsert(&self.link, self.resource, record, self.token).await
    }

    /// Replaces an object by a tombstone, unless something newer is stored.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn tombstone(&self, id: &ObjectId, now: EpochMillis) -> Result<PutResult, StoreError> {
        self.table.tombstone(&self.link, self.resource, id, self.token, now).await
    }

    /// Stores a record in the place of anything older, tombstones included.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn restore(&self, record: Record) -> Result<PutResult, StoreError> {
        self.table.restore(&self.link, self.resource, record, self.token).await
    }

    /// Returns some ids of live records that are not marked as missing, and the id after which there may be more.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn live_ids(&self, after: Option<&ObjectId>) -> Result<(Vec<ObjectId>, Option<ObjectId>), StoreError> {
        self.table.live_ids(&self.link, self.resource, after).await
    }

    /// Marks a record that a whole listing, which began with this fencing token, did not find.
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

    /// Stores the ids that this part of a listing found. `listing` is the fencing token of the listing's first pass.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn store_seen_ids(
        &self,
        listing: FencingToken,
        fingerprints: &[u64],
        now: EpochMillis,
    ) -> Result<(), StoreError> {
        self.table.store_seen_ids(self, listing, fingerprints, now).await
    }

    /// Returns the ids that these parts of a listing found.
    ///
    /// # Errors
    /// [`StoreError`], also when nothing is stored of one of the parts.
    pub async fn seen_ids(&self, listing: FencingToken, parts: &[FencingToken]) -> Result<Vec<u64>, StoreError> {
        self.table.seen_ids(&self.link, self.resource, listing, parts).await
    }
}
