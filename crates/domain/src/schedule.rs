//! When a link is listed again though no webhook asks for it: what webhooks never said, or said and was lost, is found so.
//!
//! Everything here is arithmetic on what the table knows; the function `reconcile` carries it out.

use crate::{EpochMillis, Resource};

const HOUR: EpochMillis = 60 * 60 * 1_000;
const DAY: EpochMillis = 24 * HOUR;

/// A recurrent link is listed at least so seldom, whatever its traffic: a lost update or deletion heals.
const USUAL_INTERVAL: EpochMillis = 7 * DAY;
/// How long a link's announced resources are waited for.
const WAIT: EpochMillis = 7 * DAY;
/// After a listing was asked for: when somebody looks whether it was done.
const LOOK_AGAIN: EpochMillis = DAY;
/// Listings that were found in doubt one after the other are repeated after these times; the last repeats itself.
const DRIFT_DELAYS: [EpochMillis; 4] = [HOUR, 6 * HOUR, DAY, 7 * DAY];
/// Belvo loads a new link within minutes; before this its own webhooks are waited for.
pub const GRACE_PERIOD: EpochMillis = HOUR;

/// Belvo's `access_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessMode {
    /// Loaded once.
    Single,
    /// Refreshed by Belvo from time to time.
    Recurrent,
}

/// What the table knows of a link, as far as a schedule needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLink {
    /// None while Belvo has not been asked; then it counts as recurrent.
    pub access_mode: Option<AccessMode>,
    /// How often Belvo refreshes it, in milliseconds.
    pub refresh_rate: Option<EpochMillis>,
    /// What Belvo loads of it.
    pub fetch_resources: Vec<&'static Resource>,
    /// Since when the table knows it.
    pub known_since: EpochMillis,
    /// When its last webhook was received.
    pub last_event_at: Option<EpochMillis>,
    /// The last webhook after which it was found overdue.
    pub overdue_since: Option<EpochMillis>,
    /// Can it be read at all? Not when Belvo does not have it.
    pub is_lost: bool,
    /// What was synced of it.
    pub synced: Vec<SyncedResource>,
}

/// What is known of one resource of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncedResource {
    /// The resource.
    pub resource: &'static Resource,
    /// When its last finished whole listing began.
    pub listed_at: Option<EpochMillis>,
    /// When a listing in doubt is to be repeated.
    pub relist_at: Option<EpochMillis>,
}

/// What to do about a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// These are listed now, whole.
    pub list: Vec<&'static Resource>,
    /// When to decide again; never, when nothing more is expected.
    pub due_at: Option<EpochMillis>,
    /// It is overdue: Belvo should have sent a webhook since this one.
    pub overdue_since: Option<EpochMillis>,
}

impl AccessMode {
    /// Reads Belvo's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "single" => Some(Self::Single),
            "recurrent" => Some(Self::Recurrent),
            _ => None,
        }
    }
}

/// Reads Belvo's `refresh_rate` (`6h`, `12h`, `24h`, `7d`, `30d`), in milliseconds.
#[must_use]
pub fn refresh_rate(text: &str) -> Option<EpochMillis> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: EpochMillis = number.parse().ok().filter(|number| (1..=999).contains(number))?;
    match unit {
        "h" => Some(number * HOUR),
        "d" => Some(number * DAY),
        _ => None,
    }
}

/// How long to wait before a listing is repeated that was found in doubt for the n-th time in a row, counted from 1.
#[must_use]
pub fn drift_delay(times: u64) -> EpochMillis {
    let index = usize::try_from(times.saturating_sub(1)).unwrap_or(usize::MAX);
    DRIFT_DELAYS[index.min(DRIFT_DELAYS.len() - 1)]
}

