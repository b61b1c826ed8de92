//! What is not promised: each known limit is real, and this is the shortest way to it.

use crate::search::{GONE_AND_BACK, finds};
use model::Initially::{Absent, Stored};
use model::properties::{COMPLETE, COVERED, REDRIVEN};
use model::reached::{LIMIT_LATE_DELETION, LIMIT_UNDER_WAY};
use model::{Bounds, Change, Guards, Plan};

const STILL: Bounds = Bounds::STILL;
const README: &str = include_str!("../../README.md");

fn is_a_limit(what: &'static str, bounds: Bounds) {
    let steps = finds(Guards::all(), what, bounds);
    let row = format!("| {what} | {steps} |");
    assert!(README.contains(&row), "the README lacks: {row}");
}

#[test]
fn a_write_under_way_lands_behind_a_newer_look_that_left_no_stamp() {
    let world = Bounds { changes: 2, timeouts: 1, dead_letters: 1, kinds: GONE_AND_BACK, ..STILL };
    is_a_limit(LIMIT_UNDER_WAY, world);
}

#[test]
fn a_deletion_that_belvo_announces_after_the_object_came_back_buries_it() {
    is_a_limit(LIMIT_LATE_DELETION, Bounds { changes: 2, late: 1, kinds: GONE_AND_BACK, ..STILL });
}

#[test]
fn a_list_that_moves_in_both_directions_while_it_is_read_passes_for_a_whole_one() {
    let world = Bounds { objects: &[Stored, Stored, Absent], changes: 2, queue: &[Plan::List], ..STILL };
    is_a_limit(COMPLETE, world);
}

#[test]
fn clocks_that_differ_by_more_than_the_margin_cover_too_much_or_hide_a_look() {
    let ahead = Bounds { changes: 1, announcements: 1, hosts: &[0, 2], pace: 0, kinds: &[Change::Update], ..STILL };
    is_a_limit(COVERED, ahead);
    let behind = Bounds { changes: 2, dead_letters: 1, receiver: 2, pace: 0, kinds: GONE_AND_BACK, ..STILL };
    is_a_limit(REDRIVEN, behind);
}
