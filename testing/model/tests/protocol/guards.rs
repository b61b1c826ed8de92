//! Each guard earns its place: without it a promise breaks. The README's table says in how many steps.

use crate::search::{GONE_AND_BACK, finds, holds};
use model::Initially::{Absent, Dropped, Restored, Stored, Unknown};
use model::properties::{
    COMPLETE, CONVERGES, COVERED, MARKS, OUTCOMES, OVERTAKEN, REDRIVEN, REVIVAL, SNAPSHOTS, TOMBSTONES, WATERMARK,
};
use model::reached::REVIVED;
use model::{Bounds, Change, Guard, Guards, Plan};

const STILL: Bounds = Bounds::STILL;
const README: &str = include_str!("../../README.md");

/// Without the guard the promise breaks, in as many steps as the README says.
fn breaks(guard: Guard, promise: &'static str, bounds: Bounds) {
    let steps = finds(Guards::all().without(guard), promise, bounds);
    let row = format!("| `{guard:?}` | {promise} | {steps} |");
    assert!(README.contains(&row), "the README lacks: {row}");
}

#[test]
fn with_the_hosts_own_time_as_stamp_two_passes_have_the_same_one() {
    let world = Bounds { changes: 2, timeouts: 1, kinds: &[Change::Update], pace: 0, ..STILL };
    breaks(Guard::GrowingStamps, SNAPSHOTS, world);
}

#[test]
fn without_the_fence_a_pass_that_was_overtaken_writes_behind_a_newer_look() {
    let world = Bounds { changes: 2, losses: 2, announcements: 1, timeouts: 1, kinds: GONE_AND_BACK, ..STILL };
    breaks(Guard::Fence, OVERTAKEN, world);
}

#[test]
fn an_upsert_without_the_stamps_condition_lets_a_zombie_undo_an_update() {
    let world = Bounds { changes: 2, timeouts: 1, kinds: &[Change::Update], ..STILL };
    breaks(Guard::UpsertSparesNewer, SNAPSHOTS, world);
}

#[test]
fn an_upsert_that_overwrites_tombstones_brings_back_what_a_lagging_list_shows() {
    let world = Bounds { changes: 1, lags: 1, announcements: 1, ..STILL };
    breaks(Guard::UpsertSparesTombstones, REVIVAL, world.clone());
    breaks(Guard::UpsertSparesTombstones, TOMBSTONES, world);
}

#[test]
fn a_burial_without_the_stamps_condition_lets_a_zombie_bury_what_came_back() {
    breaks(Guard::BurySparesNewer, REDRIVEN, Bounds { changes: 2, timeouts: 1, kinds: GONE_AND_BACK, ..STILL });
}

#[test]
fn without_a_tombstone_for_what_was_never_stored_a_zombie_stores_it_after_its_deletion() {
    let world =
        Bounds { objects: &[Unknown], is_loaded: false, queue: &[Plan::List], changes: 1, timeouts: 1, ..STILL };
    breaks(Guard::BuryTheUnseen, TOMBSTONES, world);
}

#[test]
fn a_revival_of_only_the_tombstone_that_was_met_gives_way_to_what_is_older() {
    breaks(Guard::ReviveAnyOlder, CONVERGES, Bounds { changes: 2, timeouts: 1, kinds: GONE_AND_BACK, ..STILL });
}

/// A tombstone in the table, and the object that came back.
fn came_back() -> Bounds {
    Bounds { objects: &[Restored], queue: &[Plan::List], changes: 1, timeouts: 1, kinds: GONE_AND_BACK, ..STILL }
}

#[test]
fn a_revival_without_condition_lets_a_zombie_undo_a_newer_deletion() {
    breaks(Guard::ReviveWithCondition, SNAPSHOTS, came_back());
}

#[test]
fn a_revival_that_replaces_whatever_is_older_needs_no_look_at_the_tombstone_before() {
    holds("redundant", Guards::all().without(Guard::ReviveOnlyOlder), came_back(), &[REVIVED]);
}

#[test]
fn a_newer_tombstone_that_counts_as_the_one_that_was_met_is_revived_by_a_zombie() {
    let guards = Guards::all().without(Guard::ReviveAnyOlder).without(Guard::ReviveOnlyOlder);
    finds(guards, SNAPSHOTS, came_back());
}

#[test]
fn a_mark_without_the_stamps_condition_lets_a_zombie_mark_what_came_back() {
    let world = Bounds { objects: &[Dropped], ..came_back() };
    breaks(Guard::MarkSparesNewer, MARKS, world);
}

#[test]
fn a_listing_that_leaves_tombstones_alone_never_notices_that_an_object_came_back() {
    breaks(Guard::AskForTombstones, CONVERGES, Bounds { objects: &[Restored], queue: &[Plan::List], ..STILL });
}

