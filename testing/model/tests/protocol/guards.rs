//! Each guard is necessary: without it a promise breaks. The README lists the number of steps.

use crate::search::{GONE_AND_BACK, finds, holds};
use model::InitialObject::{Absent, Dropped, Restored, Stored, Unknown};
use model::properties::{
    CONVERGENCE, COVERED, DELETIONS, MARKS, OUTCOMES, OVERTAKEN, RESTORES, SNAPSHOTS, TOMBSTONES, WATERMARK,
    WHOLE_LISTINGS,
};
use model::reachability::RESTORE;
use model::{Bounds, Change, Guard, Guards, Plan};

const BASE: Bounds = Bounds::BASE;
const README: &str = include_str!("../../README.md");

/// Asserts that the promise breaks without the guard, in as many steps as the README says.
fn breaks(guard: Guard, promise: &'static str, bounds: Bounds) {
    let steps = finds(Guards::all().without(guard), promise, bounds);
    let row = format!("| `{guard:?}` | {promise} | {steps} |");
    assert!(README.contains(&row), "the README lacks: {row}");
}

#[test]
fn without_growing_tokens_two_passes_hold_the_same_token() {
    let world = Bounds { changes: 2, timeouts: 1, kinds: &[Change::Update], tick_duration: 0, ..BASE };
    breaks(Guard::GrowingTokens, SNAPSHOTS, world);
}

#[test]
fn without_the_fence_an_overtaken_pass_writes_behind_a_newer_pass() {
    let world = Bounds { changes: 2, losses: 2, extra_listings: 1, timeouts: 1, kinds: GONE_AND_BACK, ..BASE };
    breaks(Guard::Fence, OVERTAKEN, world);
}

#[test]
fn without_a_condition_on_upserts_a_zombie_reverts_an_update() {
    let world = Bounds { changes: 2, timeouts: 1, kinds: &[Change::Update], ..BASE };
    breaks(Guard::UpsertKeepsNewer, SNAPSHOTS, world);
}

#[test]
fn an_upsert_that_replaces_tombstones_restores_an_object_of_a_lagging_list() {
    let world = Bounds { changes: 1, lags: 1, extra_listings: 1, ..BASE };
    breaks(Guard::UpsertKeepsTombstones, RESTORES, world.clone());
    breaks(Guard::UpsertKeepsTombstones, TOMBSTONES, world);
}

#[test]
fn without_a_condition_on_tombstones_a_zombie_deletes_an_object_that_came_back() {
    breaks(Guard::TombstoneKeepsNewer, DELETIONS, Bounds { changes: 2, timeouts: 1, kinds: GONE_AND_BACK, ..BASE });
}

#[test]
fn without_tombstones_for_unknown_objects_a_zombie_stores_a_deleted_object() {
    let world = Bounds { objects: &[Unknown], is_loaded: false, queue: &[Plan::List], changes: 1, timeouts: 1, ..BASE };
    breaks(Guard::TombstoneWithoutRecord, TOMBSTONES, world);
}

#[test]
fn a_restore_of_only_the_tombstone_that_was_read_loses_to_an_older_write() {
    breaks(Guard::RestoreAnyOlder, CONVERGENCE, Bounds { changes: 2, timeouts: 1, kinds: GONE_AND_BACK, ..BASE });
}

/// Returns a world with a tombstone whose object has come back.
fn came_back() -> Bounds {
    Bounds { objects: &[Restored], queue: &[Plan::List], changes: 1, timeouts: 1, kinds: GONE_AND_BACK, ..BASE }
}

#[test]
fn without_a_condition_on_restores_a_zombie_reverts_a_newer_deletion() {
    breaks(Guard::RestoreWithCondition, SNAPSHOTS, came_back());
}

#[test]
fn a_restore_that_replaces_any_older_item_needs_no_check_of_the_tombstone() {
    holds("redundant", Guards::all().without(Guard::RestoreOnlyOlder), came_back(), &[RESTORE]);
}

#[test]
fn without_both_conditions_on_restores_a_zombie_restores_a_newer_tombstone() {
    let guards = Guards::all().without(Guard::RestoreAnyOlder).without(Guard::RestoreOnlyOlder);
    finds(guards, SNAPSHOTS, came_back());
}

#[test]
fn without_a_condition_on_marks_a_zombie_marks_an_object_that_came_back() {
    let world = Bounds { objects: &[Dropped], ..came_back() };
    breaks(Guard::MarkKeepsNewer, MARKS, world);
}

#[test]
fn a_listing_that_skips_tombstones_never_restores_an_object_that_came_back() {
    breaks(Guard::RecheckTombstones, CONVERGENCE, Bounds { objects: &[Restored], queue: &[Plan::List], ..BASE });
}

