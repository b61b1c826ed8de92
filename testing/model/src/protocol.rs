//! A world and the guards of its protocol.

use crate::bounds::Bounds;
use crate::guards::{Guard, Guards};
use crate::time::Time;

/// A world and the guards that its deliveries follow.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// The bounds of the world.
    pub bounds: Bounds,
    /// The guards that are present.
    pub guards: Guards,
}

impl Protocol {
    /// Returns the margin in comparisons of two hosts' times.
    pub(crate) fn margin(&self) -> Time {
        if self.guards.has(Guard::ClockMargin) { self.bounds.margin } else { 0 }
    }

    /// Returns the ids of all objects.
    pub(crate) fn ids(&self) -> std::ops::Range<u8> {
        0..u8::try_from(self.bounds.objects.len()).unwrap_or(u8::MAX)
    }
}
