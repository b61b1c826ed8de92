//! The events outside the sync function: changes at Belvo, webhooks, deliveries, crashes, timeouts and redrives.

use crate::belvo::{Announcement, Change};
use crate::delivery::{Delivery, DeliveryId, Phase};
use crate::guards::Guard;
use crate::protocol::Protocol;
use crate::queue::Plan;
use crate::state::State;
use crate::step::StepResult;
use crate::time::Time;

impl State {
    /// Changes an object at Belvo and announces the change.
    pub(crate) fn change(
        &mut self,
        protocol: &Protocol,
        id: u8,
        change: Change,
        announcement: Announcement,
        lags: bool,
    ) {
        self.budget.changes -= 1;
        self.budget.losses -= u8::from(announcement == Announcement::Never);
        self.budget.late -= u8::from(matches!(announcement, Announcement::Late | Announcement::Twice));
        self.budget.lags -= u8::from(lags);
        self.record_change();

        let was_listed = self.belvo.object(id).is_listed();
        self.belvo.object_mut(id).apply(change, announcement, lags);
        let truth = self.belvo.object(id);
        if truth.is_listed() != was_listed {
            self.mark_unstable(id);
        }

        let plan = match change {
            Change::Add | Change::Restore => Plan::List,
            Change::Update => Plan::Get(id),
            Change::Delete => Plan::Delete(id),
        };
        if matches!(announcement, Announcement::Once | Announcement::Twice) {
            let message = self.message(&protocol.bounds, plan, truth.age);
            self.queue.waiting.push(message);
        }
        if matches!(announcement, Announcement::Late | Announcement::Twice) {
            let message = self.message(&protocol.bounds, plan, truth.age);
            self.queue.late.push(message);
        }
    }

    /// Removes a deleted object from a list that lagged behind.
    pub(crate) fn catch_up(&mut self, id: u8) {
        self.record_change();
        self.belvo.object_mut(id).lags = false;
        self.mark_unstable(id);
    }

    fn record_change(&mut self) {
        self.tick += 1;
        self.changed_at = self.tick;
        self.listed_at = None;
    }

    /// Receives a request for a whole listing.
    pub(crate) fn request_listing(&mut self, protocol: &Protocol) {
        self.budget.extra_listings -= 1;
        let message = self.message(&protocol.bounds, Plan::List, 0);
        self.queue.waiting.push(message);
    }

    /// Receives a late webhook.
    pub(crate) fn receive_late(&mut self, protocol: &Protocol, index: usize) {
        self.tick += 1;
        let late = self.queue.late.remove(index);
        let message = self.message(&protocol.bounds, late.plan, late.age);
        self.queue.waiting.push(message);
    }

    /// Delivers the first message.
    pub(crate) fn deliver(&mut self, protocol: &Protocol, skew: Time) {
        let message = self.queue.waiting[0];
        if !protocol.guards.has(Guard::AcknowledgeLast) {
            self.queue.waiting.remove(0);
        }
        self.current = Some(Delivery::new(message, skew));
    }

    /// Makes the next call of a delivery.
    pub(crate) fn advance(&mut self, protocol: &Protocol, id: DeliveryId) {
        let Some(delivery) = self.take(id) else { return };
        match (self.step(protocol, delivery), id) {
            (StepResult::Continue(delivery), DeliveryId::Current) => self.current = Some(delivery),
            // The queue ignores the acknowledgement of a zombie: its receipt handle has expired.
            (StepResult::Continue(delivery), DeliveryId::Zombie(_)) if delivery.phase == Phase::Acknowledge => {}
            (StepResult::Continue(delivery), DeliveryId::Zombie(_)) => self.zombies.push(delivery),
            (StepResult::Acknowledged, DeliveryId::Current) if protocol.guards.has(Guard::AcknowledgeLast) => {
                self.queue.waiting.remove(0);
            }
            (StepResult::Acknowledged | StepResult::Returned, _) => {}
        }
    }

    /// Ends a delivery early.
    pub(crate) fn crash(&mut self, id: DeliveryId) {
        self.budget.crashes -= u8::from(id == DeliveryId::Current);
        self.take(id);
    }

    /// Makes the current delivery a zombie: its visibility timeout has passed, and it continues.
    pub(crate) fn time_out(&mut self) {
        self.budget.timeouts -= 1;
        self.zombies.extend(self.current.take());
    }

    /// Stops a delivery early. It leaves the rest to a continuation.
    pub(crate) fn stop(&mut self, id: DeliveryId) {
        self.budget.continuations -= 1;
        let Some(mut delivery) = self.take(id) else { return };
        if let Some(continuation) = delivery.can_stop() {
            delivery.stop(continuation);
        }
        match id {
            DeliveryId::Current => self.current = Some(delivery),
            DeliveryId::Zombie(_) => self.zombies.push(delivery),
        }
    }

    /// Moves the first message to the dead-letter queue.
    pub(crate) fn dead_letter(&mut self) {
        self.budget.dead_letters -= 1;
        let message = self.queue.waiting.remove(0);
        self.queue.dead.push(message);
    }

    /// Returns a message from the dead-letter queue to the queue.
    pub(crate) fn redrive(&mut self, index: usize) {
        let message = self.queue.dead.remove(index);
        self.queue.waiting.push(message);
    }
}
