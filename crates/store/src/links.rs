//! The item of a link: its status, and the facts behind the status.
//!
//! A pass over the link writes what it found on condition that no later pass has begun, so a slow host never overwrites what
//! a faster one has read since. Two writes depend on the status alone: the institution's name, and the status that a failed
//! call to Belvo shows. A link that was deleted or erased stays so.

use domain::{EpochMillis, LinkId, LinkStatus};

use crate::attributes::{Item, s};
use crate::clock::TokenPurpose;
use crate::error::{PassError, StoreError};
use crate::fencing_token::FencingToken;
use crate::keys;
use crate::link_state::{LinkChange, LinkState};
use crate::table::{Table, update_if_allowed};
use crate::update_expression::UpdateExpression;

/// A pass over the link itself.
#[derive(Debug, Clone)]
pub struct LinkPass {
    /// The link.
    pub link: LinkId,
    /// The fencing token of the pass.
    pub token: FencingToken,
    /// The state of the link when the pass began.
    pub link_state: LinkState,
}

impl Table {
    /// Returns the state of a link, read consistently.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn link(&self, link: &LinkId) -> Result<LinkState, StoreError> {
        Ok(LinkState::read(&self.link_item(link).await?.unwrap_or_default()))
    }

    /// Returns the item of a link, read consistently.
    pub(crate) async fn link_item(&self, link: &LinkId) -> Result<Option<Item>, StoreError> {
        self.get(keys::link(link)).await
    }

    /// Begins a pass over the link itself. `webhook_at` is the time of the webhook behind it, if any.
    ///
    /// # Errors
    /// [`PassError`]
    pub async fn begin_link_pass(
        &self,
        link: &LinkId,
        webhook_at: Option<EpochMillis>,
        now: EpochMillis,
    ) -> Result<LinkPass, PassError> {
        let (token, link_state) = self.take_token(link, TokenPurpose::Pass { webhook_at }, now).await?;
        Ok(LinkPass { link: link.clone(), token, link_state })
    }

    /// Writes what a pass found on the link. Returns `false`, and changes nothing, if a later pass has begun.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn finish_link_pass(&self, pass: &LinkPass, change: &LinkChange) -> Result<bool, StoreError> {
        let expression = pass.link_state.changed_by(change, &pass.link).if_clock_is(pass.token);
        let update = expression.apply_to(self.update(keys::link(&pass.link)));
        Ok(update_if_allowed(update).await?.is_some())
    }

    /// Stores the name of a link's institution.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn record_institution(&self, link: &LinkId, institution: &str) -> Result<(), StoreError> {
        let expression = UpdateExpression::default().set("institution", s(institution));
        self.update_link_unless(link, expression, &[LinkStatus::Erased, LinkStatus::Deleted]).await
    }

    /// Records that Belvo cannot use the link, or does not have it. An ended consent takes precedence over a failed login. If
    /// Belvo does not have the link, the announced status is removed.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn set_link_status(&self, link: &LinkId, status: LinkStatus) -> Result<(), StoreError> {
        let expression = UpdateExpression::default()
            .set("status", s(status.as_str()))
            .set_or_remove("action", status.action().map(s));
        if status == LinkStatus::Gone {
            let expression = expression.remove("announced_status");
            return self.update_link_unless(link, expression, &[LinkStatus::Erased, LinkStatus::Deleted]).await;
        }
        let stronger = [LinkStatus::Erased, LinkStatus::Deleted, LinkStatus::ConsentExpired];
        self.update_link_unless(link, expression, &stronger).await
    }

    /// Updates the item of a link, unless its status is one of these.
    pub(crate) async fn update_link_unless(
        &self,
        link: &LinkId,
        expression: UpdateExpression,
        statuses: &[LinkStatus],
    ) -> Result<(), StoreError> {
        update_if_allowed(expression.unless_status(statuses).apply_to(self.update(keys::link(link)))).await?;
        Ok(())
    }
}
