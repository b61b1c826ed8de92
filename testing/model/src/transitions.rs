//! The model as stateright sees it: states, actions, properties.

use stateright::{Model, Property};

use crate::belvo::{Change, Notice};
use crate::delivery::Who;
use crate::protocol::Protocol;
use crate::state::State;
use crate::time::Time;
use crate::{properties, reached};

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Something changes at Belvo.
    Change {
        /// The object.
        id: u8,
        /// How.
        change: Change,
        /// And how it is announced.
        notice: Notice,
        /// Do lists go on showing it?
        lags: bool,
    },
    /// Belvo's lists stop showing a deleted object.
    CatchUp(u8),
    /// A whole listing is asked for, though nothing has changed.
    Announce,
    /// A late webhook is received.
    ReceiveLate(usize),
    /// The first message is delivered, to a host whose clock is so far ahead.
    Deliver(Time),
    /// A delivery makes its next call.
    Step(Who),
    /// A delivery leaves the rest to a message of its own.
    Stop(Who),
    /// A delivery ends before it is done.
    Crash(Who),
    /// The queue gives up the current delivery, which goes on.
    TimeOut,
    /// The first message goes to the dead-letter queue.
    GiveUp,
    /// A dead letter goes back into the queue.
    Redrive(usize),
}

impl Protocol {
    fn changes(&self, state: &State, actions: &mut Vec<Action>) {
        let is_worked_on = state.current.is_some() || !state.zombies.is_empty();
        if state.left.changes == 0 || (self.bounds.keeps_still && is_worked_on) {
            return;
        }
        for id in 0..self.objects() {
            let truth = state.belvo.object(id);
            for change in self.bounds.kinds.iter().copied().filter(|change| truth.allows(*change)) {
                let mut add = |notice, lags| actions.push(Action::Change { id, change, notice, lags });
                add(Notice::Once, false);
                if state.left.losses > 0 {
                    add(Notice::Never, false);
                }
                if change == Change::Delete && state.left.lags > 0 {
                    add(Notice::Once, true);
                }
                if change == Change::Delete && state.left.late > 0 {
                    add(Notice::Late, false);
                    add(Notice::Twice, false);
                }
            }
        }
    }

    fn steps(state: &State, who: Who, actions: &mut Vec<Action>) {
        let Some(delivery) = state.delivery(who) else { return };
        actions.push(Action::Step(who));
        if state.left.continuations > 0 && delivery.can_stop().is_some() {
            actions.push(Action::Stop(who));
        }
        // That a zombie ends some time is no fault.
        if who != Who::Current || state.left.crashes > 0 {
            actions.push(Action::Crash(who));
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
        let lagging = (0..self.objects()).filter(|id| state.belvo.object(*id).lags);
        actions.extend(lagging.map(Action::CatchUp));
        if state.left.announcements > 0 {
            actions.push(Action::Announce);
        }
        actions.extend((0..state.queue.late.len()).map(Action::ReceiveLate));
        actions.extend((0..state.queue.dead.len()).map(Action::Redrive));
        if state.current.is_some() {
            Self::steps(state, Who::Current, actions);
            if state.left.timeouts > 0 {
                actions.push(Action::TimeOut);
            }
        } else if !state.queue.waiting.is_empty() {
            actions.extend(self.bounds.hosts.iter().copied().map(Action::Deliver));
            if state.left.dead_letters > 0 {
                actions.push(Action::GiveUp);
            }
        }
        for which in 0..state.zombies.len() {
            Self::steps(state, Who::Zombie(which), actions);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Change { id, change, notice, lags } => state.change(self, id, change, notice, lags),
            Action::CatchUp(id) => state.catch_up(id),
            Action::Announce => state.announce(self),
            Action::ReceiveLate(which) => state.receive_late(self, which),
            Action::Deliver(host) => state.deliver(self, host),
            Action::Step(who) => state.take_step(self, who),
            Action::Stop(who) => state.stop(who),
            Action::Crash(who) => state.crash(who),
            Action::TimeOut => state.time_out(),
            Action::GiveUp => state.give_up(),
            Action::Redrive(which) => state.redrive(which),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = properties::promises();
        properties.extend(reached::all());
        properties
    }
}
