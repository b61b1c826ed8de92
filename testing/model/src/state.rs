//! A state of the world: Belvo, the table, the queue, and the deliveries in progress.

use crate::belvo::{Belvo, Truth};
use crate::bounds::{Bounds, Budget, InitialObject};
use crate::delivery::{Delivery, DeliveryId};
use crate::protocol::Protocol;
use crate::queue::{Message, Plan, Queue};
use crate::record::{Item, ObjectRead, Record};
use crate::table::{Outcome, SyncState, Table};
use crate::time::{Tick, Time};
use crate::violation::Violation;

/// A state of the world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub(crate) belvo: Belvo,
    pub(crate) table: Table,
    pub(crate) queue: Queue,
    /// The delivery of the first message, within its visibility timeout.
    pub(crate) current: Option<Delivery>,
    /// Deliveries that outlived their visibility timeout and continue.
    pub(crate) zombies: Vec<Delivery>,
    pub(crate) budget: Budget,
    pub(crate) tick: Tick,
    /// The tick at which the newest finished whole listing began. `None` if Belvo has changed since that listing ended.
    pub(crate) listed_at: Option<Tick>,
    /// The tick of Belvo's last change.
    pub(crate) changed_at: Tick,
    /// The first violation on the path to this state.
    pub(crate) violation: Option<Violation>,
}

impl State {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        let mut state = Self {
            belvo: Belvo::default(),
            table: Table::default(),
            queue: Queue::default(),
            current: None,
            zombies: Vec::new(),
            budget: Budget::of(bounds),
            tick: 0,
            listed_at: None,
            changed_at: 0,
            violation: None,
        };

        for (id, object) in (0..).zip(bounds.objects) {
            (*state.belvo.object_mut(id), *state.table.record_mut(id)) = initial(*object);
        }
        if bounds.is_loaded {
            let is_converged =
                bounds.objects.iter().all(|object| matches!(object, InitialObject::Absent | InitialObject::Stored));
            state.listed_at = is_converged.then_some(0);
            state.table.clock = Some(0);
            let [last_pass_at, watermark, listed_at, listing_began_at] = [Some(0); 4];
            state.table.state = SyncState { last_pass_at, watermark, listed_at, listing_began_at, tick: 0 };
        }
        for plan in bounds.queue {
            let message = state.message(bounds, *plan, 0);
            state.queue.waiting.push(message);
        }
        state
    }

    /// Returns the time, by a clock without skew.
    pub(crate) fn time(&self, protocol: &Protocol) -> Time {
        protocol.bounds.time(self.tick)
    }

    pub(crate) fn record_violation(&mut self, violation: Option<Violation>) {
        self.violation = self.violation.or(violation);
    }

    /// Returns `true` if no delivery is in progress and no message waits, is dead, or is late.
    pub(crate) fn is_quiescent(&self) -> bool {
        self.current.is_none() && self.zombies.is_empty() && self.queue.is_empty()
    }

    pub(crate) fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.current.iter().chain(&self.zombies)
    }

    pub(crate) fn delivery(&self, id: DeliveryId) -> Option<&Delivery> {
        match id {
            DeliveryId::Current => self.current.as_ref(),
            DeliveryId::Zombie(index) => self.zombies.get(index),
        }
    }

    pub(crate) fn take(&mut self, id: DeliveryId) -> Option<Delivery> {
        match id {
            DeliveryId::Current => self.current.take(),
            DeliveryId::Zombie(index) => Some(self.zombies.remove(index)),
        }
    }

    /// Returns the event item of a new message.
    pub(crate) fn new_event(&mut self, bounds: &Bounds) -> u8 {
        if bounds.outcomes {
            self.table.events.push(Outcome::Waiting);
        }
        u8::try_from(self.table.events.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }

    /// Returns a message that is received now.
    pub(crate) fn message(&mut self, bounds: &Bounds, plan: Plan, age: u8) -> Message {
        let received_at = bounds.time(self.tick) + bounds.receiver_skew;
        Message { plan, received_at, event: self.new_event(bounds), progress: None, tick: self.tick, age }
    }

    /// Records in every listing that an object is listed from now on, or no longer.
    pub(crate) fn mark_unstable(&mut self, id: u8) {
        self.queue.mark_unstable(id);
        for delivery in self.current.iter_mut().chain(&mut self.zombies) {
            delivery.mark_unstable(id);
        }
    }
}

/// Returns the initial state of an object at Belvo and of its record.
fn initial(object: InitialObject) -> (Truth, Record) {
    let gone = Truth { age: 1, absent_at: 1, ..Truth::default() };
    let present = Truth { is_present: true, ..Truth::default() };
    let live = Record { item: Item::Live { content: 0, is_missing: false }, ..Record::default() };
    let read = ObjectRead { age: 1, ..ObjectRead::default() };
    let tombstone = Record { item: Item::Tombstone, stored_read: read, newest_read: read, ..Record::default() };
    match object {
        InitialObject::Absent => (Truth::default(), Record::default()),
        InitialObject::Unknown => (present, Record::default()),
        InitialObject::Stored => (present, live),
        InitialObject::Dropped => (gone, live),
        InitialObject::Restored => (Truth { is_present: true, age: 2, ..gone }, tombstone),
    }
}
