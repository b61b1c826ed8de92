//! With all guards the protocol keeps its promises in every state of these worlds.
//!
//! `MODEL_BOUNDS=large` selects larger worlds. They need minutes and some gigabytes of memory.

use crate::search::{GONE_AND_BACK, holds};
use model::Bounds;
use model::InitialObject::{Absent, Dropped, Restored, Stored, Unknown};
use model::reachability::{
    CONTINUED_COMPARISON, CONTINUED_LISTING, COVERED_EVENT, LATE_WRITE, MARK, OVERTAKEN_CHECKPOINT, OVERTAKEN_PASS,
    QUIESCENT, RELISTING, RESTORE, UNVERIFIED_DELETION, VERIFIED_DELETION,
};
use model::{Change, Guards, Plan};

const BASE: Bounds = Bounds::BASE;

/// Asserts that the protocol with all guards keeps every promise, and that the search reaches these states.
fn keeps(name: &str, bounds: Bounds, reaches: &[&'static str]) {
    holds(name, Guards::all(), bounds, reaches);
}

/// Returns the world of the selected size.
fn sized(small: Bounds, large: Bounds) -> Bounds {
    if std::env::var("MODEL_BOUNDS").is_ok_and(|size| size == "large") { large } else { small }
}

#[test]
fn an_object_changes_while_deliveries_crash_time_out_and_are_redriven() {
    let small = Bounds { changes: 2, losses: 1, timeouts: 1, crashes: 1, dead_letters: 1, ..BASE };
    let large = Bounds { changes: 3, ..small.clone() };
    keeps(
        "one object",
        sized(small, large),
        &[QUIESCENT, LATE_WRITE, OVERTAKEN_PASS, OVERTAKEN_CHECKPOINT, UNVERIFIED_DELETION, VERIFIED_DELETION, RESTORE],
    );
}

#[test]
fn an_object_changes_several_times_beside_a_zombie() {
    let small = Bounds { changes: 3, timeouts: 1, ..BASE };
    let large = Bounds { changes: 4, losses: 1, ..small.clone() };
    keeps(
        "many changes",
        sized(small, large),
        &[QUIESCENT, LATE_WRITE, UNVERIFIED_DELETION, VERIFIED_DELETION, RESTORE],
    );
}

#[test]
fn two_concurrent_zombies() {
    let small = Bounds { changes: 1, timeouts: 2, ..BASE };
    let large = Bounds { objects: &[Restored], queue: &[Plan::List], ..small.clone() };
    keeps("two zombies", sized(small, large), &[LATE_WRITE, OVERTAKEN_CHECKPOINT]);
}

#[test]
fn an_object_that_came_back_changes_during_its_restore() {
    let small =
        Bounds { objects: &[Restored], queue: &[Plan::List], changes: 1, losses: 1, timeouts: 1, crashes: 1, ..BASE };
    let large = Bounds { changes: 2, ..small.clone() };
    keeps("restore", sized(small, large), &[QUIESCENT, LATE_WRITE, RESTORE, OVERTAKEN_CHECKPOINT]);
}

#[test]
fn an_object_that_disappears_and_returns_without_webhooks() {
    let small = Bounds { changes: 2, losses: 2, extra_listings: 2, timeouts: 1, kinds: GONE_AND_BACK, ..BASE };
    let large = Bounds { changes: 3, losses: 3, ..small.clone() };
    keeps("no webhooks", sized(small, large), &[QUIESCENT, LATE_WRITE, MARK]);
}

#[test]
fn hosts_with_clock_skew_while_time_passes() {
    let small = Bounds { changes: 2, timeouts: 1, host_skews: &[0, 1], receiver_skew: 1, tick_duration: 1, ..BASE };
    let large = Bounds { losses: 1, dead_letters: 1, ..small.clone() };
    keeps("clock skew, receiver ahead", sized(small, large), &[QUIESCENT, LATE_WRITE, VERIFIED_DELETION]);
}

#[test]
fn hosts_with_clock_skew_at_a_single_moment() {
    let small = Bounds { changes: 2, timeouts: 1, dead_letters: 1, host_skews: &[0, 1], tick_duration: 0, ..BASE };
    let large = Bounds { changes: 3, ..small.clone() };
    keeps("clock skew, single moment", sized(small, large), &[QUIESCENT, LATE_WRITE, VERIFIED_DELETION]);
}

#[test]
fn two_pages_listed_and_compared_in_continuations() {
    let small =
        Bounds { objects: &[Stored, Stored], changes: 1, extra_listings: 1, continuations: 1, timeouts: 1, ..BASE };
    let large = Bounds { changes: 2, ..small.clone() };
    keeps(
        "continuations",
        sized(small, large),
        &[QUIESCENT, LATE_WRITE, CONTINUED_LISTING, CONTINUED_COMPARISON, MARK, RELISTING],
    );
}

#[test]
fn continuations_that_crash_and_are_redriven() {
    let small = Bounds {
        objects: &[Restored, Stored],
        changes: 1,
        queue: &[Plan::List],
        continuations: 2,
        crashes: 1,
        dead_letters: 1,
        ..BASE
    };
    let large = Bounds { timeouts: 1, crashes: 0, dead_letters: 0, ..small.clone() };
    keeps(
        "continuations that fail",
        sized(small, large),
        &[QUIESCENT, CONTINUED_LISTING, CONTINUED_COMPARISON, RESTORE, RELISTING],
    );
}

#[test]
fn a_continued_comparison_beside_a_zombie() {
    let small = Bounds {
        objects: &[Stored, Dropped],
        changes: 1,
        losses: 1,
        continuations: 1,
        timeouts: 1,
        kinds: &[Change::Restore],
        queue: &[Plan::List],
        ..BASE
    };
    let large = Bounds { objects: &[Restored, Dropped], extra_listings: 1, ..small.clone() };
    keeps("continued comparison", sized(small, large), &[QUIESCENT, CONTINUED_COMPARISON, MARK, LATE_WRITE]);
}

#[test]
fn a_list_that_lags_behind_a_deletion() {
    let small = Bounds { changes: 2, lags: 1, timeouts: 1, extra_listings: 1, kinds: GONE_AND_BACK, ..BASE };
    let large = Bounds { changes: 3, losses: 1, ..small.clone() };
    keeps(
        "lagging list",
        sized(small, large),
        &[QUIESCENT, LATE_WRITE, RESTORE, UNVERIFIED_DELETION, VERIFIED_DELETION],
    );
}

#[test]
fn deletions_that_are_announced_late_or_twice() {
    let small = Bounds { changes: 2, late: 1, timeouts: 1, kinds: GONE_AND_BACK, ..BASE };
    let large = Bounds { changes: 3, late: 2, ..small.clone() };
    keeps("late deletions", sized(small, large), &[QUIESCENT, UNVERIFIED_DELETION, VERIFIED_DELETION, RESTORE]);
}

#[test]
fn the_first_load() {
    let small = Bounds { objects: &[Unknown], is_loaded: false, queue: &[Plan::List], changes: 2, timeouts: 1, ..BASE };
    let large = Bounds { extra_listings: 1, crashes: 1, ..small.clone() };
    keeps("first load", sized(small, large), &[QUIESCENT, LATE_WRITE, UNVERIFIED_DELETION, VERIFIED_DELETION]);
}

#[test]
fn an_event_is_covered_by_a_listing_that_began_later() {
    let small = Bounds { changes: 2, extra_listings: 2, crashes: 1, tick_duration: 4, ..BASE };
    let large = Bounds { changes: 3, host_skews: &[0, 1], ..small.clone() };
    keeps("covered", sized(small, large), &[QUIESCENT, COVERED_EVENT]);
}

#[test]
fn a_list_of_three_objects_moves_between_continuations() {
    let small = Bounds {
        objects: &[Stored, Stored, Absent],
        changes: 2,
        changes_between_deliveries: true,
        continuations: 2,
        crashes: 1,
        queue: &[Plan::List],
        kinds: &[Change::Add, Change::Delete, Change::Restore],
        ..BASE
    };
    let large = Bounds { changes: 3, ..small.clone() };
    keeps("list moves between continuations", sized(small, large), &[QUIESCENT, CONTINUED_LISTING, RELISTING]);
}

#[test]
fn no_event_stays_open_when_deliveries_crash_and_are_redriven() {
    let small = Bounds { changes: 2, crashes: 2, dead_letters: 1, outcomes: true, ..BASE };
    let large = Bounds { changes: 3, extra_listings: 1, ..small.clone() };
    keeps("outcomes", sized(small, large), &[QUIESCENT, VERIFIED_DELETION, UNVERIFIED_DELETION]);
}
