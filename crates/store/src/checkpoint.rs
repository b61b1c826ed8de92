//! The checkpoint: what a finished pass leaves behind.
//!
//! One transaction writes the checkpoint, the time of the link's last success, and the outcome of the event. Its condition is
//! that no later pass has begun.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use domain::schedule::drift_delay;
use domain::{Day, EpochMillis};

use crate::attributes::{n, s};
use crate::error::{StoreError, call_failed};
use crate::events::{Counts, EventKey, Outcome};
use crate::fencing_token::FencingToken;
use crate::keys;
use crate::link_state::LinkChange;
use crate::pass::Pass;
use crate::update_expression::UpdateExpression;

/// What a finished pass leaves behind.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The day on which the pass began, if it wrote every page of the list.
    pub watermark: Option<Day>,
    /// The whole listing that the pass finished, if it did.
    pub finished_listing: Option<FinishedListing>,
    /// How the findings compare with the announced totals.
    pub check: Option<Check>,
    /// The changes that the pass found on the link.
    pub link: LinkChange,
}

/// A finished listing of all objects of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinishedListing {
    /// The fencing token of its first pass.
    pub token: FencingToken,
    /// When it began, by the clock of its host.
    pub began_at: EpochMillis,
    /// The number of objects that it found.
    pub count: u64,
}

/// The comparison of the findings with the totals that Belvo announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// At least as many objects as announced.
    Verified,
    /// Nothing was announced.
    Unverified,
    /// Fewer objects than announced, or the list changed while it was read.
    Drift,
}

/// A repetition of a listing that ended as drift.
struct Relisting {
    /// The number of consecutive listings that ended as drift, with this one.
    drifts: u64,
    at: EpochMillis,
}

impl Check {
    /// Returns the word that the table stores.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Drift => "drift",
        }
    }
}

impl Pass {
    /// Ends the pass and its event in one transaction. Returns `false`, and changes nothing, if a later pass has begun.
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
        if let Some(relisting) = self.relisting(checkpoint, now) {
            // Before the transaction: if that fails, the cost is one listing too many.
            self.table.advance_due(&self.link, relisting.at).await?;
        }

        let updates = [
            self.link_update(checkpoint, now)?,
            self.sync_state_update(checkpoint, now)?,
            self.table.event_outcome(event, outcome, counts)?,
        ];
        let items = updates.map(|update| TransactWriteItem::builder().update(update).build());
        let call = self.table.client.transact_write_items().set_transact_items(Some(items.to_vec()));
        match call.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error)) if is_overtaken(error.err()) => Ok(false),
            Err(error) => Err(call_failed(&error)),
        }
    }

    fn link_update(&self, checkpoint: &Checkpoint, now: EpochMillis) -> Result<Update, StoreError> {
        let expression = self.link_state.changed_by(&checkpoint.link, &self.link).set("last_synced_at", n(now));
        expression.if_clock_is(self.token).build_part(self.table.update_in_transaction(keys::link(&self.link)))
    }

    fn sync_state_update(&self, checkpoint: &Checkpoint, now: EpochMillis) -> Result<Update, StoreError> {
        let mut expression = UpdateExpression::default().set("last_success_at", n(now)).remove("last_error");
        // The watermark never moves back.
        if let Some(day) = checkpoint.watermark.max(self.sync_state_before.watermark) {
            expression = expression.set("watermark", s(day.to_string()));
        }
        if let Some(listing) = checkpoint.finished_listing {
            expression = expression
                .set("listed_at", n(listing.token))
                .set("listing_began_at", n(listing.began_at))
                .set("count", n(listing.count));
        }
        if let Some(check) = checkpoint.check {
            expression = expression.set("check", s(check.as_str()));
        }
        if let Some(Relisting { drifts, at }) = self.relisting(checkpoint, now) {
            expression = expression.set("drifts", n(drifts)).set("relist_at", n(at));
        } else if checkpoint.finished_listing.is_some() {
            expression = expression.remove("drifts").remove("relist_at");
        }
        expression.build_part(self.table.update_in_transaction(keys::sync_state(&self.link, self.resource)))
    }

    /// Returns the repetition of a listing that ended as drift.
    fn relisting(&self, checkpoint: &Checkpoint, now: EpochMillis) -> Option<Relisting> {
        let drifts = self.sync_state_before.drifts + 1;
        (checkpoint.check == Some(Check::Drift)).then(|| Relisting { drifts, at: now + drift_delay(drifts) })
    }
}

/// Returns `true` if the condition of the first update, the link's, failed: its clock shows a later token.
fn is_overtaken(error: &TransactWriteItemsError) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else {
        return false;
    };
    canceled.cancellation_reasons().first().is_some_and(|reason| reason.code() == Some("ConditionalCheckFailed"))
}
