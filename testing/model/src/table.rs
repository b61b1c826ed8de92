//! The table: the link's clock, the sync state, the checkpoint.

use crate::guards::{Guard, Guards};
use crate::ids::MAX_OBJECTS;
use crate::queue::Start;
use crate::record::Record;
use crate::time::Time;

/// What is known of the resource: the sync state item.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SyncState {
    pub(crate) last_pass_at: Option<Time>,
    pub(crate) watermark: Option<Time>,
    pub(crate) listed_at: Option<Time>,
    pub(crate) listing_began_at: Option<Time>,
    /// For the properties: how many words Belvo had said when that listing began.
    pub(crate) words: u8,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Waiting,
    Processing,
    Applied,
    Continued,
    Covered,
}

/// All items of a link.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Table {
    pub(crate) clock: Option<Time>,
    pub(crate) state: SyncState,
    pub(crate) records: [Record; MAX_OBJECTS],
    pub(crate) events: Vec<Outcome>,
}

/// What a finished pass leaves behind.
pub(crate) struct Checkpoint {
    pub(crate) stamp: Time,
    /// The sync state as the pass found it.
    pub(crate) before: SyncState,
    /// A listing that did not move was finished.
    pub(crate) listed: Option<Start>,
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

    /// `take_stamp`: moves the clock.
    pub(crate) fn take_stamp(&mut self, now: Time, guards: Guards) -> Time {
        let next = self.clock.map_or(now, |clock| now.max(clock + 1));
        let stamp = if guards.has(Guard::GrowingStamps) { next } else { now };
        self.clock = Some(stamp);
        stamp
    }

    /// `note_look`: what was noted before; none when a later pass has noted it already.
    pub(crate) fn note_look(&mut self, stamp: Time, guards: Guards) -> Option<SyncState> {
        let is_overtaken = self.state.last_pass_at.is_some_and(|last| last > stamp);
        if is_overtaken && guards.has(Guard::LastLookNeverBack) {
            return None;
        }
        let before = self.state;
        self.state.last_pass_at = Some(stamp);
        Some(before)
    }

    /// `is_current`
    pub(crate) fn is_current(&self, stamp: Time) -> bool {
        self.clock == Some(stamp)
    }

    /// `finish`: one transaction. `false` when the clock has moved on.
    pub(crate) fn finish(&mut self, checkpoint: &Checkpoint, guards: Guards) -> bool {
        if !self.is_current(checkpoint.stamp) && guards.has(Guard::CheckpointOnClock) {
            return false;
        }
        self.state.watermark = checkpoint.listed.map(|start| start.began_at).max(checkpoint.before.watermark);
        if let Some(start) = checkpoint.listed {
            self.state.listed_at = Some(start.stamp);
            self.state.listing_began_at = Some(start.began_at);
            self.state.words = start.words;
        }
        self.note_outcome(checkpoint.event, checkpoint.outcome);
        true
    }

    /// Has nobody ended the event yet?
    pub(crate) fn is_open(&self, event: u8) -> bool {
        let outcome = self.events.get(usize::from(event));
        outcome.is_some_and(|outcome| matches!(outcome, Outcome::Waiting | Outcome::Processing))
    }

    pub(crate) fn note_outcome(&mut self, event: u8, outcome: Outcome) {
        if let Some(event) = self.events.get_mut(usize::from(event)) {
            *event = outcome;
        }
    }
}
