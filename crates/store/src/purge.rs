//! Removing all that is kept of a link's user.
//!
//! **Guarantee.** After a purge has ended nothing of the link is left but its item, with its final status and a receipt,
//! and events without content. It may be broken off at any point and begun again. **Mechanism.** It begins by one update
//! that moves the link's clock and sets the final status: whoever is at work is overtaken, and nobody begins again. So what
//! is to be removed only becomes less, and each leg starts from the beginning.

use std::collections::HashMap;
use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{EpochMillis, LinkId, LinkStatus};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::attributes::{Item, n, s, text};
use crate::clock::Claim;
use crate::keys::Key;
use crate::table::{call_failed, send_if_allowed};
use crate::{EventKey, PassRefused, Stamp, StoreTrouble, Table, keys};

/// Items that are read, and then removed, before the time is looked at again.
const ITEMS_PER_ROUND: i32 = 200;
/// Removals under way at once. One link is one partition of the table, about 1,000 writes a second.
const REMOVALS_AT_ONCE: usize = 16;

/// A purge that has begun.
#[derive(Debug, Clone)]
pub struct Purge {
    link: LinkId,
    /// Its stamp.
    pub stamp: Stamp,
}

/// How far a purge has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// Nothing is left.
    All,
    /// The time was up: another leg does the rest.
    Some,
    /// Another purge of the link has begun: it does the rest.
    Overtaken,
}

/// What one round removed.
#[derive(Debug, Default, Clone, Copy)]
struct Removed {
    records: u64,
    sync_states: u64,
    events: u64,
}

/// The parts of a link's partition, in the order of their sort keys. Its own item and its events stay.
#[derive(Clone, Copy)]
enum Part {
    BeforeEvents,
    BehindEvents,
    Events,
}

impl Table {
    /// Ends a link for good: from here on every pass is refused or stops, and the link's item forgets whose it was. The
    /// status is `deleted` or `erased`; what is erased cannot be deleted any more.
    ///
    /// # Errors
    /// [`PassRefused`]
    pub async fn begin_purge(&self, link: &LinkId, status: LinkStatus, now: EpochMillis) -> Result<Purge, PassRefused> {
        let (stamp, _) = self.take_stamp(link, Claim::End(status), now).await?;
        Ok(Purge { link: link.clone(), stamp })
    }

    /// Removes the link's records and sync states, and the content of its events, until nothing is left or the time is up
    /// (but one round that removes something in any case). The receipt on the link's item grows with every round.
    ///
    /// # Errors
    /// [`StoreTrouble`]
    pub async fn purge(&self, purge: &Purge, until: Instant) -> Result<Purged, StoreTrouble> {
        for part in [Part::BeforeEvents, Part::BehindEvents, Part::Events] {
            let mut from = None;
            loop {
                let (items, next) = self.round(purge, part, from).await?;
                let removed = self.remove(part, items).await?;
                if removed.any() {
                    if !self.note_removed(purge, removed).await? {
                        return Ok(Purged::Overtaken);
                    }
                    // Behind the last round there is nothing. Each leg brings an event of its own: it must not need another.
                    let is_last = next.is_none() && matches!(part, Part::Events);
                    if Instant::now() >= until && !is_last {
                        return Ok(Purged::Some);
                    }
                }
                from = next;
                if from.is_none() {
                    break;
                }
            }
        }
        Ok(Purged::All)
    }

    /// Notes that nothing is left. `false` when another purge has begun meanwhile.
    ///
    /// # Errors
    /// [`StoreTrouble`]
    pub async fn end_purge(&self, purge: &Purge, now: EpochMillis) -> Result<bool, StoreTrouble> {
        let update = self
            .update(keys::link(&purge.link))
            .update_expression(
                "SET purged_at = :now, purged_records = if_not_exists(purged_records, :none), \
                 purged_sync_states = if_not_exists(purged_sync_states, :none), \
                 purged_events = if_not_exists(purged_events, :none)",
            )
            .condition_expression("clock = :s")
            .expression_attribute_values(":now", n(now))
            .expression_attribute_values(":none", n(0))
            .expression_attribute_values(":s", n(purge.stamp));
        Ok(send_if_allowed(update).await?.is_some())
    }

