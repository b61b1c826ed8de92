//! States that a search has to reach. Otherwise it proves nothing about them.

use stateright::Property;

use crate::delivery::{Delivery, Phase, Task, WriteKind};
use crate::properties::is_listed_since;
use crate::protocol::Protocol;
use crate::state::State;

/// No message waits and no delivery is in progress.
pub const QUIESCENT: &str = "reachable: quiescent after changes and a whole listing";
/// The condition of the write will reject it.
pub const LATE_WRITE: &str = "reachable: a write behind a newer token";
/// The fence will stop the pass.
pub const OVERTAKEN_PASS: &str = "reachable: an overtaken pass at its fence";
/// The checkpoint will be rejected.
pub const OVERTAKEN_CHECKPOINT: &str = "reachable: an overtaken pass at its checkpoint";
/// No pass has read from Belvo since the announcement.
pub const UNVERIFIED_DELETION: &str = "reachable: a deletion that is applied without a request";
/// A pass has read from Belvo since the announcement.
pub const VERIFIED_DELETION: &str = "reachable: a deletion that is verified by id";
/// By the response of `/{id}/`.
pub const RESTORE: &str = "reachable: a restore";
/// By a whole listing.
pub const MARK: &str = "reachable: a record that is marked as missing";
/// The delivery requests nothing from Belvo.
pub const COVERED_EVENT: &str = "reachable: an event that is covered";
/// After the list moved.
pub const RELISTING: &str = "reachable: a listing that starts again";
/// In a later message.
pub const CONTINUED_LISTING: &str = "reachable: a continued listing";
/// In a later message.
pub const CONTINUED_COMPARISON: &str = "reachable: a continued comparison";

/// Returns all of these as properties of the model.
pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::sometimes(QUIESCENT, |_, state: &State| state.changed_at > 0 && is_listed_since(state, state.tick)),
        Property::sometimes(LATE_WRITE, |_, state| any(state, |delivery| is_late_write(state, delivery))),
        Property::sometimes(OVERTAKEN_PASS, |_, state| {
            any(state, |delivery| matches!(delivery.phase, Phase::Fence(_)) && is_overtaken(state, delivery))
        }),
        Property::sometimes(OVERTAKEN_CHECKPOINT, |_, state| {
            any(state, |delivery| delivery.phase == Phase::Finish && is_overtaken(state, delivery))
        }),
        Property::sometimes(UNVERIFIED_DELETION, |_, state| {
            any(state, |delivery| writes(delivery, WriteKind::Tombstone { is_verified: false }))
        }),
        Property::sometimes(VERIFIED_DELETION, |_, state| {
            any(state, |delivery| matches!((delivery.task, delivery.phase), (Task::Delete(_), Phase::GetById(_))))
        }),
        Property::sometimes(RESTORE, |_, state| any(state, |delivery| matches!(delivery.phase, Phase::Restore { .. }))),
        Property::sometimes(MARK, |_, state| any(state, |delivery| writes(delivery, WriteKind::MarkMissing))),
        Property::sometimes(COVERED_EVENT, |_, state| {
            any(state, |delivery| delivery.phase == Phase::Acknowledge && delivery.is_covered())
        }),
        Property::sometimes(RELISTING, |_, state| any(state, starts_again)),
        Property::sometimes(CONTINUED_LISTING, |_, state| any(state, Delivery::continues_listing)),
        Property::sometimes(CONTINUED_COMPARISON, |_, state| any(state, continues_comparison)),
    ]
}

fn any(state: &State, predicate: impl Fn(&Delivery) -> bool) -> bool {
    state.deliveries().any(predicate)
}

fn is_overtaken(state: &State, delivery: &Delivery) -> bool {
    !state.table.is_current(delivery.token)
}

fn is_late_write(state: &State, delivery: &Delivery) -> bool {
    match delivery.phase {
        Phase::Write(planned, write) => state.table.record(planned.id).fetched_at > write.read.token,
        _ => false,
    }
}

fn writes(delivery: &Delivery, kind: WriteKind) -> bool {
    matches!(delivery.phase, Phase::Write(planned, _) if planned.kind == kind)
}

fn starts_again(delivery: &Delivery) -> bool {
    delivery.phase == Phase::RecordPassStart && delivery.task == Task::List && delivery.listing.is_some()
}

fn continues_comparison(delivery: &Delivery) -> bool {
    matches!((delivery.task, delivery.phase), (Task::ContinueComparing, Phase::Compare(_)))
}
