//! What Belvo, the queue and misfortune do to a state.

use crate::belvo::{Change, Notice};
use crate::delivery::{Delivery, Phase, Who};
use crate::guards::Guard;
use crate::protocol::Protocol;
use crate::queue::Plan;
use crate::state::State;
use crate::step::Next;
use crate::time::Time;

impl State {
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
}
