//! A state of the whole world, and what Belvo, the queue and misfortune do to it.

use crate::belvo::{Belvo, Truth};
use crate::bounds::{Bounds, Budget, Initially};
use crate::broken::Broken;
use crate::delivery::Delivery;
use crate::delivery::Who;
use crate::protocol::Protocol;
use crate::queue::{Message, Plan, Queue};
use crate::record::{Look, Record, Stands};
use crate::table::{Outcome, SyncState, Table};
use crate::time::Time;

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub(crate) belvo: Belvo,
    pub(crate) table: Table,
    pub(crate) queue: Queue,
    /// The delivery that the queue knows of: of the first message.
    pub(crate) current: Option<Delivery>,
    /// Deliveries that the queue has given up, and that go on all the same.
    pub(crate) zombies: Vec<Delivery>,
    pub(crate) left: Budget,
    /// How many words Belvo has said: changes, and webhooks that came late. Time passes with them.
    pub(crate) words: u8,
    /// How many they were when the last finished whole listing began, the newest of them.
    pub(crate) listed: Option<u8>,
    /// How many they were at Belvo's last change.
    pub(crate) changed: u8,
    /// A promise that was broken on the way here.
    pub(crate) broken: Option<Broken>,
}

impl State {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        let mut state = Self {
            belvo: Belvo::default(),
            table: Table::default(),
            queue: Queue::default(),
            current: None,
            zombies: Vec::new(),
            left: Budget::of(bounds),
            words: 0,
            listed: None,
            changed: 0,
            broken: None,
        };
        for (id, initially) in (0..).zip(bounds.objects) {
            (*state.belvo.object_mut(id), *state.table.record_mut(id)) = begin(*initially);
        }
        let is_known = bounds.objects.iter().all(|object| matches!(object, Initially::Absent | Initially::Stored));
        state.listed = (bounds.is_loaded && is_known).then_some(0);
        if bounds.is_loaded {
            let then = Some(0);
            state.table.clock = then;
            state.table.state =
                SyncState { last_pass_at: then, watermark: then, listed_at: then, listing_began_at: then, words: 0 };
        }
        for plan in bounds.queue {
            let message = state.message(bounds, *plan, 0);
            state.queue.waiting.push(message);
        }
        state
    }

    /// What time it is, by a clock that is right.
    pub(crate) fn time(&self, protocol: &Protocol) -> Time {
        protocol.bounds.time(self.words)
    }

    pub(crate) fn note(&mut self, broken: Option<Broken>) {
        self.broken = self.broken.or(broken);
    }

    /// Nothing is under way, and nothing waits.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.current.is_none() && self.zombies.is_empty() && self.queue.is_empty()
    }

    pub(crate) fn delivery(&self, who: Who) -> Option<&Delivery> {
        match who {
            Who::Current => self.current.as_ref(),
            Who::Zombie(which) => self.zombies.get(which),
        }
    }

    /// The event item of a message that is about to be sent.
    pub(crate) fn new_event(&mut self, bounds: &Bounds) -> u8 {
        if bounds.outcomes {
            self.table.events.push(Outcome::Waiting);
        }
        u8::try_from(self.table.events.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }

    pub(crate) fn take(&mut self, who: Who) -> Option<Delivery> {
        match who {
            Who::Current => self.current.take(),
            Who::Zombie(which) => Some(self.zombies.remove(which)),
        }
    }

    pub(crate) fn add_zombie(&mut self, delivery: Delivery) {
        self.zombies.push(delivery);
    }

    pub(crate) fn unsettle(&mut self, id: u8) {
        self.queue.unsettle(id);
        for delivery in self.current.iter_mut().chain(&mut self.zombies) {
            delivery.unsettle(id);
        }
    }

    pub(crate) fn message(&mut self, bounds: &Bounds, plan: Plan, age: u8) -> Message {
        let received_at = bounds.time(self.words) + bounds.receiver;
        Message { plan, received_at, event: self.new_event(bounds), progress: None, words: self.words, age }
    }
}

/// An object at Belvo and in the table.
fn begin(initially: Initially) -> (Truth, Record) {
    let gone = Truth { age: 1, absent_at: 1, ..Truth::default() };
    let present = Truth { is_present: true, ..Truth::default() };
    let live = Record { stands: Stands::Live { content: 0, is_missing: false }, ..Record::default() };
    let look = Look { age: 1, ..Look::default() };
    let tombstone = Record { stands: Stands::Tombstone, stored: look, look, ..Record::default() };
    match initially {
        Initially::Absent => (Truth::default(), Record::default()),
        Initially::Unknown => (present, Record::default()),
        Initially::Stored => (present, live),
        Initially::Dropped => (gone, live),
        Initially::Restored => (Truth { is_present: true, age: 2, ..gone }, tombstone),
    }
}
