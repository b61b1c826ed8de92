//! Removing all that is kept of a link's user.
//!
//! **Guarantee.** After a purge has ended nothing of the link is left but its item, with its final status and a receipt,
//! and events without content; of an erased link no request either. It may be broken off at any point and begun again.
//! **Mechanism.** It begins by one update that moves the link's clock and sets the final status: whoever is at work is
//! overtaken, and nobody begins again. So what is to be removed only becomes less, and each leg starts from the beginning.
//! An erased link is due for another purge a day later: the index that its requests are found by may lag, and a host that
//! was frozen in the middle of a write may have finished it.

use std::collections::HashMap;
use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{EpochMillis, LinkId, LinkStatus};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::attributes::{Item, n, number, s, text};
use crate::clock::Claim;
use crate::keys::Key;
use crate::table::{call_failed, send_if_allowed};
use crate::update_expression::UpdateExpression;
use crate::{EventKey, FencingToken, PassError, StoreError, Table, keys};

/// Items that are read, and then removed, before the time is looked at again.
const ITEMS_PER_ROUND: i32 = 200;
/// Removals under way at once. One link is one partition of the table, about 1,000 writes a second.
const REMOVALS_AT_ONCE: usize = 16;
/// So long after its first purge an erased link is swept again.
const SWEEP_AFTER_MS: EpochMillis = 24 * 60 * 60 * 1_000;

/// A purge that has begun.
#[derive(Debug, Clone)]
pub struct Purge {
    link: LinkId,
    /// Its fencing token.
    pub token: FencingToken,
    status: LinkStatus,
}

/// What a purge has removed, and when the last one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// When the last purge ended.
    pub purged_at: EpochMillis,
    /// How many records.
    pub records: u64,
    /// How many sync states.
    pub sync_states: u64,
    /// Of how many events the content.
    pub events: u64,
    /// How many requests, of an erased link.
    pub requests: u64,
}

/// How far a purge has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// Nothing is left.
    Complete,
    /// The time was up: another leg does the rest.
    Partial,
    /// Another purge of the link has begun: it does the rest.
    Overtaken,
}

/// What one round removed.
#[derive(Debug, Default, Clone, Copy)]
struct Removed {
    records: u64,
    sync_states: u64,
    events: u64,
    requests: u64,
}

/// The parts of what there is of a link: its partition in the order of the sort keys, of which its own item and its events
/// stay, and its requests.
#[derive(Clone, Copy)]
enum Part {
    Requests,
    BeforeEvents,
    BehindEvents,
    Events,
}

impl Table {
    /// Ends a link for good: from here on every pass is refused or stops, and the link's item forgets whose it was. The
    /// status is `deleted` or `erased`; what is erased cannot be deleted any more.
    ///
    /// # Errors
    /// [`PassError`]
    pub async fn begin_purge(&self, link: &LinkId, status: LinkStatus, now: EpochMillis) -> Result<Purge, PassError> {
        let (token, _) = self.take_token(link, Claim::End(status), now).await?;
        Ok(Purge { link: link.clone(), token, status })
    }

