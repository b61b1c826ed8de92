//! The promises: properties that a search tries to violate. `docs/architecture.md` numbers them.

use stateright::Property;

use crate::protocol::Protocol;
use crate::record::Item;
use crate::state::State;
use crate::table::Outcome;
use crate::time::Tick;
use crate::violation::Violation;

/// The table agrees with Belvo, except for the residue. Quiescent: no message waits and no delivery is in progress.
pub const CONVERGENCE: &str = "P2: when quiescent, after a whole listing, the table has converged";
/// Holds for records that carry a token. The crate's README describes the residue.
pub const SNAPSHOTS: &str = "P3: an older snapshot never replaces a newer one";
/// Also behind passes that left no token.
pub const OVERTAKEN: &str = "P3: a pass that was overtaken before its last fence writes behind no other pass";
/// Except by a continued comparison.
pub const MARKS: &str = "P9: missing_since is never set behind a newer pass";
/// Holds for lists that move only between messages, or have at most two objects: Belvo's lists are not snapshots.
pub const WHOLE_LISTINGS: &str = "P4: a whole listing has read every object that was listed throughout";
/// Holds for every pass.
pub const WATERMARK: &str = "P4: the watermark never moves back";
/// Holds even without a listing.
pub const TOMBSTONES: &str = "P5: when quiescent, an object whose deletion was announced is back or a tombstone";
/// Lists may lag behind deletions.
pub const RESTORES: &str = "P5: only a response of /{id}/ restores an object";
/// The pass that read the object began after the deletion was received.
pub const DELETIONS: &str = "P5: a deletion does not remove an object that a pass read after the announcement";
/// By the order of ticks, whatever the hosts' clocks show.
pub const COVERED: &str = "P10: an event is covered only by a listing that began after its receipt";
/// In worlds that keep outcomes.
pub const OUTCOMES: &str = "P1: when quiescent, no event is left as processing";

/// All promises.
pub const PROMISES: [&str; 11] = [
    CONVERGENCE,
    SNAPSHOTS,
    OVERTAKEN,
    MARKS,
    WHOLE_LISTINGS,
    WATERMARK,
    TOMBSTONES,
    RESTORES,
    DELETIONS,
    COVERED,
    OUTCOMES,
];

/// Returns the promises as properties of the model.
pub(crate) fn promises() -> Vec<Property<Protocol>> {
    vec![
        Property::always(CONVERGENCE, |protocol, state: &State| {
            !is_listed_since(state, state.tick)
                || protocol.ids().all(|id| is_residue(state, id) || has_converged(state, id))
        }),
        Property::always(TOMBSTONES, |protocol, state: &State| {
            !state.is_quiescent() || protocol.ids().all(|id| is_tombstone_if_announced(state, id))
        }),
        Property::always(OUTCOMES, |_, state: &State| {
            let is_open = |outcome: &Outcome| matches!(outcome, Outcome::Waiting | Outcome::Processing);
            !state.is_quiescent() || !state.table.events.iter().any(is_open)
        }),
        Property::always(SNAPSHOTS, |_, state: &State| state.violation != Some(Violation::OlderReplacedNewer)),
        Property::always(OVERTAKEN, |_, state: &State| state.violation != Some(Violation::OvertakenPassWrote)),
        Property::always(MARKS, |_, state: &State| state.violation != Some(Violation::MarkedBehindNewer)),
        Property::always(WHOLE_LISTINGS, |_, state: &State| state.violation != Some(Violation::ObjectSkipped)),
        Property::always(WATERMARK, |_, state: &State| state.violation != Some(Violation::WatermarkMovedBack)),
        Property::always(RESTORES, |_, state: &State| state.violation != Some(Violation::RestoredByList)),
        Property::always(DELETIONS, |_, state: &State| state.violation != Some(Violation::DeletedAfterReturn)),
        Property::always(COVERED, |_, state: &State| state.violation != Some(Violation::CoveredTooEarly)),
    ]
}

/// Returns `true` in a quiescent state after a whole listing that began at this tick or later.
pub(crate) fn is_listed_since(state: &State, tick: Tick) -> bool {
    state.is_quiescent() && state.listed_at >= Some(tick)
}

/// Returns `true` if a write in flight landed behind a newer pass, and no pass has read the object since.
pub(crate) fn is_residue(state: &State, id: u8) -> bool {
    state.table.record(id).is_residue
}

/// Returns `true` if the stored item agrees with the object at Belvo.
pub(crate) fn has_converged(state: &State, id: u8) -> bool {
    let truth = state.belvo.object(id);
    truth.lags
        || match state.table.record(id).item {
            Item::Live { content, is_missing } if truth.is_present => content == truth.content && !is_missing,
            Item::Live { is_missing, .. } => is_missing,
            Item::Absent | Item::Tombstone => !truth.is_present,
        }
}

fn is_tombstone_if_announced(state: &State, id: u8) -> bool {
    let truth = state.belvo.object(id);
    let is_announced = !truth.is_present && truth.is_announced;
    !is_announced || state.table.record(id).item == Item::Tombstone
}