    /// Takes the content out of an event that came after the end of its link.
    ///
    /// # Errors
    /// [`StoreTrouble`]
    pub async fn empty_event(&self, event: &EventKey) -> Result<(), StoreTrouble> {
        self.empty(event.key().clone()).await
    }

    async fn round(
        &self,
        purge: &Purge,
        part: Part,
        from: Option<Key>,
    ) -> Result<(Vec<Item>, Option<Key>), StoreTrouble> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .limit(ITEMS_PER_ROUND)
            .projection_expression("pk, sk")
            .key_condition_expression(format!("pk = :pk AND {}", part.condition()))
            .expression_attribute_values(":pk", s(keys::link_pk(&purge.link)))
            .expression_attribute_values(":bound", s(part.bound()))
            .set_exclusive_start_key(from);
        let query = match part {
            Part::Events => {
                query.filter_expression("attribute_exists(#data)").expression_attribute_names("#data", "data")
            }
            Part::BeforeEvents | Part::BehindEvents => query,
        };
        let output = query.send().await.map_err(|error| call_failed(&error))?;
        Ok((output.items.unwrap_or_default(), output.last_evaluated_key))
    }

    async fn remove(&self, part: Part, items: Vec<Item>) -> Result<Removed, StoreTrouble> {
        let keys: Vec<Item> = items.into_iter().filter(|item| text(item, "sk") != Some("LINK")).collect();
        let removed = Removed::of(part, &keys);
        let removals = keys.into_iter().map(|key| async move {
            match part {
                Part::Events => self.empty(key).await,
                Part::BeforeEvents | Part::BehindEvents => self.delete(key).await,
            }
        });
        stream::iter(removals).buffer_unordered(REMOVALS_AT_ONCE).try_collect::<()>().await?;
        Ok(removed)
    }

    async fn delete(&self, key: Key) -> Result<(), StoreTrouble> {
        let delete = self.client.delete_item().table_name(&self.name).set_key(Some(key));
        delete.send().await.map_err(|error| call_failed(&error))?;
        Ok(())
    }

    async fn empty(&self, event: Key) -> Result<(), StoreTrouble> {
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
    async fn note_removed(&self, purge: &Purge, removed: Removed) -> Result<bool, StoreTrouble> {
        let update = self
            .update(keys::link(&purge.link))
            .update_expression("ADD purged_records :records, purged_sync_states :sync_states, purged_events :events")
            .condition_expression("clock = :s")
            .set_expression_attribute_values(Some(removed.values()))
            .expression_attribute_values(":s", n(purge.stamp));
        Ok(send_if_allowed(update).await?.is_some())
    }
}

impl Removed {
    fn of(part: Part, keys: &[Item]) -> Self {
        let all = keys.len() as u64;
        if matches!(part, Part::Events) {
            return Self { events: all, ..Self::default() };
        }
        let is_sync_state = |key: &&Item| text(key, "sk").is_some_and(|sk| sk.starts_with("SYNC#"));
        let sync_states = keys.iter().filter(is_sync_state).count() as u64;
        Self { records: all - sync_states, sync_states, events: 0 }
    }

    fn any(self) -> bool {
        self.records + self.sync_states + self.events > 0
    }

    fn values(self) -> HashMap<String, AttributeValue> {
        let values = [(":records", self.records), (":sync_states", self.sync_states), (":events", self.events)];
        values.into_iter().map(|(name, count)| (name.to_owned(), n(count))).collect()
    }
}

impl Part {
    fn condition(self) -> &'static str {
        match self {
            Self::BeforeEvents => "sk < :bound",
            Self::BehindEvents => "sk > :bound",
            Self::Events => "begins_with(sk, :bound)",
        }
    }

    fn bound(self) -> &'static str {
        match self {
            Self::BeforeEvents | Self::Events => "EVENT#",
            // `$` comes after `#`.
            Self::BehindEvents => "EVENT$",
        }
    }
}
