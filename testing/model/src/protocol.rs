//! A world, and the rules that its deliveries follow.

use crate::bounds::Bounds;
use crate::guards::{Guard, Guards};
use crate::time::Time;

/// A world, and the rules that its deliveries follow.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// What may happen.
    pub bounds: Bounds,
    /// The rules that are there.
    pub guards: Guards,
}

impl Protocol {
    pub(crate) fn margin(&self) -> Time {
        if self.guards.has(Guard::ClockMargin) { self.bounds.margin } else { 0 }
    }

    /// How many objects there are.
    pub(crate) fn objects(&self) -> u8 {
        u8::try_from(self.bounds.objects.len()).unwrap_or(u8::MAX)
    }
}
