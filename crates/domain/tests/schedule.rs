//! The schedule, in hours and days of the calendar.

use domain::Resource;
use domain::schedule::{AccessMode, KnownLink, refresh_rate};

const NOW: i64 = 1_700_000_000_000;
const DAY: i64 = 86_400_000;

/// A link whose owners Belvo should load, and of which nothing came.
fn waiting(access_mode: AccessMode, days: i64) -> KnownLink {
    KnownLink {
        access_mode: Some(access_mode),
        refresh_rate: None,
        fetch_resources: vec![Resource::of_webhook_type("OWNERS").expect("a resource")],
        known_since: NOW - days * DAY,
        last_event_at: None,
        overdue_since: None,
        is_lost: false,
        synced: Vec::new(),
    }
}

#[test]
fn a_rate_is_in_hours_or_days() {
    assert_eq!((refresh_rate("1h"), refresh_rate("1d")), (Some(3_600_000), Some(DAY)));
}

#[test]
fn the_access_mode_is_read_from_belvos_word() {
    let modes = ["single", "recurrent", "twice"].map(AccessMode::parse);
    assert_eq!(modes, [Some(AccessMode::Single), Some(AccessMode::Recurrent), None]);
}

#[test]
fn what_does_not_come_is_listed_daily_for_seven_days_and_then_weekly_or_not_at_all() {
    let listed = |access_mode, days| {
        let decision = waiting(access_mode, days).decide(NOW, 0.0);
        (decision.list.len(), decision.due_at.map(|at| (at - NOW) / DAY))
    };
    assert_eq!(listed(AccessMode::Single, 6), (1, Some(1)));
    assert_eq!(listed(AccessMode::Single, 7), (0, None));
    assert_eq!(listed(AccessMode::Recurrent, 6), (1, Some(1)));
    assert_eq!(listed(AccessMode::Recurrent, 7), (1, Some(7)));
}

#[test]
fn an_overdue_link_that_was_listed_for_it_is_not_due_again_at_once() {
    let last = NOW - 2 * DAY;
    let link = KnownLink {
        refresh_rate: Some(DAY),
        last_event_at: Some(last),
        overdue_since: Some(last),
        fetch_resources: Vec::new(),
        ..waiting(AccessMode::Recurrent, 30)
    };
    let decision = link.decide(NOW, 0.0);
    assert_eq!((decision.list, decision.due_at), (Vec::new(), None));
}
