//! The purge: removal of what the table keeps of a link's user.
//!
//! **Guarantee.** After the end of a purge the table has only these items of the link: its own, with its final status and a
//! receipt, and its events without content. The requests of an erased link are removed too. A purge may stop at any point, and
//! begin again.
//! **Mechanism.** A purge begins with one update, which takes a fencing token and sets the final status. It overtakes every
//! running pass, and no pass can begin again. From then on the number of items only decreases, so each continuation starts
//! from the beginning. An erased link is due for a second purge a day later, for two reasons: the index that finds its requests
//! may lag, and a host that stopped in the middle of a write may have finished it.

use std::time::Instant;

use domain::{EpochMillis, LinkId, LinkStatus};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::attributes::{Item, n, number, s, text};
use crate::clock::TokenPurpose;
use crate::error::{PassError, StoreError, call_failed};
use crate::events::EventKey;
use crate::fencing_token::FencingToken;
use crate::keys::{self, Key};
use crate::table::{Table, update_if_allowed};
use crate::update_expression::UpdateExpression;

/// The maximum number of items that are read, and then removed, before the deadline is checked again.
const ITEMS_PER_PAGE: i32 = 200;
/// The maximum number of concurrent removals. A link is one partition of the table, which takes about 1,000 writes a second.
const MAX_CONCURRENT_REMOVALS: usize = 16;
/// The time after its marking at which an erased link is purged a second time: 24 hours.
const SECOND_PURGE_AFTER_MS: EpochMillis = 24 * 60 * 60 * 1_000;

/// A purge that has begun.
#[derive(Debug, Clone)]
pub struct Purge {
    link: LinkId,
    /// The fencing token of the purge.
    pub token: FencingToken,
    status: LinkStatus,
}

/// The counts of all removals by the purges of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// When the last purge ended.
    pub purged_at: EpochMillis,
    /// Records removed.
    pub records: u64,
    /// Sync states removed.
    pub sync_states: u64,
    /// Events whose content was removed.
    pub events: u64,
    /// Requests removed, of an erased link.
    pub requests: u64,
}

/// The progress of a purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// Nothing is left.
    Complete,
    /// The deadline has passed. A continuation removes the rest.
    Partial,
    /// Another purge of the link has begun. It removes the rest.
    Overtaken,
}

/// The counts of what one page removed.
#[derive(Debug, Default, Clone, Copy)]
struct Removed {
    records: u64,
    sync_states: u64,
    events: u64,
    requests: u64,
}

/// A range of keys that a purge reads: the link's requests, and its partition in the order of the sort keys. Of the partition,
/// the link's own item and the events stay.
#[derive(Clone, Copy)]
enum KeyRange {
    Requests,
    BeforeEvents,
    AfterEvents,
    Events,
}

impl Table {
    /// Ends a link for good: every running pass is overtaken, no pass can begin, and the link's item loses what identifies its
    /// user. `status` is `deleted` or `erased`. An erased link cannot become deleted.
    ///
    /// # Errors
    /// [`PassError`]
    pub async fn begin_purge(&self, link: &LinkId, status: LinkStatus, now: EpochMillis) -> Result<Purge, PassError> {
        let (token, _) = self.take_token(link, TokenPurpose::End { status }, now).await?;
        Ok(Purge { link: link.clone(), token, status })
    }

