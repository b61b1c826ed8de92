//! One call of a delivery. A crash, a timeout or anything else may come between any two of them.

use crate::broken::Broken;
use crate::delivery::{Call, Delivery, Kind, Phase, Task, Wanted};
use crate::guards::Guard;
use crate::protocol::Protocol;
use crate::queue::Message;
use crate::record::{Upsert, Write};
use crate::state::State;
use crate::table::{Checkpoint, Outcome};

/// Where a call leaves a delivery.
pub(crate) enum Next {
    /// There is another one.
    On(Delivery),
    /// The message goes back to the queue.
    Back,
    /// It is acknowledged.
    Done,
}

impl State {
    pub(crate) fn step(&mut self, protocol: &Protocol, mut delivery: Delivery) -> Next {
        let phase = delivery.phase;
        let on = match phase {
            Phase::Begin => self.begin(protocol, &mut delivery),
            Phase::TakeStamp => self.take_stamp(protocol, &mut delivery),
            Phase::NoteLook => self.note_look(protocol, &mut delivery),
            Phase::ReadState => self.read_state(protocol, &mut delivery),
            Phase::ReadPage(page) => self.read_page(protocol, &mut delivery, page),
            Phase::Ask(id) => self.ask(protocol, &mut delivery, id),
            Phase::Compare(id) => self.compare(protocol, &mut delivery, id),
            Phase::Fence(call) => self.fence(protocol, &mut delivery, call),
            Phase::Write(wanted, write) => self.write(protocol, &mut delivery, wanted, write),
            Phase::Revive { id, content, seen, write } => {
                let broken = self.table.record_mut(id).revive(content, seen, write, protocol.guards);
                self.note(broken);
                proceed(protocol, &mut delivery, id);
                true
            }
            Phase::Send => self.send_rest(protocol, &mut delivery),
            Phase::Finish => self.finish(protocol, &mut delivery),
            Phase::Acknowledge => return Next::Done,
        };
        if on { Next::On(delivery) } else { Next::Back }
    }

    fn begin(&mut self, protocol: &Protocol, delivery: &mut Delivery) -> bool {
        if !protocol.guards.has(Guard::EndedStaysEnded) || self.table.is_open(delivery.message.event) {
            self.table.note_outcome(delivery.message.event, Outcome::Processing);
        }
        let is_covered = match delivery.task {
            Task::List | Task::Get(_) => self.is_covered(protocol, delivery),
            Task::Compare => !protocol.guards.has(Guard::StampBeforeComparing) && self.was_listed_since(delivery),
            Task::Recheck | Task::Delete(_) => false,
        };
        delivery.phase = match delivery.task {
            _ if is_covered => self.end_covered(delivery),
            Task::Delete(_) if !protocol.guards.has(Guard::StampBeforeLastLook) => Phase::ReadState,
            _ => Phase::TakeStamp,
        };
        true
    }

    fn is_covered(&mut self, protocol: &Protocol, delivery: &Delivery) -> bool {
        let state = self.table.state;
        let by_beginning = protocol.guards.has(Guard::CoveredByBeginning);
        let began_at = if by_beginning { state.listing_began_at } else { state.listed_at };
        let is_covered = began_at.is_some_and(|began_at| delivery.message.received_at + protocol.margin() < began_at);
        if is_covered && delivery.message.words > state.words {
            self.note(Some(Broken::CoveredTooSoon));
        }
        is_covered
    }

    /// Has a whole listing ended that began after the one whose comparison goes on?
    fn was_listed_since(&self, delivery: &Delivery) -> bool {
        let began = delivery.message.progress.map(|progress| progress.start.stamp);
        self.table.state.listed_at > began
    }

    fn end_covered(&mut self, delivery: &Delivery) -> Phase {
        self.table.note_outcome(delivery.message.event, Outcome::Covered);
        Phase::Acknowledge
    }

    fn take_stamp(&mut self, protocol: &Protocol, delivery: &mut Delivery) -> bool {
        let asks_on = delivery.task == Task::Recheck;
        if asks_on && protocol.guards.has(Guard::AskOnlyIfNewest) && !self.table.is_current(delivery.stamp) {
            return false;
        }
        let now = self.time(protocol) + delivery.host;
        delivery.stamp = self.table.take_stamp(now, protocol.guards);
        delivery.began_at = now;
        delivery.words = self.words;
        delivery.phase = match delivery.task {
            Task::Delete(id) if !protocol.guards.has(Guard::StampBeforeLastLook) => decide(protocol, delivery, id),
            Task::Delete(_) | Task::Compare => Phase::ReadState,
            Task::List | Task::Recheck | Task::Get(_) => Phase::NoteLook,
        };
        true
    }

    fn note_look(&mut self, protocol: &Protocol, delivery: &mut Delivery) -> bool {
        let Some(before) = self.table.note_look(delivery.stamp, protocol.guards) else { return false };
        delivery.before = before;
        delivery.phase = match delivery.task {
            Task::List => delivery.begin_listing(protocol),
            Task::Recheck => delivery.first_buried().map_or(Phase::Finish, Phase::Ask),
            Task::Get(id) | Task::Delete(id) => Phase::Ask(id),
            Task::Compare => Phase::Finish,
        };
        true
    }

