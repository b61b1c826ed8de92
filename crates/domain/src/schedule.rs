//! The schedule of listings that no webhook asks for. They find changes whose webhooks were lost or never sent.
//!
//! This module only computes times from the link's state in the table. The reconcile function sends the messages.

use crate::{EpochMillis, Resource};

const HOUR: EpochMillis = 60 * 60 * 1_000;
const DAY: EpochMillis = 24 * HOUR;

/// The minimum interval between scheduled listings of a recurrent link, in milliseconds. Each listing corrects lost updates
/// and deletions.
const RELIST_INTERVAL: EpochMillis = 7 * DAY;
/// How long the schedule waits for the first listing of a link's resources, in milliseconds.
const LOAD_TIMEOUT: EpochMillis = 7 * DAY;
/// The delay before the schedule checks whether a requested listing succeeded, in milliseconds.
const RECHECK_DELAY: EpochMillis = DAY;
/// The delays before an unverified listing is repeated, in milliseconds: after the first, second ... consecutive unverified
/// listing. The last delay applies to all further ones.
const DRIFT_DELAYS: [EpochMillis; 4] = [HOUR, 6 * HOUR, DAY, 7 * DAY];
/// How long the schedule waits for a new link's webhooks, in milliseconds. Belvo loads a new link within minutes.
pub const GRACE_PERIOD: EpochMillis = HOUR;

/// Belvo's `access_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessMode {
    /// Belvo loads the link once.
    Single,
    /// Belvo refreshes the link at its refresh rate.
    Recurrent,
}

/// The state of a link in the table, as far as the schedule needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLink {
    /// Belvo's `access_mode`. `None` if unknown: the schedule then treats the link as recurrent.
    pub access_mode: Option<AccessMode>,
    /// The interval between Belvo's refreshes, in milliseconds.
    pub refresh_rate: Option<EpochMillis>,
    /// The resources that Belvo loads.
    pub fetch_resources: Vec<&'static Resource>,
    /// When the table's item of the link was created.
    pub known_since: EpochMillis,
    /// When its last webhook was received.
    pub last_event_at: Option<EpochMillis>,
    /// When the webhook was received after which the link last became overdue.
    pub overdue_since: Option<EpochMillis>,
    /// Whether Belvo does not have the link, so that it cannot be listed.
    pub is_lost: bool,
    /// The resources with a sync state in the table.
    pub synced: Vec<SyncedResource>,
}

/// The sync state of a resource of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncedResource {
    /// The resource.
    pub resource: &'static Resource,
    /// When the last completed whole listing began.
    pub listed_at: Option<EpochMillis>,
    /// When to repeat an unverified listing.
    pub relist_at: Option<EpochMillis>,
}

/// The listings of a link that are due, and the time of the next decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The resources to list now, whole.
    pub list: Vec<&'static Resource>,
    /// When to decide again. `None` for never.
    pub due_at: Option<EpochMillis>,
    /// Set if the link is overdue: the time of the last webhook, after which Belvo should have sent another.
    pub overdue_since: Option<EpochMillis>,
}

impl AccessMode {
    /// Parses Belvo's `access_mode`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "single" => Some(Self::Single),
            "recurrent" => Some(Self::Recurrent),
            _ => None,
        }
    }
}

/// Parses Belvo's `refresh_rate` (`6h`, `12h`, `24h`, `7d`, `30d`), and returns it in milliseconds.
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

/// Returns the delay before an unverified listing is repeated, in milliseconds. `times` is the number of consecutive
/// unverified listings, counted from 1.
#[must_use]
pub fn drift_delay(times: u64) -> EpochMillis {
    let index = usize::try_from(times.saturating_sub(1)).unwrap_or(usize::MAX);
    DRIFT_DELAYS[index.min(DRIFT_DELAYS.len() - 1)]
}