#[test]
fn a_marked_record_that_counts_as_unchanged_stays_marked() {
    let world = Bounds { changes: 2, losses: 1, extra_listings: 1, kinds: GONE_AND_BACK, ..BASE };
    breaks(Guard::MissingIsChanged, CONVERGENCE, world);
}

#[test]
fn an_unverified_deletion_removes_an_object_that_came_back_before_the_redrive() {
    let world = Bounds { changes: 2, dead_letters: 1, kinds: GONE_AND_BACK, ..BASE };
    breaks(Guard::VerifyDeletions, DELETIONS, world.clone());
    breaks(Guard::VerifyDeletions, CONVERGENCE, world);
}

#[test]
fn a_deletion_that_reads_before_it_takes_its_token_misses_a_pass() {
    breaks(Guard::TokenBeforeLastPass, DELETIONS, Bounds { changes: 2, timeouts: 1, kinds: GONE_AND_BACK, ..BASE });
}

#[test]
fn a_last_pass_at_that_moves_back_hides_a_newer_pass_from_a_deletion() {
    let world = Bounds { changes: 2, extra_listings: 1, timeouts: 1, dead_letters: 1, kinds: GONE_AND_BACK, ..BASE };
    breaks(Guard::LastPassOnlyForward, DELETIONS, world);
}

#[test]
fn without_a_margin_clock_skew_covers_an_event_too_early_or_hides_a_pass() {
    let ahead = Bounds { changes: 1, extra_listings: 1, host_skews: &[0, 1], tick_duration: 0, ..BASE };
    breaks(Guard::ClockMargin, COVERED, ahead);
    let behind =
        Bounds { changes: 2, dead_letters: 1, receiver_skew: 1, tick_duration: 0, kinds: GONE_AND_BACK, ..BASE };
    breaks(Guard::ClockMargin, DELETIONS, behind);
}

#[test]
fn coverage_by_token_covers_an_event_that_came_later() {
    let world =
        Bounds { changes: 1, extra_listings: 1, crashes: 3, tick_duration: 1, kinds: &[Change::Update], ..BASE };
    breaks(Guard::CoveredByStartTime, COVERED, world);
}

#[test]
fn without_a_condition_on_checkpoints_a_zombie_moves_the_watermark_back() {
    breaks(Guard::CheckpointIfCurrent, WATERMARK, Bounds { changes: 1, extra_listings: 1, timeouts: 1, ..BASE });
}

#[test]
fn a_continuation_without_a_page_digest_misses_a_row_that_moved() {
    let world = Bounds {
        objects: &[Stored, Stored, Absent],
        changes: 2,
        changes_between_deliveries: true,
        continuations: 1,
        queue: &[Plan::List],
        ..BASE
    };
    breaks(Guard::PageDigest, WHOLE_LISTINGS, world);
}

#[test]
fn without_move_detection_a_list_that_got_shorter_counts_as_whole() {
    let world = Bounds { objects: &[Stored, Stored], changes: 1, queue: &[Plan::List], ..BASE };
    breaks(Guard::MoveDetection, WHOLE_LISTINGS, world);
}

#[test]
fn a_crash_loses_a_message_that_is_acknowledged_first() {
    breaks(Guard::AcknowledgeLast, TOMBSTONES, Bounds { changes: 1, crashes: 1, ..BASE });
}

#[test]
fn a_zombie_that_begins_late_reopens_an_ended_event() {
    let world = Bounds { timeouts: 1, queue: &[Plan::Get(0)], outcomes: true, ..BASE };
    holds("ended event", Guards::all(), world.clone(), &[]);
    breaks(Guard::EndedStaysEnded, OUTCOMES, world);
}

#[test]
fn a_comparison_that_reads_before_it_takes_its_token_misses_a_listing() {
    let world = Bounds {
        objects: &[Stored, Dropped],
        changes: 1,
        losses: 1,
        continuations: 1,
        timeouts: 1,
        kinds: &[Change::Restore],
        queue: &[Plan::List],
        ..BASE
    };
    breaks(Guard::TokenBeforeComparing, CONVERGENCE, world);
}

#[test]
fn an_overtaken_listing_that_takes_an_unconditional_token_becomes_current_again() {
    let world = Bounds {
        objects: &[Restored, Dropped],
        changes: 1,
        losses: 1,
        continuations: 1,
        timeouts: 1,
        kinds: &[Change::Restore],
        queue: &[Plan::List],
        ..BASE
    };
    breaks(Guard::RecheckIfCurrent, CONVERGENCE, world);
}