impl KnownLink {
    /// What to do now. `chance`, between 0 and 1, spreads links over time.
    #[must_use]
    pub fn decide(&self, now: EpochMillis, chance: f64) -> Decision {
        if self.is_lost {
            return Decision { list: Vec::new(), due_at: Some(now + USUAL_INTERVAL), overdue_since: None };
        }
        let overdue_since = self.last_event_at.filter(|last| {
            self.overdue_at().is_some_and(|at| at <= now) && self.overdue_since.is_none_or(|since| since < *last)
        });
        let wanted = |synced: &SyncedResource| {
            overdue_since.is_some() || self.next_listing(synced, now).is_some_and(|at| at <= now)
        };
        let resources = self.resources();
        let list: Vec<_> = resources.iter().filter(|synced| wanted(synced)).map(|synced| synced.resource).collect();
        // What is listed now is looked at again soon: the listing may fail.
        let never_came = |synced: &SyncedResource| synced.listed_at.is_none() && now >= self.known_since + WAIT;
        let next = |synced: &SyncedResource| match self.next_listing(synced, now) {
            Some(_) if list.contains(&synced.resource) && never_came(synced) => Some(now + USUAL_INTERVAL),
            Some(_) if list.contains(&synced.resource) => Some(now + LOOK_AGAIN),
            next => next,
        };
        let overdue = if overdue_since.is_some() { None } else { self.overdue_at().filter(|at| *at > now) };
        let due_at = resources.iter().filter_map(next).chain(overdue).min();
        Decision { list, due_at: due_at.map(|at| spread(at.max(now), now, chance)), overdue_since }
    }

    /// What there is or should be.
    fn resources(&self) -> Vec<SyncedResource> {
        let mut resources = self.synced.clone();
        for &resource in &self.fetch_resources {
            if !resources.iter().any(|synced| synced.resource.webhook_type == resource.webhook_type) {
                resources.push(SyncedResource { resource, listed_at: None, relist_at: None });
            }
        }
        resources
    }

    /// When a resource is to be listed; never, when nothing is expected of it.
    fn next_listing(&self, synced: &SyncedResource, now: EpochMillis) -> Option<EpochMillis> {
        let usual = match (self.access_mode, synced.listed_at) {
            // Of a link that Belvo refreshes it may always come.
            (Some(AccessMode::Single), None) if now >= self.known_since + WAIT => None,
            (_, None) => Some(self.known_since),
            (Some(AccessMode::Single), Some(_)) => None,
            (_, Some(listed_at)) => Some(listed_at + self.interval()),
        };
        usual.into_iter().chain(synced.relist_at).min()
    }

    fn interval(&self) -> EpochMillis {
        USUAL_INTERVAL.max(2 * self.refresh_rate.unwrap_or_default())
    }

    /// When Belvo should have sent a webhook, of a link that it refreshes.
    fn overdue_at(&self) -> Option<EpochMillis> {
        let rate = self.refresh_rate.filter(|_| self.access_mode != Some(AccessMode::Single))?;
        Some(self.last_event_at? + 2 * rate)
    }
}