impl KnownLink {
    /// Returns the listings that are due now. `jitter`, between 0 and 1, spreads links over time.
    #[must_use]
    pub fn decide(&self, now: EpochMillis, jitter: f64) -> Decision {
        if self.is_lost {
            return Decision { list: Vec::new(), due_at: Some(now + RELIST_INTERVAL), overdue_since: None };
        }

        let overdue_since = self.last_event_at.filter(|last| {
            self.overdue_at().is_some_and(|at| at <= now) && self.overdue_since.is_none_or(|since| since < *last)
        });

        let is_due = |synced: &SyncedResource| {
            overdue_since.is_some() || self.next_listing(synced, now).is_some_and(|at| at <= now)
        };
        let resources = self.resources();
        let list: Vec<_> = resources.iter().filter(|synced| is_due(synced)).map(|synced| synced.resource).collect();

        // Check soon whether the requested listings succeeded.
        let is_absent = |synced: &SyncedResource| synced.listed_at.is_none() && now >= self.known_since + LOAD_TIMEOUT;
        let next_at = |synced: &SyncedResource| match self.next_listing(synced, now) {
            Some(_) if list.contains(&synced.resource) && is_absent(synced) => Some(now + RELIST_INTERVAL),
            Some(_) if list.contains(&synced.resource) => Some(now + RECHECK_DELAY),
            at => at,
        };

        let overdue = if overdue_since.is_some() { None } else { self.overdue_at().filter(|at| *at > now) };
        let due_at = resources.iter().filter_map(next_at).chain(overdue).min();
        Decision { list, due_at: due_at.map(|at| spread(at.max(now), now, jitter)), overdue_since }
    }

    /// Returns the resources with a sync state, and those that Belvo should load.
    fn resources(&self) -> Vec<SyncedResource> {
        let mut resources = self.synced.clone();
        for &resource in &self.fetch_resources {
            if !resources.iter().any(|synced| synced.resource.webhook_type == resource.webhook_type) {
                resources.push(SyncedResource { resource, listed_at: None, relist_at: None });
            }
        }
        resources
    }

    /// Returns the time of the next listing of a resource. `None` for never.
    fn next_listing(&self, synced: &SyncedResource, now: EpochMillis) -> Option<EpochMillis> {
        let usual = match (self.access_mode, synced.listed_at) {
            // Only for a single link: a refresh of a recurrent one may add the resource at any time.
            (Some(AccessMode::Single), None) if now >= self.known_since + LOAD_TIMEOUT => None,
            (_, None) => Some(self.known_since),
            (Some(AccessMode::Single), Some(_)) => None,
            (_, Some(listed_at)) => Some(listed_at + self.interval()),
        };
        usual.into_iter().chain(synced.relist_at).min()
    }

    /// Returns the interval between scheduled listings, in milliseconds: a week, or two refreshes if that is longer.
    fn interval(&self) -> EpochMillis {
        RELIST_INTERVAL.max(2 * self.refresh_rate.unwrap_or_default())
    }

    /// Returns the time by which Belvo should have sent a webhook: two refreshes after the last one. `None` for a link that
    /// Belvo does not refresh.
    fn overdue_at(&self) -> Option<EpochMillis> {
        let rate = self.refresh_rate.filter(|_| self.access_mode != Some(AccessMode::Single))?;
        Some(self.last_event_at? + 2 * rate)
    }
}

/// Delays `at` by up to a tenth of the remaining time, in proportion to `jitter`.
fn spread(at: EpochMillis, now: EpochMillis, jitter: f64) -> EpochMillis {
    let tenth = (at - now) / 10;
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the jitter need not be exact")]
    let later = (tenth as f64 * jitter) as EpochMillis;
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

    /// A recurrent link that Belvo refreshes daily, without errors.
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
        let too_late = single(Vec::new(), NOW - LOAD_TIMEOUT).decide(NOW, 0.0);
        assert_eq!((too_late.list, too_late.due_at), (Vec::new(), None));
    }

    #[test]
    fn an_unverified_listing_is_repeated_when_due_also_of_a_single_link() {
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
    fn a_link_that_belvo_does_not_have_is_checked_again_and_not_listed() {
        let lost = KnownLink { is_lost: true, synced: vec![listed("ACCOUNTS", 0)], ..link() };
        let decision = lost.decide(NOW, 0.0);
        assert_eq!((decision.list, decision.due_at), (Vec::new(), Some(NOW + 7 * DAY)));
    }

    #[test]
    fn jitter_delays_by_at_most_a_tenth() {
        let monthly = KnownLink { refresh_rate: Some(30 * DAY), last_event_at: None, ..link() };
        let due = |jitter| monthly.decide(NOW, jitter).due_at.unwrap() - NOW;
        assert_eq!((due(0.0), due(1.0)), (58 * DAY, 58 * DAY + 58 * DAY / 10));
    }

    #[test]
    fn belvos_refresh_rates_are_read_and_anything_else_is_none() {
        assert_eq!(["6h", "12h", "24h", "7d", "30d"].map(refresh_rate), [6, 12, 24, 168, 720].map(|h| Some(h * HOUR)));
        assert_eq!(["", "h", "0d", "-1d", "7w", "é"].map(refresh_rate), [None; 6]);
    }
}
