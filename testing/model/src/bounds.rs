//! The bounds of a world: how large it is, and which events can happen in it.

use crate::belvo::Change;
use crate::queue::Plan;
use crate::time::{Tick, Time};

/// The time at tick 0. Items that are stored in the initial state have time 0.
const START: Time = 8;

/// An object in the initial state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialObject {
    /// Never existed.
    Absent,
    /// Exists, but is not stored.
    Unknown,
    /// Exists and is stored.
    Stored,
    /// Is stored, but Belvo has deleted it without a webhook.
    Dropped,
    /// Is a tombstone, but has come back without a webhook.
    Restored,
}

/// The bounds of a world. Each number is a maximum; the events happen at any time and in any order.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The objects that can exist, at most three, in their initial state.
    pub objects: &'static [InitialObject],
    /// Whether a whole listing has ended before. If not, no pass has begun yet.
    pub is_loaded: bool,
    /// The initial messages in the queue.
    pub queue: &'static [Plan],
    /// Changes at Belvo.
    pub changes: u8,
    /// The kinds of changes.
    pub kinds: &'static [Change],
    /// Whether Belvo changes only while no delivery is in progress.
    pub changes_between_deliveries: bool,
    /// Changes that Belvo never announces.
    pub losses: u8,
    /// Deletions that Belvo announces late, or a second time.
    pub late: u8,
    /// Deleted objects that Belvo's list still shows for some time.
    pub lags: u8,
    /// Requests for a whole listing without a change (`historical_update`, a reconciliation).
    pub extra_listings: u8,
    /// Listings and comparisons that stop early and send a continuation.
    pub continuations: u8,
    /// Repetitions of a listing whose list moved (2 in the product).
    pub relistings: u8,
    /// Deliveries that outlive their visibility timeout and continue as zombies.
    pub timeouts: u8,
    /// Deliveries that end early, by a crash or by an error of Belvo, DynamoDB or SQS.
    pub crashes: u8,
    /// Messages that move to the dead-letter queue. A redrive returns them at any time, in any order.
    pub dead_letters: u8,
    /// The clock skews of the hosts of the sync function. Each delivery runs on any of them.
    pub host_skews: &'static [Time],
    /// The clock skew of the host that receives webhooks.
    pub receiver_skew: Time,
    /// The margin in comparisons of two hosts' times.
    pub margin: Time,
    /// The duration of a tick.
    pub tick_duration: Time,
    /// Whether the table keeps the outcomes of events.
    pub outcomes: bool,
}

impl Bounds {
    /// A world with one stored object in which no event can happen.
    pub const BASE: Self = Self {
        objects: &[InitialObject::Stored],
        is_loaded: true,
        queue: &[],
        changes: 0,
        kinds: &[Change::Add, Change::Update, Change::Delete, Change::Restore],
        changes_between_deliveries: false,
        losses: 0,
        late: 0,
        lags: 0,
        extra_listings: 0,
        continuations: 0,
        relistings: 1,
        timeouts: 0,
        crashes: 0,
        dead_letters: 0,
        host_skews: &[0],
        receiver_skew: 0,
        margin: 1,
        tick_duration: 8,
        outcomes: false,
    };

    /// Returns the time at a tick, by a clock without skew.
    pub(crate) fn time(&self, tick: Tick) -> Time {
        START + Time::from(tick) * self.tick_duration
    }
}

/// The events that can still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) changes: u8,
    pub(crate) losses: u8,
    pub(crate) late: u8,
    pub(crate) lags: u8,
    pub(crate) extra_listings: u8,
    pub(crate) continuations: u8,
    pub(crate) timeouts: u8,
    pub(crate) crashes: u8,
    pub(crate) dead_letters: u8,
}

impl Budget {
    pub(crate) fn of(bounds: &Bounds) -> Self {
        let Bounds { changes, losses, late, lags, extra_listings, .. } = *bounds;
        let Bounds { continuations, timeouts, crashes, dead_letters, .. } = *bounds;
        Self { changes, losses, late, lags, extra_listings, continuations, timeouts, crashes, dead_letters }
    }
}
