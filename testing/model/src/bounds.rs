//! How large a world is searched, and what may happen in it.

use crate::belvo::Change;
use crate::queue::Plan;
use crate::time::Time;

/// When the first thing happens.
const START: Time = 8;

/// An object in the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initially {
    /// It has never existed.
    Absent,
    /// It exists, and nobody knows.
    Unknown,
    /// It exists, and is stored.
    Stored,
    /// It is stored, but Belvo has dropped it without a word.
    Dropped,
    /// It is there again without a word, after its deletion made it a tombstone.
    Restored,
}

/// A world and what may happen in it. Everything that is counted happens at most so often, at any moment, in any order.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The objects that can ever exist, at most three, as they are in the beginning. A page of a list holds one.
    pub objects: &'static [Initially],
    /// Has a whole listing ended before? Otherwise nobody has ever looked.
    pub is_loaded: bool,
    /// What waits in the queue in the beginning.
    pub queue: &'static [Plan],
    /// Changes at Belvo.
    pub changes: u8,
    /// What may change.
    pub kinds: &'static [Change],
    /// Does Belvo keep still while a message is worked on?
    pub keeps_still: bool,
    /// Changes that are never announced.
    pub losses: u8,
    /// Deletions that Belvo announces late, or once more, whenever it likes.
    pub late: u8,
    /// Deleted objects that Belvo's list goes on showing for a while.
    pub lags: u8,
    /// Announcements of a whole listing without any change (`historical_update`, a reconciliation).
    pub announcements: u8,
    /// Legs and comparisons that end early and go on in a message of their own.
    pub continuations: u8,
    /// How often a list that moved is listed again (2 in the product).
    pub relistings: u8,
    /// Deliveries that outlive their visibility timeout and go on as zombies.
    pub timeouts: u8,
    /// Deliveries that end before they are done: by a crash, or by a failure of Belvo, of DynamoDB or of SQS.
    pub crashes: u8,
    /// Messages that go to the dead-letter queue. From there they come back at any time, in any order.
    pub dead_letters: u8,
    /// By how much the clock of a host that syncs is ahead; each delivery is by any of these hosts.
    pub hosts: &'static [Time],
    /// By how much the clock of the host that receives webhooks is ahead.
    pub receiver: Time,
    /// The margin when times of two hosts are compared.
    pub margin: Time,
    /// How much time passes with each word from Belvo (a change, a late webhook).
    pub pace: Time,
    /// Are the outcomes of events kept track of?
    pub outcomes: bool,
}

impl Bounds {
    /// One object that is stored, and nothing that may happen.
    pub const STILL: Self = Self {
        objects: &[Initially::Stored],
        is_loaded: true,
        queue: &[],
        changes: 0,
        kinds: &[Change::Add, Change::Update, Change::Delete, Change::Restore],
        keeps_still: false,
        losses: 0,
        late: 0,
        lags: 0,
        announcements: 0,
        continuations: 0,
        relistings: 1,
        timeouts: 0,
        crashes: 0,
        dead_letters: 0,
        hosts: &[0],
        receiver: 0,
        margin: 1,
        pace: 8,
        outcomes: false,
    };

    /// What time it is when Belvo has said so many words. What stands in the table in the beginning is of time 0.
    pub(crate) fn time(&self, words: u8) -> Time {
        START + Time::from(words) * self.pace
    }
}

/// What is left of the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) changes: u8,
    pub(crate) losses: u8,
    pub(crate) late: u8,
    pub(crate) lags: u8,
    pub(crate) announcements: u8,
    pub(crate) continuations: u8,
    pub(crate) timeouts: u8,
    pub(crate) crashes: u8,
    pub(crate) dead_letters: u8,
}

impl Budget {
    pub(crate) fn of(bounds: &Bounds) -> Self {
        let Bounds { changes, losses, late, lags, announcements, .. } = *bounds;
        let Bounds { continuations, timeouts, crashes, dead_letters, .. } = *bounds;
        Self { changes, losses, late, lags, announcements, continuations, timeouts, crashes, dead_letters }
    }
}
