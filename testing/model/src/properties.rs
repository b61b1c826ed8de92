//! What is promised: the properties that a search tries to break.
//!
//! The numbers are those of the design's promises: P1 no event is lost, P2 convergence, P3 snapshots, P4 whole listings,
//! P5 deletions, P9 absence, P10 covered events.

use stateright::Property;

use crate::broken::Broken;
use crate::protocol::Protocol;
use crate::record::Stands;
use crate::state::State;
use crate::table::Outcome;

/// Nothing is under way or waits anywhere, and a whole listing was finished that began after Belvo's last word.
pub const CONVERGES: &str = "P2: at rest, after one whole listing, the table has converged";
/// Of what carries a stamp. See the crate's page for the residue of what carries none.
pub const SNAPSHOTS: &str = "P3: an older snapshot never replaces a newer one";
/// Also behind looks that left no stamp.
pub const OVERTAKEN: &str = "P3: a pass that was overtaken before its last look at the clock writes behind nobody";
/// Except by a comparison that goes on in a later message.
pub const MARKS: &str = "P9: missing_since is never set behind a newer look";
/// Of lists that move only between legs, or have two objects: Belvo gives no snapshot.
pub const COMPLETE: &str = "P4: a whole listing has read every object that was listed all the time";
/// Whoever finishes.
pub const WATERMARK: &str = "P4: the watermark never goes back";
/// Also without a listing.
pub const TOMBSTONES: &str = "P5: at rest, what was announced as deleted and has not come back is a tombstone";
/// Lists may lag behind.
pub const REVIVAL: &str = "P5: only an answer by /{id}/ brings an object back";
/// By a pass that had begun after the deletion was received.
pub const REDRIVEN: &str = "P5: a deletion does not bury what was seen again after it was announced";
/// By what really happened first, whatever the hosts' clocks say.
pub const COVERED: &str = "P10: an event is covered only by a listing that began after it was received";
/// Where outcomes are kept track of.
pub const OUTCOMES: &str = "P1: at rest, no event is left as being processed";

/// All of them.
pub const PROMISES: [&str; 11] =
    [CONVERGES, SNAPSHOTS, OVERTAKEN, MARKS, COMPLETE, WATERMARK, TOMBSTONES, REVIVAL, REDRIVEN, COVERED, OUTCOMES];

pub(crate) fn promises() -> Vec<Property<Protocol>> {
    vec![
        Property::always(CONVERGES, |protocol, state: &State| {
            !is_done(state, state.words)
                || objects(protocol).all(|id| is_residue(state, id) || has_converged(state, id))
        }),
        Property::always(TOMBSTONES, |protocol, state: &State| {
            !state.is_at_rest() || objects(protocol).all(|id| is_buried_if_announced(state, id))
        }),
        Property::always(OUTCOMES, |_, state: &State| {
            let is_open = |outcome: &Outcome| matches!(outcome, Outcome::Waiting | Outcome::Processing);
            !state.is_at_rest() || !state.table.events.iter().any(is_open)
        }),
        Property::always(SNAPSHOTS, |_, state: &State| state.broken != Some(Broken::OlderReplacedNewer)),
        Property::always(OVERTAKEN, |_, state: &State| state.broken != Some(Broken::OvertakenWrote)),
        Property::always(MARKS, |_, state: &State| state.broken != Some(Broken::MarkedBehind)),
        Property::always(COMPLETE, |_, state: &State| state.broken != Some(Broken::SkippedObject)),
        Property::always(WATERMARK, |_, state: &State| state.broken != Some(Broken::WatermarkBack)),
        Property::always(REVIVAL, |_, state: &State| state.broken != Some(Broken::RevivedByList)),
        Property::always(REDRIVEN, |_, state: &State| state.broken != Some(Broken::RedrivenDeletion)),
        Property::always(COVERED, |_, state: &State| state.broken != Some(Broken::CoveredTooSoon)),
    ]
}

pub(crate) fn objects(protocol: &Protocol) -> impl Iterator<Item = u8> {
    0..protocol.objects()
}

/// At rest, after a whole listing that began when Belvo had said so many words, or more.
pub(crate) fn is_done(state: &State, words: u8) -> bool {
    state.is_at_rest() && state.listed >= Some(words)
}

/// A write that was under way landed behind a newer look; nobody has looked since.
pub(crate) fn is_residue(state: &State, id: u8) -> bool {
    state.table.record(id).is_residue
}

pub(crate) fn has_converged(state: &State, id: u8) -> bool {
    let truth = state.belvo.object(id);
    truth.lags
        || match state.table.record(id).stands {
            Stands::Live { content, is_missing } if truth.is_present => content == truth.content && !is_missing,
            Stands::Live { is_missing, .. } => is_missing,
            Stands::Nothing | Stands::Tombstone => !truth.is_present,
        }
}

fn is_buried_if_announced(state: &State, id: u8) -> bool {
    let truth = state.belvo.object(id);
    let is_announced = !truth.is_present && truth.is_announced;
    !is_announced || state.table.record(id).stands == Stands::Tombstone
}
