//! Passes: the link's clock, and what a finished pass leaves behind.
//!
//! A link's clock is one number on its item. A pass begins by moving it, so that fencing tokens of a link only grow, whatever
//! the hosts' own clocks say. A pass that finds the clock moved on has been overtaken: it stops, and its checkpoint,
//! which is one transaction with the clock as its condition, does not go through.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem, Update};
use domain::schedule::drift_delay;
use domain::{Day, EpochMillis, LinkId, Resource};

use crate::attributes::{Item, n, number, s, text};
use crate::clock::Claim;
use crate::events::{Counts, EventKey, Outcome};
use crate::links::{LinkChange, LinkState};
use crate::table::{call_failed, send_if_allowed};
use crate::update_expression::UpdateExpression;
use crate::{FencingToken, StoreError, Table, keys};

/// A pass that has begun.
#[derive(Debug, Clone)]
pub struct Pass {
    pub(crate) table: Table,
    /// Whose pass.
    pub link: LinkId,
    /// Over what.
    pub resource: &'static Resource,
    /// The fencing token of all that it writes.
    pub token: FencingToken,
    /// When it began, by the clock of its host.
    pub began_at: EpochMillis,
    /// What earlier passes left behind.
    pub before: SyncState,
    /// What was known of the link when it began.
    pub link_state: LinkState,
}

/// What is known of a link's resource.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SyncState {
    /// The day on which the last complete pass began: what is new was created on it or later.
    pub watermark: Option<Day>,
    /// The fencing token of the last pass that began to look at Belvo, finished or not.
    pub last_pass_at: Option<FencingToken>,
    /// The fencing token of the last whole listing that was finished.
    pub listed_at: Option<FencingToken>,
    /// When that listing began, by the clock of its host: the fencing token may be ahead of every clock.
    pub listing_began_at: Option<EpochMillis>,
    /// How many objects that listing found.
    pub count: Option<u64>,
    /// How many listings in a row were in doubt.
    pub drifts: u64,
}

/// Why a pass may not begin.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The link's data was erased; nothing is stored for it again.
    #[error("the link was erased")]
    Erased,
    /// Belvo deleted the link; nothing is stored for it again.
    #[error("the link was deleted")]
    Deleted,
    /// DynamoDB did not do what it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Does what was found agree with what Belvo said would be found?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// At least as many as announced.
    Verified,
    /// Nothing was announced.
    Unverified,
    /// Fewer than announced, or the list moved while it was read.
    Drift,
}

/// What a finished pass leaves behind.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Every page of the list was written, from this day on.
    pub watermark: Option<Day>,
    /// A whole listing was finished.
    pub listing: Option<FinishedListing>,
    /// How the result compares with what was announced.
    pub check: Option<Check>,
    /// What was learned of the link.
    pub link: LinkChange,
}

/// A whole listing that was finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinishedListing {
    /// Its fencing token.
    pub token: FencingToken,
    /// When it began, by the clock of its host.
    pub began_at: EpochMillis,
    /// How many objects it found.
    pub count: u64,
}

impl Check {
    /// The word in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Drift => "drift",
        }
    }
}

