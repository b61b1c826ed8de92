//! Known limits: quiescent states in which the table differs from Belvo.

use stateright::Property;

use crate::properties::{has_converged, is_listed_since, is_residue};
use crate::protocol::Protocol;
use crate::state::State;

/// The record differs from Belvo until the next pass over the object.
pub const WRITE_IN_FLIGHT: &str = "limit: a write in flight lands behind a newer pass that left no token";
/// The deletion is received after the pass began that read the object again.
pub const LATE_DELETION: &str = "limit: Belvo announces a deletion after the object has come back";

/// Returns the limits as properties of the model.
pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::sometimes(WRITE_IN_FLIGHT, |protocol, state: &State| {
            let is_behind = |id| is_residue(state, id) && !has_converged(state, id);
            is_listed_since(state, state.tick) && protocol.ids().any(is_behind)
        }),
        Property::sometimes(LATE_DELETION, |protocol, state: &State| {
            let differs = |id| !is_residue(state, id) && !has_converged(state, id);
            is_listed_since(state, state.changed_at) && protocol.ids().any(differs)
        }),
    ]
}
