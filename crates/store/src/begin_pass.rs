//! The beginning of a pass.
//!
//! A pass begins by taking a fencing token from the link's clock (see the module `clock`). A later pass of the same link takes
//! a larger token: the earlier pass is then *overtaken*. It stops before its next page, and its checkpoint fails.

use aws_sdk_dynamodb::types::ReturnValue;
use domain::{EpochMillis, LinkId, Resource};

use crate::attributes::n;
use crate::clock::TokenPurpose;
use crate::error::{PassError, StoreError};
use crate::keys;
use crate::pass::Pass;
use crate::sync_state::SyncState;
use crate::table::{Table, update_if_allowed};

impl Table {
    /// Begins a pass that reads from Belvo: takes a fencing token, and records the start of the pass. `webhook_at` is the
    /// time of the webhook behind it, if any.
    ///
    /// # Errors
    /// [`PassError`]
    pub async fn begin_pass(
        &self,
        link: &LinkId,
        resource: &'static Resource,
        webhook_at: Option<EpochMillis>,
        now: EpochMillis,
    ) -> Result<Pass, PassError> {
        let mut pass = self.take_pass(link, resource, webhook_at, now).await?;
        pass.sync_state_before = pass.record_start().await?;
        Ok(pass)
    }

    /// Begins a pass that may not read from Belvo, and does not update `last_pass_at`. Call [`Pass::record_start`] before
    /// reading from Belvo.
    ///
    /// # Errors
    /// [`PassError`]
    pub async fn begin_local_pass(
        &self,
        link: &LinkId,
        resource: &'static Resource,
        webhook_at: Option<EpochMillis>,
        now: EpochMillis,
    ) -> Result<Pass, PassError> {
        // The token first: a pass that began earlier has recorded its start, and one that begins later overtakes this one.
        let mut pass = self.take_pass(link, resource, webhook_at, now).await?;
        pass.sync_state_before = self.sync_state(link, resource).await?;
        Ok(pass)
    }

    /// Takes a fencing token for a pass. The caller sets `sync_state_before`.
    async fn take_pass(
        &self,
        link: &LinkId,
        resource: &'static Resource,
        webhook_at: Option<EpochMillis>,
        now: EpochMillis,
    ) -> Result<Pass, PassError> {
        let (token, link_state) = self.take_token(link, TokenPurpose::Pass { webhook_at }, now).await?;
        Ok(Pass {
            table: self.clone(),
            link: link.clone(),
            resource,
            token,
            began_at: now,
            sync_state_before: SyncState::default(),
            link_state,
        })
    }
}

impl Pass {
    /// Begins the next pass, which continues the work of this one. Returns `None` if a later pass has begun on the link: this
    /// one was overtaken, and must not become current again.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn next_pass(&self, now: EpochMillis) -> Result<Option<Self>, StoreError> {
        let token = now.max(self.token.saturating_add(1));
        let update = self
            .table
            .update(keys::link(&self.link))
            .update_expression("SET clock = :next")
            .condition_expression("clock = :token")
            .expression_attribute_values(":next", n(token))
            .expression_attribute_values(":token", n(self.token));
        if update_if_allowed(update).await?.is_none() {
            return Ok(None);
        }
        let mut pass = Self { token, began_at: now, ..self.clone() };
        pass.sync_state_before = pass.record_start().await?;
        Ok(Some(pass))
    }

    /// Records that the pass reads from Belvo from now on. Returns the sync state before that.
    ///
    /// # Errors
    /// [`StoreError::Contended`] if a later pass has recorded its start.
    pub async fn record_start(&self) -> Result<SyncState, StoreError> {
        let update = self
            .table
            .update(keys::sync_state(&self.link, self.resource))
            .update_expression("SET last_pass_at = :token")
            // An overtaken pass must not set the time back: deletions are compared with it.
            .condition_expression("attribute_not_exists(last_pass_at) OR last_pass_at <= :token")
            .expression_attribute_values(":token", n(self.token))
            .return_values(ReturnValue::AllOld);
        let output = update_if_allowed(update).await?.ok_or(StoreError::Contended)?;
        Ok(SyncState::read(&output.attributes.unwrap_or_default()))
    }
}