/// Up to a tenth later.
fn spread(at: EpochMillis, now: EpochMillis, chance: f64) -> EpochMillis {
    let tenth = (at - now) / 10;
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a random part of some days")]
    let later = (tenth as f64 * chance) as EpochMillis;
    at + later
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EpochMillis = 1_700_000_000_000;

    fn row(webhook_type: &str) -> &'static Resource {
        Resource::of_webhook_type(webhook_type).unwrap()
    }

    fn listed(webhook_type: &str, listed_at: EpochMillis) -> SyncedResource {
        SyncedResource { resource: row(webhook_type), listed_at: Some(listed_at), relist_at: None }
    }

    /// Recurrent, refreshed daily, all well.
    fn link() -> KnownLink {
        KnownLink {
            access_mode: Some(AccessMode::Recurrent),
            refresh_rate: Some(DAY),
            fetch_resources: vec![row("ACCOUNTS"), row("TRANSACTIONS")],
            known_since: NOW - 30 * DAY,
            last_event_at: Some(NOW - HOUR),
            overdue_since: None,
            is_lost: false,
            synced: vec![listed("ACCOUNTS", NOW - DAY), listed("TRANSACTIONS", NOW - 2 * DAY)],
        }
    }

    fn names(decision: &Decision) -> Vec<&str> {
        decision.list.iter().map(|resource| resource.webhook_type).collect()
    }

    #[test]
    fn a_recurrent_link_is_listed_every_week_or_every_other_refresh_whatever_its_traffic() {
        let decision = link().decide(NOW, 0.0);
        assert_eq!(
            (names(&decision), decision.due_at),
            (Vec::new(), Some(NOW - HOUR + 2 * DAY)),
            "overdue comes first"
        );
        let later = KnownLink { last_event_at: Some(NOW + 5 * DAY), ..link() };
        let decision = later.decide(NOW + 5 * DAY, 0.0);
        assert_eq!((names(&decision), decision.due_at), (vec!["TRANSACTIONS"], Some(NOW + 6 * DAY)));
        let monthly = KnownLink { refresh_rate: Some(30 * DAY), ..link() };
        assert!(monthly.decide(NOW + 57 * DAY, 0.0).list.is_empty());
        assert_eq!(names(&monthly.decide(NOW + 58 * DAY, 0.0)), ["TRANSACTIONS"]);
    }

    #[test]
    fn an_overdue_link_is_listed_once() {
        let mut silent = KnownLink { last_event_at: Some(NOW - 2 * DAY), ..link() };
        let decision = silent.decide(NOW, 0.0);
        assert_eq!(
            (names(&decision), decision.overdue_since),
            (vec!["ACCOUNTS", "TRANSACTIONS"], silent.last_event_at)
        );
        silent.overdue_since = decision.overdue_since;
        let again = silent.decide(NOW + HOUR, 0.0);
        assert_eq!((names(&again), again.due_at), (Vec::new(), Some(NOW + 5 * DAY)));
        let webhook = KnownLink { last_event_at: Some(NOW + DAY), ..silent };
        assert_eq!(webhook.decide(NOW + 3 * DAY, 0.0).list.len(), 2, "after the next webhook it may be overdue again");
    }

    #[test]
    fn a_single_link_is_listed_until_its_resources_are_there_and_for_a_week_at_most() {
        let single = |synced, known_since| KnownLink {
            access_mode: Some(AccessMode::Single),
            refresh_rate: None,
            known_since,
            synced,
            ..link()
        };
        let half = single(vec![listed("ACCOUNTS", NOW - DAY)], NOW - DAY);
        let decision = half.decide(NOW, 0.0);
        assert_eq!((names(&decision), decision.due_at), (vec!["TRANSACTIONS"], Some(NOW + DAY)));
        let all = single(link().synced, NOW - DAY).decide(NOW, 0.0);
        assert_eq!((all.list, all.due_at), (Vec::new(), None));
        let too_late = single(Vec::new(), NOW - WAIT).decide(NOW, 0.0);
        assert_eq!((too_late.list, too_late.due_at), (Vec::new(), None));
    }

    #[test]
    fn a_listing_in_doubt_is_repeated_when_it_is_due_also_of_a_single_link() {
        let mut link = KnownLink { access_mode: Some(AccessMode::Single), refresh_rate: None, ..link() };
        link.synced[1].relist_at = Some(NOW + HOUR);
        let decision = link.decide(NOW, 0.0);
        assert_eq!((names(&decision), decision.due_at), (Vec::new(), Some(NOW + HOUR)));
        assert_eq!(names(&link.decide(NOW + HOUR, 0.0)), ["TRANSACTIONS"]);
    }

    #[test]
    fn repetitions_become_rarer_and_never_stop() {
        assert_eq!([1, 2, 3, 4, 5, u64::MAX].map(drift_delay), [HOUR, 6 * HOUR, DAY, 7 * DAY, 7 * DAY, 7 * DAY]);
    }

    #[test]
    fn a_link_that_belvo_does_not_have_is_looked_at_again_and_not_listed() {
        let lost = KnownLink { is_lost: true, synced: vec![listed("ACCOUNTS", 0)], ..link() };
        let decision = lost.decide(NOW, 0.0);
        assert_eq!((decision.list, decision.due_at), (Vec::new(), Some(NOW + 7 * DAY)));
    }

    #[test]
    fn chance_delays_by_at_most_a_tenth() {
        let monthly = KnownLink { refresh_rate: Some(30 * DAY), last_event_at: None, ..link() };
        let due = |chance| monthly.decide(NOW, chance).due_at.unwrap() - NOW;
        assert_eq!((due(0.0), due(1.0)), (58 * DAY, 58 * DAY + 58 * DAY / 10));
    }

    #[test]
    fn belvos_refresh_rates_are_read_and_anything_else_is_none() {
        assert_eq!(["6h", "12h", "24h", "7d", "30d"].map(refresh_rate), [6, 12, 24, 168, 720].map(|h| Some(h * HOUR)));
        assert_eq!(["", "h", "0d", "-1d", "7w", "é"].map(refresh_rate), [None; 6]);
    }
}