    /// Removes the link's records and sync states, the content of its events, and the requests of an erased link, until nothing
    /// is left or the deadline has passed. At least one page of removals is done in any case. The receipt on the link's item
    /// grows with each page.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn purge(&self, purge: &Purge, deadline: Instant) -> Result<Purged, StoreError> {
        for range in KeyRange::of(purge.status) {
            let mut start = None;
            loop {
                let (items, next) = self.read_page(purge, *range, start).await?;
                let removed = self.remove(*range, items).await?;
                if removed.any() {
                    if !self.record_removed(purge, removed).await? {
                        return Ok(Purged::Overtaken);
                    }
                    // Each continuation adds an event of its own: the last page of the events must not need another one.
                    let is_last = next.is_none() && matches!(range, KeyRange::Events);
                    if Instant::now() >= deadline && !is_last {
                        return Ok(Purged::Partial);
                    }
                }
                if next.is_none() {
                    break;
                }
                start = next;
            }
        }
        Ok(Purged::Complete)
    }

    /// Records that nothing is left. Returns `false` if another purge has begun.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn end_purge(&self, purge: &Purge, now: EpochMillis) -> Result<bool, StoreError> {
        let erased_at = self.link_item(&purge.link).await?.and_then(|item| number(&item, "erased_at"));
        let is_first = erased_at.is_some_and(|erased_at| now < erased_at + SECOND_PURGE_AFTER_MS);
        let expression = ["records", "sync_states", "events", "requests"]
            .into_iter()
            .fold(UpdateExpression::default(), |all, what| all.set_if_absent(&format!("purged_{what}"), n(0)))
            .set("purged_at", n(now))
            .if_clock_is(purge.token);
        let expression = if is_first && purge.status == LinkStatus::Erased {
            expression.set_due(&purge.link, now + SECOND_PURGE_AFTER_MS)
        } else {
            expression.remove_due()
        };
        Ok(update_if_allowed(expression.apply_to(self.update(keys::link(&purge.link)))).await?.is_some())
    }

    /// Returns the receipt of a link's purges, read consistently. `None` before the first purge has ended.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn receipt(&self, link: &LinkId) -> Result<Option<Receipt>, StoreError> {
        let Some(item) = self.link_item(link).await? else { return Ok(None) };
        let count = |name: &str| number(&item, name).and_then(|count| count.try_into().ok()).unwrap_or_default();
        Ok(number(&item, "purged_at").map(|purged_at| Receipt {
            purged_at,
            records: count("purged_records"),
            sync_states: count("purged_sync_states"),
            events: count("purged_events"),
            requests: count("purged_requests"),
        }))
    }

    /// Removes the webhook's `data` from an event that came after its link was deleted or erased.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn remove_event_data(&self, event: &EventKey) -> Result<(), StoreError> {
        self.remove_data(event.key().clone()).await
    }

    /// Reads the keys of one page of a range. Returns them, and the key to continue after.
    async fn read_page(
        &self,
        purge: &Purge,
        range: KeyRange,
        start: Option<Key>,
    ) -> Result<(Vec<Key>, Option<Key>), StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .limit(ITEMS_PER_PAGE)
            .projection_expression("pk, sk")
            .key_condition_expression(range.condition())
            .expression_attribute_values(":pk", s(keys::link_pk(&purge.link)))
            .expression_attribute_values(":bound", s(range.bound()))
            .set_exclusive_start_key(start);
        let query = match range {
            KeyRange::Requests => query.index_name("gsi1"),
            KeyRange::Events => query
                .consistent_read(true)
                .filter_expression("attribute_exists(#data)")
                .expression_attribute_names("#data", "data"),
            KeyRange::BeforeEvents | KeyRange::AfterEvents => query.consistent_read(true),
        };
        let output = query.send().await.map_err(|error| call_failed(&error))?;
        Ok((output.items.unwrap_or_default(), output.last_evaluated_key))
    }

    async fn remove(&self, range: KeyRange, keys: Vec<Key>) -> Result<Removed, StoreError> {
        let keys: Vec<Key> = keys.into_iter().filter(|key| text(key, "sk") != Some("LINK")).collect();
        let removed = Removed::of(range, &keys);
        let removals = keys.into_iter().map(|key| async move {
            match range {
                KeyRange::Events => self.remove_data(key).await,
                KeyRange::Requests | KeyRange::BeforeEvents | KeyRange::AfterEvents => self.delete(key).await,
            }
        });
        stream::iter(removals).buffer_unordered(MAX_CONCURRENT_REMOVALS).try_collect::<()>().await?;
        Ok(removed)
    }

    async fn delete(&self, key: Key) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.name).set_key(Some(key));
        delete.send().await.map_err(|error| call_failed(&error))?;
        Ok(())
    }

    async fn remove_data(&self, event: Key) -> Result<(), StoreError> {
        // The condition: an event that has expired meanwhile must not be created again.
        let expression = UpdateExpression::default().remove("data").condition("attribute_exists(pk)");
        update_if_allowed(expression.apply_to(self.update(event))).await?;
        Ok(())
    }

    /// Adds to the receipt. Returns `false` if another purge has begun.
    async fn record_removed(&self, purge: &Purge, removed: Removed) -> Result<bool, StoreError> {
        let expression = UpdateExpression::default()
            .add("purged_records :records", ":records", n(removed.records))
            .add("purged_sync_states :sync_states", ":sync_states", n(removed.sync_states))
            .add("purged_events :events", ":events", n(removed.events))
            .add("purged_requests :requests", ":requests", n(removed.requests))
            .if_clock_is(purge.token);
        Ok(update_if_allowed(expression.apply_to(self.update(keys::link(&purge.link)))).await?.is_some())
    }
}

impl Removed {
    fn of(range: KeyRange, keys: &[Item]) -> Self {
        let all = keys.len() as u64;
        match range {
            KeyRange::Events => return Self { events: all, ..Self::default() },
            KeyRange::Requests => return Self { requests: all, ..Self::default() },
            KeyRange::BeforeEvents | KeyRange::AfterEvents => {}
        }
        let is_sync_state = |key: &&Item| text(key, "sk").is_some_and(|sk| sk.starts_with(keys::SYNC_STATE));
        let sync_states = keys.iter().filter(is_sync_state).count() as u64;
        Self { records: all - sync_states, sync_states, ..Self::default() }
    }

    fn any(self) -> bool {
        self.records + self.sync_states + self.events + self.requests > 0
    }
}

impl KeyRange {
    /// Returns the ranges that a purge reads, in order.
    fn of(status: LinkStatus) -> &'static [Self] {
        match status {
            LinkStatus::Erased => &[Self::Requests, Self::BeforeEvents, Self::AfterEvents, Self::Events],
            _ => &[Self::BeforeEvents, Self::AfterEvents, Self::Events],
        }
    }

    fn condition(self) -> &'static str {
        match self {
            Self::Requests => "gsi1pk = :pk AND begins_with(gsi1sk, :bound)",
            Self::BeforeEvents => "pk = :pk AND sk < :bound",
            Self::AfterEvents => "pk = :pk AND sk > :bound",
            Self::Events => "pk = :pk AND begins_with(sk, :bound)",
        }
    }

    fn bound(self) -> &'static str {
        match self {
            Self::Requests => "REQUEST#",
            Self::BeforeEvents | Self::Events => "EVENT#",
            // `$` is the character after `#`.
            Self::AfterEvents => "EVENT$",
        }
    }
}