    fn read_state(&mut self, protocol: &Protocol, delivery: &mut Delivery) -> bool {
        delivery.before = self.table.state;
        let checks_late = protocol.guards.has(Guard::StampBeforeComparing);
        delivery.phase = match delivery.task {
            Task::Delete(_) if !protocol.guards.has(Guard::StampBeforeLastLook) => Phase::TakeStamp,
            Task::Delete(id) => decide(protocol, delivery, id),
            _ if checks_late && self.was_listed_since(delivery) => self.end_covered(delivery),
            _ => delivery.go_on_comparing(),
        };
        true
    }

    fn ask(&mut self, protocol: &Protocol, delivery: &mut Delivery, id: u8) -> bool {
        let truth = self.belvo.object(id);
        let (content, age) = (truth.content, truth.age);
        delivery.phase = Phase::Fence(if truth.is_present {
            Call::after_seeing(self.table.record(id), id, content, age, true, protocol.guards)
        } else {
            Call::Write(Wanted { id, age, kind: Kind::Bury { is_asked: true } })
        });
        true
    }

    fn fence(&mut self, protocol: &Protocol, delivery: &mut Delivery, call: Call) -> bool {
        let in_time = self.table.is_current(delivery.stamp);
        if !in_time && protocol.guards.has(Guard::Fence) {
            return false;
        }
        match call {
            Call::Nothing => proceed(protocol, delivery, 0),
            Call::Unchanged { id, age, stands } => {
                let agrees = self.table.record(id).stands == stands;
                self.table.record_mut(id).look(delivery.look(age), agrees);
                proceed(protocol, delivery, id);
            }
            Call::Write(wanted) => {
                delivery.phase = Phase::Write(wanted, Write { look: delivery.look(wanted.age), in_time });
            }
        }
        true
    }

    fn write(&mut self, protocol: &Protocol, delivery: &mut Delivery, wanted: Wanted, write: Write) -> bool {
        let guards = protocol.guards;
        let record = self.table.record_mut(wanted.id);
        let broken = match wanted.kind {
            Kind::Upsert { content } => {
                let by_id = delivery.task != Task::List;
                match record.upsert(content, write, by_id, guards) {
                    Upsert::Written(broken) => broken,
                    Upsert::Stale => None,
                    Upsert::Buried { seen } if by_id => {
                        if seen < write.look.stamp || !guards.has(Guard::ReviveOnlyOlder) {
                            delivery.phase = Phase::Revive { id: wanted.id, content, seen, write };
                            return true;
                        }
                        None
                    }
                    Upsert::Buried { .. } => {
                        delivery.meet_tombstone(protocol, wanted.id);
                        None
                    }
                }
            }
            Kind::Bury { is_asked } => record.bury(write, (!is_asked).then_some(delivery.message.words), guards),
            Kind::Mark => {
                let listing = delivery.listing.map_or(delivery.stamp, |listing| listing.start.stamp);
                record.mark_missing(listing, write, delivery.task == Task::Compare, guards)
            }
        };
        self.note(broken);
        proceed(protocol, delivery, wanted.id);
        true
    }

    fn send_rest(&mut self, protocol: &Protocol, delivery: &mut Delivery) -> bool {
        if let Some((listing, rest)) = delivery.listing.and_then(|listing| Some((listing, listing.rest?))) {
            let event = self.new_event(&protocol.bounds);
            let progress = Some(listing.progress(rest));
            self.queue.waiting.push(Message { event, progress, ..delivery.message });
        }
        delivery.phase = Phase::Finish;
        true
    }

    fn finish(&mut self, protocol: &Protocol, delivery: &mut Delivery) -> bool {
        let listing = delivery.listing;
        let listed = listing.filter(|listing| listing.is_whole);
        let checkpoint = Checkpoint {
            stamp: delivery.stamp,
            before: delivery.before,
            listed: listed.map(|listing| listing.start),
            event: delivery.message.event,
            outcome: listing.and_then(|listing| listing.rest).map_or(Outcome::Applied, |_| Outcome::Continued),
        };
        let watermark = self.table.state.watermark;
        if !self.table.finish(&checkpoint, protocol.guards) {
            return false;
        }
        if self.table.state.watermark < watermark {
            self.note(Some(Broken::WatermarkBack));
        }
        if let Some(listing) = listed {
            self.end_listing(&listing);
        }
        delivery.phase = Phase::Acknowledge;
        true
    }
}

/// A deletion is applied unasked, unless somebody has looked since it was received.
fn decide(protocol: &Protocol, delivery: &Delivery, id: u8) -> Phase {
    let received_at = delivery.message.received_at;
    let seen_since = delivery.before.last_pass_at.is_some_and(|look| look + protocol.margin() >= received_at);
    if seen_since && protocol.guards.has(Guard::VerifyDeletions) {
        return Phase::NoteLook;
    }
    Phase::Fence(Call::Write(Wanted { id, age: delivery.message.age, kind: Kind::Bury { is_asked: false } }))
}

/// What comes after an object was dealt with.
fn proceed(protocol: &Protocol, delivery: &mut Delivery, id: u8) {
    let is_mark = matches!(delivery.phase, Phase::Write(wanted, _) if wanted.kind == Kind::Mark);
    delivery.phase = match delivery.task {
        Task::Get(_) | Task::Delete(_) => Phase::Finish,
        Task::Recheck => delivery.after_recheck(id),
        Task::List | Task::Compare if is_mark => Phase::Compare(id + 1),
        Task::List | Task::Compare => delivery.after_page(protocol),
    };
}
