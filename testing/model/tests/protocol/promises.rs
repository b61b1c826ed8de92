//! With all its guards the protocol keeps its promises, in every state of these worlds.
//!
//! `MODEL_BOUNDS=large` makes the worlds larger: minutes and some gigabytes instead of seconds.

use crate::search::{GONE_AND_BACK, holds};
use model::Bounds;
use model::Initially::{Absent, Dropped, Restored, Stored, Unknown};
use model::reached::{
    ASKED, COMPARED, CONTINUED, COVERED_EVENT, LATE_WRITE, MARKED, OVERTAKEN_CHECKPOINT, OVERTAKEN_PASS, RELISTED,
    REST, REVIVED, UNASKED,
};
use model::{Change, Guards, Plan};

const STILL: Bounds = Bounds::STILL;

/// With all guards.
fn keeps(name: &str, bounds: Bounds, reaches: &[&'static str]) {
    holds(name, Guards::all(), bounds, reaches);
}

/// One of two sizes.
fn sized(small: Bounds, large: Bounds) -> Bounds {
    if std::env::var("MODEL_BOUNDS").is_ok_and(|size| size == "large") { large } else { small }
}

#[test]
fn an_object_changes_while_deliveries_crash_time_out_and_are_redriven() {
    let small = Bounds { changes: 2, losses: 1, timeouts: 1, crashes: 1, dead_letters: 1, ..STILL };
    let large = Bounds { changes: 3, ..small.clone() };
    keeps(
        "one object",
        sized(small, large),
        &[REST, LATE_WRITE, OVERTAKEN_PASS, OVERTAKEN_CHECKPOINT, UNASKED, ASKED, REVIVED],
    );
}

#[test]
fn an_object_changes_often_beside_a_zombie() {
    let small = Bounds { changes: 3, timeouts: 1, ..STILL };
    let large = Bounds { changes: 4, losses: 1, ..small.clone() };
    keeps("many changes", sized(small, large), &[REST, LATE_WRITE, UNASKED, ASKED, REVIVED]);
}

#[test]
fn two_zombies_at_once() {
    let small = Bounds { changes: 1, timeouts: 2, ..STILL };
    let large = Bounds { objects: &[Restored], queue: &[Plan::List], ..small.clone() };
    keeps("two zombies", sized(small, large), &[LATE_WRITE, OVERTAKEN_CHECKPOINT]);
}

#[test]
fn an_object_that_came_back_changes_while_it_is_revived() {
    let small =
        Bounds { objects: &[Restored], queue: &[Plan::List], changes: 1, losses: 1, timeouts: 1, crashes: 1, ..STILL };
    let large = Bounds { changes: 2, ..small.clone() };
    keeps("revival", sized(small, large), &[REST, LATE_WRITE, REVIVED, OVERTAKEN_CHECKPOINT]);
}

#[test]
fn an_object_that_belvo_drops_and_gives_again_without_a_word() {
    let small = Bounds { changes: 2, losses: 2, announcements: 2, timeouts: 1, kinds: GONE_AND_BACK, ..STILL };
    let large = Bounds { changes: 3, losses: 3, ..small.clone() };
    keeps("silence", sized(small, large), &[REST, LATE_WRITE, MARKED]);
}

#[test]
fn hosts_whose_clocks_differ_while_time_passes() {
    let small = Bounds { changes: 2, timeouts: 1, hosts: &[0, 1], receiver: 1, pace: 1, ..STILL };
    let large = Bounds { losses: 1, dead_letters: 1, ..small.clone() };
    keeps("clocks, receiver ahead", sized(small, large), &[REST, LATE_WRITE, ASKED]);
}

#[test]
fn hosts_whose_clocks_differ_while_time_stands_still() {
    let small = Bounds { changes: 2, timeouts: 1, dead_letters: 1, hosts: &[0, 1], pace: 0, ..STILL };
    let large = Bounds { changes: 3, ..small.clone() };
    keeps("clocks, at one moment", sized(small, large), &[REST, LATE_WRITE, ASKED]);
}

#[test]
fn two_objects_on_two_pages_listed_and_compared_in_legs() {
    let small =
        Bounds { objects: &[Stored, Stored], changes: 1, announcements: 1, continuations: 1, timeouts: 1, ..STILL };
    let large = Bounds { changes: 2, ..small.clone() };
    keeps("legs", sized(small, large), &[REST, LATE_WRITE, CONTINUED, COMPARED, MARKED, RELISTED]);
}

#[test]
fn a_listing_in_legs_whose_messages_crash_and_are_redriven() {
    let small = Bounds {
        objects: &[Restored, Stored],
        changes: 1,
        queue: &[Plan::List],
        continuations: 2,
        crashes: 1,
        dead_letters: 1,
        ..STILL
    };
    let large = Bounds { timeouts: 1, crashes: 0, dead_letters: 0, ..small.clone() };
    keeps("legs that fail", sized(small, large), &[REST, CONTINUED, COMPARED, REVIVED, RELISTED]);
}

#[test]
fn a_comparison_that_goes_on_beside_a_zombie() {
    let small = Bounds {
        objects: &[Stored, Dropped],
        changes: 1,
        losses: 1,
        continuations: 1,
        timeouts: 1,
        kinds: &[Change::Restore],
        queue: &[Plan::List],
        ..STILL
    };
    let large = Bounds { objects: &[Restored, Dropped], announcements: 1, ..small.clone() };
    keeps("comparison", sized(small, large), &[REST, COMPARED, MARKED, LATE_WRITE]);
}

#[test]
fn a_list_that_lags_behind_a_deletion() {
    let small = Bounds { changes: 2, lags: 1, timeouts: 1, announcements: 1, kinds: GONE_AND_BACK, ..STILL };
    let large = Bounds { changes: 3, losses: 1, ..small.clone() };
    keeps("lagging list", sized(small, large), &[REST, LATE_WRITE, REVIVED, UNASKED, ASKED]);
}

#[test]
fn deletions_that_are_announced_late_or_twice() {
    let small = Bounds { changes: 2, late: 1, timeouts: 1, kinds: GONE_AND_BACK, ..STILL };
    let large = Bounds { changes: 3, late: 2, ..small.clone() };
    keeps("late deletions", sized(small, large), &[REST, UNASKED, ASKED, REVIVED]);
}

#[test]
fn the_first_load() {
    let small =
        Bounds { objects: &[Unknown], is_loaded: false, queue: &[Plan::List], changes: 2, timeouts: 1, ..STILL };
    let large = Bounds { announcements: 1, crashes: 1, ..small.clone() };
    keeps("first load", sized(small, large), &[REST, LATE_WRITE, UNASKED, ASKED]);
}

#[test]
fn an_event_is_covered_by_a_listing_that_began_later() {
    let small = Bounds { changes: 2, announcements: 2, crashes: 1, pace: 4, ..STILL };
    let large = Bounds { changes: 3, hosts: &[0, 1], ..small.clone() };
    keeps("covered", sized(small, large), &[REST, COVERED_EVENT]);
}

#[test]
fn three_objects_whose_list_moves_between_legs() {
    let small = Bounds {
        objects: &[Stored, Stored, Absent],
        changes: 2,
        keeps_still: true,
        continuations: 2,
        crashes: 1,
        queue: &[Plan::List],
        kinds: &[Change::Add, Change::Delete, Change::Restore],
        ..STILL
    };
    let large = Bounds { changes: 3, ..small.clone() };
    keeps("moves between legs", sized(small, large), &[REST, CONTINUED, RELISTED]);
}

#[test]
fn no_event_stays_open_when_deliveries_crash_and_are_redriven() {
    let small = Bounds { changes: 2, crashes: 2, dead_letters: 1, outcomes: true, ..STILL };
    let large = Bounds { changes: 3, announcements: 1, ..small.clone() };
    keeps("outcomes", sized(small, large), &[REST, ASKED, UNASKED]);
}
