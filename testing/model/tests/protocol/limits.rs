//! The known limits: each has a counterexample. The README lists the length of the shortest one.

use crate::search::{GONE_AND_BACK, finds};
use model::InitialObject::{Absent, Stored};
use model::limits::{LATE_DELETION, WRITE_IN_FLIGHT};
use model::properties::{COVERED, DELETIONS, WHOLE_LISTINGS};
use model::{Bounds, Change, Guards, Plan};

const BASE: Bounds = Bounds::BASE;
const README: &str = include_str!("../../README.md");

/// Asserts that a world reaches the limit, or violates the promise, in as many steps as the README says.
fn is_a_limit(property: &'static str, bounds: Bounds) {
    let steps = finds(Guards::all(), property, bounds);
    let row = format!("| {property} | {steps} |");
    assert!(README.contains(&row), "the README lacks: {row}");
}

#[test]
fn a_write_in_flight_lands_behind_a_newer_pass_that_left_no_token() {
    let world = Bounds { changes: 2, timeouts: 1, dead_letters: 1, kinds: GONE_AND_BACK, ..BASE };
    is_a_limit(WRITE_IN_FLIGHT, world);
}

#[test]
fn a_deletion_announced_after_the_object_came_back_removes_it() {
    is_a_limit(LATE_DELETION, Bounds { changes: 2, late: 1, kinds: GONE_AND_BACK, ..BASE });
}

#[test]
fn a_list_that_moves_in_both_directions_counts_as_whole() {
    let world = Bounds { objects: &[Stored, Stored, Absent], changes: 2, queue: &[Plan::List], ..BASE };
    is_a_limit(WHOLE_LISTINGS, world);
}

#[test]
fn a_skew_above_the_margin_covers_an_event_too_early_or_hides_a_pass() {
    let ahead = Bounds {
        changes: 1,
        extra_listings: 1,
        host_skews: &[0, 2],
        tick_duration: 0,
        kinds: &[Change::Update],
        ..BASE
    };
    is_a_limit(COVERED, ahead);
    let behind =
        Bounds { changes: 2, dead_letters: 1, receiver_skew: 2, tick_duration: 0, kinds: GONE_AND_BACK, ..BASE };
    is_a_limit(DELETIONS, behind);
}
