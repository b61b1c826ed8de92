//! A state of the whole world, and what Belvo, the queue and misfortune do to it.

use crate::belvo::{Belvo, Change, Notice, Truth};
use crate::bounds::{Bounds, Budget, Initially, Time};
use crate::delivery::{Delivery, Phase};
use crate::guards::Guard;
use crate::properties::Broken;
use crate::protocol::{Protocol, Who};
use crate::queue::{Message, Plan, Queue};
use crate::record::{Look, Record, Stands};
use crate::step::Next;
use crate::table::{Outcome, SyncState, Table};

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

    pub(crate) fn change(&mut self, protocol: &Protocol, id: u8, change: Change, notice: Notice, lags: bool) {
        self.left.changes -= 1;
        self.left.losses -= u8::from(notice == Notice::Never);
        self.left.late -= u8::from(matches!(notice, Notice::Late | Notice::Twice));
        self.left.lags -= u8::from(lags);
        self.words += 1;
        self.changed = self.words;
        self.listed = None;
        let was_listed = self.belvo.object(id).is_listed();
        self.belvo.object_mut(id).apply(change, notice, lags);
        let truth = self.belvo.object(id);
        if truth.is_listed() != was_listed {
            self.unsettle(id);
        }
        let plan = match change {
            Change::Add | Change::Restore => Plan::List,
            Change::Update => Plan::Get(id),
            Change::Delete => Plan::Delete(id),
        };
        if matches!(notice, Notice::Once | Notice::Twice) {
            let message = self.message(&protocol.bounds, plan, truth.age);
            self.queue.waiting.push(message);
        }
        if matches!(notice, Notice::Late | Notice::Twice) {
            let message = self.message(&protocol.bounds, plan, truth.age);
            self.queue.late.push(message);
        }
    }

    /// Belvo's list stops showing what is gone.
    pub(crate) fn catch_up(&mut self, id: u8) {
        self.words += 1;
        self.changed = self.words;
        self.listed = None;
        self.belvo.object_mut(id).lags = false;
        self.unsettle(id);
    }

    pub(crate) fn announce(&mut self, protocol: &Protocol) {
        self.left.announcements -= 1;
        let message = self.message(&protocol.bounds, Plan::List, 0);
        self.queue.waiting.push(message);
    }

    /// A webhook that was late is received.
    pub(crate) fn receive_late(&mut self, protocol: &Protocol, which: usize) {
        self.words += 1;
        let late = self.queue.late.remove(which);
        let message = self.message(&protocol.bounds, late.plan, late.age);
        self.queue.waiting.push(message);
    }

    pub(crate) fn deliver(&mut self, protocol: &Protocol, host: Time) {
        let message = self.queue.waiting[0];
        if !protocol.guards.has(Guard::AcknowledgeLast) {
            self.queue.waiting.remove(0);
        }
        self.current = Some(Delivery::new(message, host));
    }

    pub(crate) fn take_step(&mut self, protocol: &Protocol, who: Who) {
        let Some(delivery) = self.take(who) else { return };
        match (self.step(protocol, delivery), who) {
            (Next::On(delivery), Who::Current) => self.current = Some(delivery),
            // What a zombie would acknowledge, the queue has already handed to another: its receipt is worth nothing.
            (Next::On(delivery), Who::Zombie(_)) if delivery.phase == Phase::Acknowledge => {}
            (Next::On(delivery), Who::Zombie(_)) => self.add_zombie(delivery),
            (Next::Done, Who::Current) if protocol.guards.has(Guard::AcknowledgeLast) => {
                self.queue.waiting.remove(0);
            }
            (Next::Done | Next::Back, _) => {}
        }
    }

    /// A delivery ends before it is done.
    pub(crate) fn crash(&mut self, who: Who) {
        self.left.crashes -= u8::from(who == Who::Current);
        self.take(who);
    }

    /// The queue gives the current delivery up, and it goes on all the same.
    pub(crate) fn time_out(&mut self) {
        self.left.timeouts -= 1;
        if let Some(delivery) = self.current.take() {
            self.add_zombie(delivery);
        }
    }

    pub(crate) fn stop(&mut self, who: Who) {
        self.left.continuations -= 1;
        let Some(mut delivery) = self.take(who) else { return };
        if let Some(rest) = delivery.can_stop() {
            delivery.stop(rest);
        }
        match who {
            Who::Current => self.current = Some(delivery),
            Who::Zombie(_) => self.add_zombie(delivery),
        }
    }

    pub(crate) fn give_up(&mut self) {
        self.left.dead_letters -= 1;
        let message = self.queue.waiting.remove(0);
        self.queue.dead.push(message);
    }

    pub(crate) fn redrive(&mut self, which: usize) {
        let message = self.queue.dead.remove(which);
        self.queue.waiting.push(message);
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

    fn take(&mut self, who: Who) -> Option<Delivery> {
        match who {
            Who::Current => self.current.take(),
            Who::Zombie(which) => Some(self.zombies.remove(which)),
        }
    }

    fn add_zombie(&mut self, delivery: Delivery) {
        self.zombies.push(delivery);
    }

    fn unsettle(&mut self, id: u8) {
        self.queue.unsettle(id);
        for delivery in self.current.iter_mut().chain(&mut self.zombies) {
            delivery.unsettle(id);
        }
    }

    fn message(&mut self, bounds: &Bounds, plan: Plan, age: u8) -> Message {
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
