//! The table: the link's clock, the sync state, the checkpoint, and the event items.

use crate::guards::{Guard, Guards};
use crate::ids::MAX_OBJECTS;
use crate::queue::Start;
use crate::record::Record;
use crate::time::{Tick, Time};

/// The sync state of the link's resource.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SyncState {
    pub(crate) last_pass_at: Option<Time>,
    pub(crate) watermark: Option<Time>,
    pub(crate) listed_at: Option<Time>,
    pub(crate) listing_began_at: Option<Time>,
    /// For the properties: the tick at which that listing began.
    pub(crate) tick: Tick,
}

/// The outcome of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Waiting,
    Processing,
    Applied,
    Continued,
    Covered,
}

/// The items of a link.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Table {
    pub(crate) clock: Option<Time>,
    pub(crate) state: SyncState,
    pub(crate) records: [Record; MAX_OBJECTS],
    pub(crate) events: Vec<Outcome>,
}

/// The result of a finished pass.
pub(crate) struct Checkpoint {
    pub(crate) token: Time,
    /// The sync state that the pass found.
    pub(crate) before: SyncState,
    /// The start of the listing, if the pass finished a whole one.
    pub(crate) listing: Option<Start>,
    pub(crate) event: u8,
    pub(crate) outcome: Outcome,
}

impl Table {
    pub(crate) fn record(&self, id: u8) -> &Record {
        &self.records[usize::from(id)]
    }

    pub(crate) fn record_mut(&mut self, id: u8) -> &mut Record {
        &mut self.records[usize::from(id)]
    }

    /// Takes a fencing token: moves the link's clock forward.
    pub(crate) fn take_token(&mut self, now: Time, guards: Guards) -> Time {
        let next = self.clock.map_or(now, |clock| now.max(clock + 1));
        let token = if guards.has(Guard::GrowingTokens) { next } else { now };
        self.clock = Some(token);
        token
    }

    /// Records the start of a pass. Returns the sync state before, or `None` if a later pass has recorded its start.
    pub(crate) fn record_pass_start(&mut self, token: Time, guards: Guards) -> Option<SyncState> {
        let is_overtaken = self.state.last_pass_at.is_some_and(|last| last > token);
        if is_overtaken && guards.has(Guard::LastPassOnlyForward) {
            return None;
        }
        let before = self.state;
        self.state.last_pass_at = Some(token);
        Some(before)
    }

    /// Returns `true` if no later pass has begun on the link.
    pub(crate) fn is_current(&self, token: Time) -> bool {
        self.clock == Some(token)
    }

    /// Ends a pass and its event in one transaction. Returns `false`, and changes nothing, if a later pass has begun.
    pub(crate) fn finish(&mut self, checkpoint: &Checkpoint, guards: Guards) -> bool {
        if !self.is_current(checkpoint.token) && guards.has(Guard::CheckpointIfCurrent) {
            return false;
        }

        self.state.watermark = checkpoint.listing.map(|start| start.began_at).max(checkpoint.before.watermark);
        if let Some(start) = checkpoint.listing {
            self.state.listed_at = Some(start.token);
            self.state.listing_began_at = Some(start.began_at);
            self.state.tick = start.tick;
        }
        self.set_outcome(checkpoint.event, checkpoint.outcome);
        true
    }

    /// Returns `true` if no delivery has ended the event.
    pub(crate) fn is_open(&self, event: u8) -> bool {
        let outcome = self.events.get(usize::from(event));
        outcome.is_some_and(|outcome| matches!(outcome, Outcome::Waiting | Outcome::Processing))
    }

    pub(crate) fn set_outcome(&mut self, event: u8, outcome: Outcome) {
        if let Some(event) = self.events.get_mut(usize::from(event)) {
            *event = outcome;
        }
    }
}