impl Table {
    /// Takes the next fencing token of the link's clock and notes that a pass over the resource begins.
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
        let (token, link_state) = self.take_token(link, Claim::Pass(webhook_at), now).await?;
        let before = SyncState::default();
        let mut pass =
            Pass { table: self.clone(), link: link.clone(), resource, token, began_at: now, before, link_state };
        pass.before = self.record_pass_start(&pass).await?;
        Ok(pass)
    }

    /// The same for a pass that does the rest of another's work. None when yet another has begun since: then the first was
    /// overtaken, and may not become the newest again.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn follow_pass(&self, first: &Pass, now: EpochMillis) -> Result<Option<Pass>, StoreError> {
        let token = now.max(first.token.saturating_add(1));
        let update = self
            .update(keys::link(&first.link))
            .update_expression("SET clock = :next")
            .condition_expression("clock = :s")
            .expression_attribute_values(":next", n(token))
            .expression_attribute_values(":s", n(first.token));
        if send_if_allowed(update).await?.is_none() {
            return Ok(None);
        }
        let mut pass = Pass { token, began_at: now, ..first.clone() };
        pass.before = self.record_pass_start(&pass).await?;
        Ok(Some(pass))
    }

    /// The same for a pass that will not ask Belvo, and so leaves no note that anybody looked.
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
        // In this order: whoever began to look before has noted it, and whoever begins later overtakes us.
        let (token, link_state) = self.take_token(link, Claim::Pass(webhook_at), now).await?;
        let before = self.sync_state(link, resource).await?;
        Ok(Pass { table: self.clone(), link: link.clone(), resource, token, began_at: now, before, link_state })
    }

    /// Is this still the newest pass of its link? Asked before every page that it writes.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn is_current(&self, pass: &Pass) -> Result<bool, StoreError> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(keys::link(&pass.link)));
        let get = get.consistent_read(true).projection_expression("clock");
        let output = get.send().await.map_err(|error| call_failed(&error))?;
        Ok(output.item.as_ref().and_then(|item| number(item, "clock")) == Some(pass.token))
    }

    /// Ends a pass and its event in one transaction: the checkpoint, the link's time of success and the event's
    /// outcome. `false` when another pass has begun meanwhile; then nothing was changed.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn finish(
        &self,
        pass: &Pass,
        checkpoint: &Checkpoint,
        event: &EventKey,
        outcome: Outcome,
        counts: Counts,
        now: EpochMillis,
    ) -> Result<bool, StoreError> {
        if let Some((_, relist_at)) = pass.drift(checkpoint, now) {
            // Before: if the transaction fails, somebody looks once too often.
            self.advance_due(&pass.link, relist_at).await?;
        }
        let updates = [
            self.link_success(pass, checkpoint, now)?,
            self.state_success(pass, checkpoint, now)?,
            self.event_outcome(event, outcome, counts)?,
        ];
        let items = updates.map(|update| TransactWriteItem::builder().update(update).build());
        let call = self.client.transact_write_items().set_transact_items(Some(items.to_vec()));
        match call.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error)) if lost_the_clock(error.err()) => Ok(false),
            Err(error) => Err(call_failed(&error)),
        }
    }

    /// Notes why the last pass over a resource did not end.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn record_failure(&self, link: &LinkId, resource: &Resource, error: &str) -> Result<(), StoreError> {
        let update = self.update(keys::sync_state(link, resource)).update_expression("SET last_error = :error");
        update.expression_attribute_values(":error", s(error)).send().await.map_err(|error| call_failed(&error))?;
        Ok(())
    }

    /// What earlier passes over a resource left behind.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn sync_state(&self, link: &LinkId, resource: &Resource) -> Result<SyncState, StoreError> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(keys::sync_state(link, resource)));
        let output = get.consistent_read(true).send().await.map_err(|error| call_failed(&error))?;
        Ok(SyncState::read(&output.item.unwrap_or_default()))
    }

    /// Notes that a pass looks at Belvo from now on, and reads what was noted before.
    ///
    /// # Errors
    /// [`StoreError::Contended`] when a later pass has noted it already.
    pub async fn record_pass_start(&self, pass: &Pass) -> Result<SyncState, StoreError> {
        let update = self
            .update(keys::sync_state(&pass.link, pass.resource))
            .update_expression("SET last_pass_at = :s")
            // A pass that was overtaken before it got here must not set the time back: deletions are judged by it.
            .condition_expression("attribute_not_exists(last_pass_at) OR last_pass_at <= :s")
            .expression_attribute_values(":s", n(pass.token))
            .return_values(ReturnValue::AllOld);
        let output = send_if_allowed(update).await?.ok_or(StoreError::Contended)?;
        Ok(SyncState::read(&output.attributes.unwrap_or_default()))
    }

    fn link_success(&self, pass: &Pass, checkpoint: &Checkpoint, now: EpochMillis) -> Result<Update, StoreError> {
        let expression = pass.link_state.changed_by(&checkpoint.link, &pass.link).set("last_synced_at", n(now));
        let update = self.update_part(keys::link(&pass.link)).update_expression(expression.text());
        let (names, values) = expression.under_the_clock(pass.token);
        let update = update.set_expression_attribute_names(Some(names)).set_expression_attribute_values(Some(values));
        update.condition_expression("clock = :s").build().map_err(|_| BUILD_FAILED)
    }

    fn state_success(&self, pass: &Pass, checkpoint: &Checkpoint, now: EpochMillis) -> Result<Update, StoreError> {
        let mut expression = UpdateExpression::default().set("last_success_at", n(now)).remove("last_error");
        // Never later than the pass began, never earlier than before.
        if let Some(day) = checkpoint.watermark.max(pass.before.watermark) {
            expression = expression.set("watermark", s(day.to_string()));
        }
        if let Some(listed) = checkpoint.listing {
            expression = expression
                .set("listed_at", n(listed.token))
                .set("listing_began_at", n(listed.began_at))
                .set("count", n(listed.count));
        }
        if let Some(check) = checkpoint.check {
            expression = expression.set("check", s(check.as_str()));
        }
        if let Some((times, relist_at)) = pass.drift(checkpoint, now) {
            expression = expression.set("drifts", n(times)).set("relist_at", n(relist_at));
        } else if checkpoint.listing.is_some() {
            expression = expression.remove("drifts").remove("relist_at");
        }
        let key = keys::sync_state(&pass.link, pass.resource);
        let update = self.update_part(key).update_expression(expression.text());
        let (names, values) = expression.names_and_values();
        let update = update.set_expression_attribute_names(Some(names)).set_expression_attribute_values(Some(values));
        update.build().map_err(|_| BUILD_FAILED)
    }

    pub(crate) fn update(&self, key: Item) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.name).set_key(Some(key))
    }

    /// An update as part of a transaction.
    pub(crate) fn update_part(&self, key: Item) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        Update::builder().table_name(&self.name).set_key(Some(key))
    }
}

impl Pass {
    /// Of a listing in doubt: how many there were in a row, and when it is to be repeated.
    fn drift(&self, checkpoint: &Checkpoint, now: EpochMillis) -> Option<(u64, EpochMillis)> {
        let times = self.before.drifts + 1;
        (checkpoint.check == Some(Check::Drift)).then(|| (times, now + drift_delay(times)))
    }
}

impl SyncState {
    fn read(item: &Item) -> Self {
        Self {
            watermark: text(item, "watermark").and_then(Day::parse),
            last_pass_at: number(item, "last_pass_at"),
            listed_at: number(item, "listed_at"),
            listing_began_at: number(item, "listing_began_at"),
            count: number(item, "count").and_then(|count| count.try_into().ok()),
            drifts: number(item, "drifts").and_then(|drifts| drifts.try_into().ok()).unwrap_or_default(),
        }
    }
}

/// Every update here has a table, a key and an expression.
pub(crate) const BUILD_FAILED: StoreError = StoreError::Unreadable("an update of ours");

/// Was the transaction refused because the first of its updates, the link's, found another clock?
fn lost_the_clock(error: &TransactWriteItemsError) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else {
        return false;
    };
    canceled.cancellation_reasons().first().is_some_and(|reason| reason.code() == Some("ConditionalCheckFailed"))
}