#[test]
fn a_record_that_counts_as_unchanged_though_it_is_marked_stays_marked() {
    let world = Bounds { changes: 2, losses: 1, announcements: 1, kinds: GONE_AND_BACK, ..STILL };
    breaks(Guard::ListedAgainIsChanged, CONVERGES, world);
}

#[test]
fn a_deletion_that_is_never_verified_buries_what_came_back_when_it_is_redriven() {
    let world = Bounds { changes: 2, dead_letters: 1, kinds: GONE_AND_BACK, ..STILL };
    breaks(Guard::VerifyDeletions, REDRIVEN, world.clone());
    breaks(Guard::VerifyDeletions, CONVERGES, world);
}

#[test]
fn a_deletion_that_reads_before_it_takes_its_stamp_misses_a_look_in_between() {
    breaks(Guard::StampBeforeLastLook, REDRIVEN, Bounds { changes: 2, timeouts: 1, kinds: GONE_AND_BACK, ..STILL });
}

#[test]
fn a_last_look_that_goes_back_hides_a_newer_look_from_a_deletion() {
    let world = Bounds { changes: 2, announcements: 1, timeouts: 1, dead_letters: 1, kinds: GONE_AND_BACK, ..STILL };
    breaks(Guard::LastLookNeverBack, REDRIVEN, world);
}

#[test]
fn without_a_margin_a_clock_that_is_ahead_covers_too_much_or_hides_a_look() {
    let ahead = Bounds { changes: 1, announcements: 1, hosts: &[0, 1], pace: 0, ..STILL };
    breaks(Guard::ClockMargin, COVERED, ahead);
    let behind = Bounds { changes: 2, dead_letters: 1, receiver: 1, pace: 0, kinds: GONE_AND_BACK, ..STILL };
    breaks(Guard::ClockMargin, REDRIVEN, behind);
}

#[test]
fn a_listings_stamp_runs_ahead_of_the_clocks_and_would_cover_what_came_later() {
    let world = Bounds { changes: 1, announcements: 1, crashes: 3, pace: 1, kinds: &[Change::Update], ..STILL };
    breaks(Guard::CoveredByBeginning, COVERED, world);
}

#[test]
fn a_checkpoint_without_condition_lets_a_zombie_set_the_watermark_back() {
    breaks(Guard::CheckpointOnClock, WATERMARK, Bounds { changes: 1, announcements: 1, timeouts: 1, ..STILL });
}

#[test]
fn a_continuation_that_trusts_its_page_number_misses_a_row_that_moved() {
    let world = Bounds {
        objects: &[Stored, Stored, Absent],
        changes: 2,
        keeps_still: true,
        continuations: 1,
        queue: &[Plan::List],
        ..STILL
    };
    breaks(Guard::DigestOfPage, COMPLETE, world);
}

#[test]
fn a_list_that_got_shorter_while_it_was_read_would_pass_for_a_whole_one() {
    let world = Bounds { objects: &[Stored, Stored], changes: 1, queue: &[Plan::List], ..STILL };
    breaks(Guard::SignsOfMoving, COMPLETE, world);
}

#[test]
fn a_message_that_is_acknowledged_first_is_lost_by_a_crash() {
    breaks(Guard::AcknowledgeLast, TOMBSTONES, Bounds { changes: 1, crashes: 1, ..STILL });
}

#[test]
fn a_zombie_that_begins_after_all_is_done_opens_its_event_again() {
    let world = Bounds { timeouts: 1, queue: &[Plan::Get(0)], outcomes: true, ..STILL };
    holds("an event that has ended", Guards::all(), world.clone(), &[]);
    breaks(Guard::EndedStaysEnded, OUTCOMES, world);
}

#[test]
fn a_comparison_that_checks_before_it_takes_its_stamp_misses_a_listing_in_between() {
    let world = Bounds {
        objects: &[Stored, Dropped],
        changes: 1,
        losses: 1,
        continuations: 1,
        timeouts: 1,
        kinds: &[Change::Restore],
        queue: &[Plan::List],
        ..STILL
    };
    breaks(Guard::StampBeforeComparing, CONVERGES, world);
}

#[test]
fn a_listing_that_was_overtaken_and_takes_a_new_stamp_for_its_tombstones_passes_for_the_newest() {
    let world = Bounds {
        objects: &[Restored, Dropped],
        changes: 1,
        losses: 1,
        continuations: 1,
        timeouts: 1,
        kinds: &[Change::Restore],
        queue: &[Plan::List],
        ..STILL
    };
    breaks(Guard::AskOnlyIfNewest, CONVERGES, world);
}