    /// Removes the link's records and sync states, and the content of its events, until nothing is left or the time is up
    /// (but one round that removes something in any case). The receipt on the link's item grows with every round.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn purge(&self, purge: &Purge, until: Instant) -> Result<Purged, StoreError> {
        let is_erased = purge.status == LinkStatus::Erased;
        let requests = is_erased.then_some(Part::Requests);
        for part in requests.into_iter().chain([Part::BeforeEvents, Part::BehindEvents, Part::Events]) {
            let mut from = None;
            loop {
                let (items, next) = self.round(purge, part, from).await?;
                let removed = self.remove(part, items).await?;
                if removed.any() {
                    if !self.record_removed(purge, removed).await? {
                        return Ok(Purged::Overtaken);
                    }
                    // Behind the last round there is nothing. Each leg brings an event of its own: it must not need another.
                    let is_last = next.is_none() && matches!(part, Part::Events);
                    if Instant::now() >= until && !is_last {
                        return Ok(Purged::Partial);
                    }
                }
                from = next;
                if from.is_none() {
                    break;
                }
            }
        }
        Ok(Purged::Complete)
    }

    /// Notes that nothing is left. `false` when another purge has begun meanwhile.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn end_purge(&self, purge: &Purge, now: EpochMillis) -> Result<bool, StoreError> {
        let none = ["records", "sync_states", "events", "requests"].map(|what| format!("purged_{what}"));
        let expression = none.iter().fold(UpdateExpression::default().set("purged_at", n(now)), |expression, name| {
            expression.set_if_absent(name, n(0))
        });
        let erased_at = self.link_item(&purge.link).await?.and_then(|item| number(&item, "erased_at"));
        let expression = match erased_at.filter(|erased_at| now < erased_at + SWEEP_AFTER_MS) {
            Some(_) if purge.status == LinkStatus::Erased => expression
                .set("gsi2pk", s(keys::reconcile_shard(purge.link.as_str())))
                .set("gsi2sk", s(keys::due(now + SWEEP_AFTER_MS))),
            _ => expression.remove("gsi2pk").remove("gsi2sk"),
        };
        let update = self.update(keys::link(&purge.link)).update_expression(expression.text());
        let (names, values) = expression.under_the_clock(purge.token);
        let update = update.set_expression_attribute_names(Some(names)).set_expression_attribute_values(Some(values));
        Ok(send_if_allowed(update.condition_expression("clock = :s")).await?.is_some())
    }

    /// What the purges of a link have removed, read consistently; none before the first has ended.
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

    /// Takes the content out of an event that came after the end of its link.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn remove_event_data(&self, event: &EventKey) -> Result<(), StoreError> {
        self.empty(event.key().clone()).await
    }

    async fn round(
        &self,
        purge: &Purge,
        part: Part,
        from: Option<Key>,
    ) -> Result<(Vec<Item>, Option<Key>), StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .limit(ITEMS_PER_ROUND)
            .projection_expression("pk, sk")
            .key_condition_expression(part.condition())
            .expression_attribute_values(":pk", s(keys::link_pk(&purge.link)))
            .expression_attribute_values(":bound", s(part.bound()))
            .set_exclusive_start_key(from);
        let query = match part {
            Part::Requests => query.index_name("gsi1"),
            Part::Events => query
                .consistent_read(true)
                .filter_expression("attribute_exists(#data)")
                .expression_attribute_names("#data", "data"),
            Part::BeforeEvents | Part::BehindEvents => query.consistent_read(true),
        };
        let output = query.send().await.map_err(|error| call_failed(&error))?;
        Ok((output.items.unwrap_or_default(), output.last_evaluated_key))
    }

    async fn remove(&self, part: Part, items: Vec<Item>) -> Result<Removed, StoreError> {
        let keys: Vec<Item> = items.into_iter().filter(|item| text(item, "sk") != Some("LINK")).collect();
        let removed = Removed::of(part, &keys);
        let removals = keys.into_iter().map(|key| async move {
            match part {
                Part::Events => self.empty(key).await,
                Part::Requests | Part::BeforeEvents | Part::BehindEvents => self.delete(key).await,
            }
        });
        stream::iter(removals).buffer_unordered(REMOVALS_AT_ONCE).try_collect::<()>().await?;
        Ok(removed)
    }

    async fn delete(&self, key: Key) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.name).set_key(Some(key));
        delete.send().await.map_err(|error| call_failed(&error))?;
        Ok(())
    }

    async fn empty(&self, event: Key) -> Result<(), StoreError> {
        let update = self
            .update(event)
            .update_expression("REMOVE #data")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#data", "data");
        // One that its time to live has removed meanwhile is not made again.
        send_if_allowed(update).await?;
        Ok(())
    }

    /// Adds to the receipt. `false` when another purge has begun meanwhile.
    async fn record_removed(&self, purge: &Purge, removed: Removed) -> Result<bool, StoreError> {
        let update = self
            .update(keys::link(&purge.link))
            .update_expression(
                "ADD purged_records :records, purged_sync_states :sync_states, purged_events :events, \
                 purged_requests :requests",
            )
            .condition_expression("clock = :s")
            .set_expression_attribute_values(Some(removed.values()))
            .expression_attribute_values(":s", n(purge.token));
        Ok(send_if_allowed(update).await?.is_some())
    }
}

impl Removed {
    fn of(part: Part, keys: &[Item]) -> Self {
        let all = keys.len() as u64;
        match part {
            Part::Events => return Self { events: all, ..Self::default() },
            Part::Requests => return Self { requests: all, ..Self::default() },
            Part::BeforeEvents | Part::BehindEvents => {}
        }
        let is_sync_state = |key: &&Item| text(key, "sk").is_some_and(|sk| sk.starts_with("SYNC#"));
        let sync_states = keys.iter().filter(is_sync_state).count() as u64;
        Self { records: all - sync_states, sync_states, ..Self::default() }
    }

    fn any(self) -> bool {
        self.records + self.sync_states + self.events + self.requests > 0
    }

    fn values(self) -> HashMap<String, AttributeValue> {
        let values = [
            (":records", self.records),
            (":sync_states", self.sync_states),
            (":events", self.events),
            (":requests", self.requests),
        ];
        values.into_iter().map(|(name, count)| (name.to_owned(), n(count))).collect()
    }
}

impl Part {
    fn condition(self) -> &'static str {
        match self {
            Self::Requests => "gsi1pk = :pk AND begins_with(gsi1sk, :bound)",
            Self::BeforeEvents => "pk = :pk AND sk < :bound",
            Self::BehindEvents => "pk = :pk AND sk > :bound",
            Self::Events => "pk = :pk AND begins_with(sk, :bound)",
        }
    }

    fn bound(self) -> &'static str {
        match self {
            Self::Requests => "REQUEST#",
            Self::BeforeEvents | Self::Events => "EVENT#",
            // `$` comes after `#`.
            Self::BehindEvents => "EVENT$",
        }
    }
}
