//! What a search has to come across, so that its silence about the promises means something; and the known limits.

use stateright::Property;

use crate::delivery::{Delivery, Kind, Phase, Task};
use crate::properties::{has_converged, is_done, is_residue, objects};
use crate::protocol::Protocol;
use crate::state::State;

/// After changes.
pub const REST: &str = "reached: at rest after changes and a whole listing";
/// Its condition will refuse it.
pub const LATE_WRITE: &str = "reached: a write that is too late";
/// The fence will stop it.
pub const OVERTAKEN_PASS: &str = "reached: a pass that was overtaken";
/// The checkpoint will be refused.
pub const OVERTAKEN_CHECKPOINT: &str = "reached: a checkpoint that was overtaken";
/// Nobody has looked since it was received.
pub const UNASKED: &str = "reached: a deletion that is applied unasked";
/// Somebody has.
pub const ASKED: &str = "reached: a deletion that is asked about";
/// By its id.
pub const REVIVED: &str = "reached: an object that comes back";
/// By a list.
pub const MARKED: &str = "reached: a record that is marked as missing";
/// Nothing is asked.
pub const COVERED_EVENT: &str = "reached: an event that is covered";
/// After the list moved.
pub const RELISTED: &str = "reached: a listing that begins anew";
/// In a later message.
pub const CONTINUED: &str = "reached: a listing that goes on";
/// In a later message.
pub const COMPARED: &str = "reached: a comparison that goes on";

/// The record differs from Belvo until somebody looks again.
pub const LIMIT_UNDER_WAY: &str = "limit: a write that was under way stands behind a newer look that left no stamp";
/// So that it was received after whoever saw the object again had begun.
pub const LIMIT_LATE_DELETION: &str = "limit: Belvo announces a deletion after the object has come back";

pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::sometimes(REST, |_, state: &State| state.changed > 0 && is_done(state, state.words)),
        Property::sometimes(LATE_WRITE, |_, state: &State| {
            any(state, |delivery| match delivery.phase {
                Phase::Write(wanted, write) => state.table.record(wanted.id).fetched_at > write.look.stamp,
                _ => false,
            })
        }),
        Property::sometimes(OVERTAKEN_PASS, |_, state: &State| {
            any(state, |delivery| matches!(delivery.phase, Phase::Fence(_)) && is_overtaken(state, delivery))
        }),
        Property::sometimes(OVERTAKEN_CHECKPOINT, |_, state: &State| {
            any(state, |delivery| delivery.phase == Phase::Finish && is_overtaken(state, delivery))
        }),
        Property::sometimes(UNASKED, |_, state: &State| {
            any(state, |delivery| wants(delivery, Kind::Bury { is_asked: false }))
        }),
        Property::sometimes(ASKED, |_, state: &State| {
            any(state, |delivery| matches!((delivery.task, delivery.phase), (Task::Delete(_), Phase::Ask(_))))
        }),
        Property::sometimes(REVIVED, |_, state: &State| {
            any(state, |delivery| matches!(delivery.phase, Phase::Revive { .. }))
        }),
        Property::sometimes(MARKED, |_, state: &State| any(state, |delivery| wants(delivery, Kind::Mark))),
        Property::sometimes(COVERED_EVENT, |_, state: &State| {
            any(state, |delivery| delivery.phase == Phase::Acknowledge && delivery.is_covered())
        }),
        Property::sometimes(RELISTED, |_, state: &State| {
            let begins_anew = |delivery: &Delivery| {
                delivery.phase == Phase::NoteLook && delivery.task == Task::List && delivery.listing.is_some()
            };
            any(state, begins_anew)
        }),
        Property::sometimes(CONTINUED, |_, state: &State| any(state, Delivery::goes_on_listing)),
        Property::sometimes(COMPARED, |_, state: &State| {
            any(state, |delivery| matches!((delivery.task, delivery.phase), (Task::Compare, Phase::Compare(_))))
        }),
        Property::sometimes(LIMIT_UNDER_WAY, |protocol, state: &State| {
            let stands_behind = |id| is_residue(state, id) && !has_converged(state, id);
            is_done(state, state.words) && objects(protocol).any(stands_behind)
        }),
        Property::sometimes(LIMIT_LATE_DELETION, |protocol, state: &State| {
            let differs = |id| !is_residue(state, id) && !has_converged(state, id);
            is_done(state, state.changed) && objects(protocol).any(differs)
        }),
    ]
}

fn any(state: &State, is_so: impl Fn(&Delivery) -> bool) -> bool {
    state.current.iter().chain(&state.zombies).any(is_so)
}

fn is_overtaken(state: &State, delivery: &Delivery) -> bool {
    !state.table.is_current(delivery.stamp)
}

fn wants(delivery: &Delivery, kind: Kind) -> bool {
    matches!(delivery.phase, Phase::Write(wanted, _) if wanted.kind == kind)
}
