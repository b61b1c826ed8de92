//! The transitions between states, as stateright searches them.

use stateright::{Model, Property};

use crate::belvo::{Announcement, Change};
use crate::delivery::DeliveryId;
use crate::protocol::Protocol;
use crate::state::State;
use crate::time::Time;
use crate::{limits, properties, reachability};

/// A transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// An object changes at Belvo.
    Change {
        /// The object.
        id: u8,
        /// The kind of the change.
        change: Change,
        /// How Belvo announces it.
        announcement: Announcement,
        /// Whether lists still show the object.
        lags: bool,
    },
    /// Belvo's lists stop showing a deleted object.
    CatchUp(u8),
    /// The webhook function receives a request for a whole listing.
    RequestListing,
    /// The webhook function receives a late webhook.
    ReceiveLate(usize),
    /// The queue delivers the first message to a host with this clock skew.
    Deliver(Time),
    /// A delivery makes its next call.
    Step(DeliveryId),
    /// A delivery stops early and leaves the rest to a continuation.
    Stop(DeliveryId),
    /// A delivery ends early.
    Crash(DeliveryId),
    /// The visibility timeout of the current delivery passes. The delivery continues.
    TimeOut,
    /// The first message moves to the dead-letter queue.
    DeadLetter,
    /// A dead letter returns to the queue.
    Redrive(usize),
}

impl Protocol {
    fn changes(&self, state: &State, actions: &mut Vec<Action>) {
        let has_delivery = state.current.is_some() || !state.zombies.is_empty();
        if state.budget.changes == 0 || (self.bounds.changes_between_deliveries && has_delivery) {
            return;
        }
        for id in self.ids() {
            let truth = state.belvo.object(id);
            for change in self.bounds.kinds.iter().copied().filter(|change| truth.allows(*change)) {
                let mut add = |announcement, lags| actions.push(Action::Change { id, change, announcement, lags });
                add(Announcement::Once, false);
                if state.budget.losses > 0 {
                    add(Announcement::Never, false);
                }
                if change == Change::Delete && state.budget.lags > 0 {
                    add(Announcement::Once, true);
                }
                if change == Change::Delete && state.budget.late > 0 {
                    add(Announcement::Late, false);
                    add(Announcement::Twice, false);
                }
            }
        }
    }

    fn steps(state: &State, id: DeliveryId, actions: &mut Vec<Action>) {
        let Some(delivery) = state.delivery(id) else { return };
        actions.push(Action::Step(id));
        if state.budget.continuations > 0 && delivery.can_stop().is_some() {
            actions.push(Action::Stop(id));
        }
        // The end of a zombie does not count as a crash.
        if id != DeliveryId::Current || state.budget.crashes > 0 {
            actions.push(Action::Crash(id));
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(&self.bounds)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.changes(state, actions);
        let lagging = self.ids().filter(|id| state.belvo.object(*id).lags);
        actions.extend(lagging.map(Action::CatchUp));
        if state.budget.extra_listings > 0 {
            actions.push(Action::RequestListing);
        }
        actions.extend((0..state.queue.late.len()).map(Action::ReceiveLate));
        actions.extend((0..state.queue.dead.len()).map(Action::Redrive));

        if state.current.is_some() {
            Self::steps(state, DeliveryId::Current, actions);
            if state.budget.timeouts > 0 {
                actions.push(Action::TimeOut);
            }
        } else if !state.queue.waiting.is_empty() {
            actions.extend(self.bounds.host_skews.iter().copied().map(Action::Deliver));
            if state.budget.dead_letters > 0 {
                actions.push(Action::DeadLetter);
            }
        }
        for index in 0..state.zombies.len() {
            Self::steps(state, DeliveryId::Zombie(index), actions);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Change { id, change, announcement, lags } => state.change(self, id, change, announcement, lags),
            Action::CatchUp(id) => state.catch_up(id),
            Action::RequestListing => state.request_listing(self),
            Action::ReceiveLate(index) => state.receive_late(self, index),
            Action::Deliver(skew) => state.deliver(self, skew),
            Action::Step(id) => state.advance(self, id),
            Action::Stop(id) => state.stop(id),
            Action::Crash(id) => state.crash(id),
            Action::TimeOut => state.time_out(),
            Action::DeadLetter => state.dead_letter(),
            Action::Redrive(index) => state.redrive(index),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        [properties::promises(), reachability::all(), limits::all()].into_iter().flatten().collect()
    }
}
