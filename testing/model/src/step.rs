//! A step of a delivery: one call. A crash, a timeout or another event may happen between any two steps.

use crate::delivery::{AfterFence, Delivery, Phase, PlannedWrite, Task, WriteKind};
use crate::guards::Guard;
use crate::protocol::Protocol;
use crate::queue::Message;
use crate::record::{UpsertResult, Write};
use crate::state::State;
use crate::table::{Checkpoint, Outcome};
use crate::violation::Violation;

/// The result of a step.
pub(crate) enum StepResult {
    /// The delivery has another call to make.
    Continue(Delivery),
    /// The message returns to the queue.
    Returned,
    /// The message is acknowledged.
    Acknowledged,
}

impl State {
    pub(crate) fn step(&mut self, protocol: &Protocol, mut delivery: Delivery) -> StepResult {
        let next = match delivery.phase {
            Phase::BeginEvent => Some(self.begin_event(protocol, &delivery)),
            Phase::TakeToken => self.take_token(protocol, &mut delivery),
            Phase::RecordPassStart => self.record_pass_start(protocol, &mut delivery),
            Phase::ReadSyncState => Some(self.read_sync_state(protocol, &mut delivery)),
            Phase::ReadPage(page) => self.read_page(protocol, &mut delivery, page),
            Phase::GetById(id) => Some(self.get_by_id(protocol, id)),
            Phase::Compare(id) => self.compare(protocol, &mut delivery, id),
            Phase::Fence(then) => self.fence(protocol, &mut delivery, then),
            Phase::Write(planned, write) => Some(self.write(protocol, &mut delivery, planned, write)),
            Phase::Restore { id, content, tombstoned_at, write } => {
                let violation = self.table.record_mut(id).restore(content, tombstoned_at, write, protocol.guards);
                self.record_violation(violation);
                Some(after_object(protocol, &mut delivery, id))
            }
            Phase::SendContinuation => Some(self.send_continuation(protocol, &delivery)),
            Phase::Finish => self.finish(protocol, &delivery),
            Phase::Acknowledge => return StepResult::Acknowledged,
        };
        let Some(phase) = next else { return StepResult::Returned };
        StepResult::Continue(Delivery { phase, ..delivery })
    }

    fn begin_event(&mut self, protocol: &Protocol, delivery: &Delivery) -> Phase {
        if !protocol.guards.has(Guard::EndedStaysEnded) || self.table.is_open(delivery.message.event) {
            self.table.set_outcome(delivery.message.event, Outcome::Processing);
        }

        let is_covered = match delivery.task {
            Task::List | Task::Get(_) => self.is_covered(protocol, delivery),
            Task::ContinueComparing => {
                !protocol.guards.has(Guard::TokenBeforeComparing) && self.was_listed_since(delivery)
            }
            Task::Recheck | Task::Delete(_) => false,
        };
        match delivery.task {
            _ if is_covered => self.end_covered(delivery),
            Task::Delete(_) if !protocol.guards.has(Guard::TokenBeforeLastPass) => Phase::ReadSyncState,
            _ => Phase::TakeToken,
        }
    }

    fn is_covered(&mut self, protocol: &Protocol, delivery: &Delivery) -> bool {
        let state = self.table.state;
        let by_start_time = protocol.guards.has(Guard::CoveredByStartTime);
        let began_at = if by_start_time { state.listing_began_at } else { state.listed_at };
        let is_covered = began_at.is_some_and(|began_at| delivery.message.received_at + protocol.margin() < began_at);
        if is_covered && delivery.message.tick > state.tick {
            self.record_violation(Some(Violation::CoveredTooEarly));
        }
        is_covered
    }

    /// Returns `true` if a whole listing has ended that began after the one whose comparison continues.
    fn was_listed_since(&self, delivery: &Delivery) -> bool {
        let token = delivery.message.progress.map(|progress| progress.start.token);
        self.table.state.listed_at > token
    }

    fn end_covered(&mut self, delivery: &Delivery) -> Phase {
        self.table.set_outcome(delivery.message.event, Outcome::Covered);
        Phase::Acknowledge
    }

    fn take_token(&mut self, protocol: &Protocol, delivery: &mut Delivery) -> Option<Phase> {
        let follows = delivery.task == Task::Recheck;
        if follows && protocol.guards.has(Guard::RecheckIfCurrent) && !self.table.is_current(delivery.token) {
            return None;
        }

        let now = self.time(protocol) + delivery.skew;
        delivery.token = self.table.take_token(now, protocol.guards);
        delivery.began_at = now;
        delivery.tick = self.tick;
        Some(match delivery.task {
            Task::Delete(id) if !protocol.guards.has(Guard::TokenBeforeLastPass) => delete(protocol, delivery, id),
            Task::Delete(_) | Task::ContinueComparing => Phase::ReadSyncState,
            Task::List | Task::Recheck | Task::Get(_) => Phase::RecordPassStart,
        })
    }

    fn record_pass_start(&mut self, protocol: &Protocol, delivery: &mut Delivery) -> Option<Phase> {
        delivery.before = self.table.record_pass_start(delivery.token, protocol.guards)?;
        Some(match delivery.task {
            Task::List => delivery.begin_listing(protocol),
            Task::Recheck => delivery.first_tombstoned().map_or(Phase::Finish, Phase::GetById),
            Task::Get(id) | Task::Delete(id) => Phase::GetById(id),
            Task::ContinueComparing => Phase::Finish,
        })
    }

    fn read_sync_state(&mut self, protocol: &Protocol, delivery: &mut Delivery) -> Phase {
        delivery.before = self.table.state;
        let checks_after_token = protocol.guards.has(Guard::TokenBeforeComparing);
        match delivery.task {
            Task::Delete(_) if !protocol.guards.has(Guard::TokenBeforeLastPass) => Phase::TakeToken,
            Task::Delete(id) => delete(protocol, delivery, id),
            _ if checks_after_token && self.was_listed_since(delivery) => self.end_covered(delivery),
            _ => delivery.continue_comparing(),
        }
    }

    fn get_by_id(&self, protocol: &Protocol, id: u8) -> Phase {
        let truth = self.belvo.object(id);
        let (content, age) = (truth.content, truth.age);
        Phase::Fence(if truth.is_present {
            AfterFence::for_object(self.table.record(id), id, content, age, true, protocol.guards)
        } else {
            AfterFence::Write(PlannedWrite { id, age, kind: WriteKind::Tombstone { is_verified: true } })
        })
    }

    fn fence(&mut self, protocol: &Protocol, delivery: &mut Delivery, then: AfterFence) -> Option<Phase> {
        let was_current = self.table.is_current(delivery.token);
        if !was_current && protocol.guards.has(Guard::Fence) {
            return None;
        }
        Some(match then {
            AfterFence::Nothing => after_object(protocol, delivery, 0),
            AfterFence::Unchanged { id, age, item } => {
                let record = self.table.record_mut(id);
                record.record_read(delivery.read_at(age), record.item == item);
                after_object(protocol, delivery, id)
            }
            AfterFence::Write(planned) => {
                Phase::Write(planned, Write { read: delivery.read_at(planned.age), was_current })
            }
        })
    }

    fn write(&mut self, protocol: &Protocol, delivery: &mut Delivery, planned: PlannedWrite, write: Write) -> Phase {
        let (id, guards) = (planned.id, protocol.guards);
        let record = self.table.record_mut(id);
        let violation = match planned.kind {
            WriteKind::Upsert { content } => {
                let by_id = delivery.task != Task::List;
                match record.upsert(content, write, by_id, guards) {
                    UpsertResult::Written(violation) => violation,
                    UpsertResult::Tombstoned { fetched_at: tombstoned_at } if by_id => {
                        if tombstoned_at < write.read.token || !guards.has(Guard::RestoreOnlyOlder) {
                            return Phase::Restore { id, content, tombstoned_at, write };
                        }
                        None
                    }
                    UpsertResult::Tombstoned { .. } => {
                        delivery.record_tombstone(protocol, id);
                        None
                    }
                    UpsertResult::Stale => None,
                }
            }
            WriteKind::Tombstone { is_verified } => {
                record.tombstone(write, (!is_verified).then_some(delivery.message.tick), guards)
            }
            WriteKind::MarkMissing => {
                let listing = delivery.listing.map_or(delivery.token, |listing| listing.start.token);
                record.mark_missing(listing, write, delivery.task == Task::ContinueComparing, guards)
            }
        };
        self.record_violation(violation);
        after_object(protocol, delivery, id)
    }

    fn send_continuation(&mut self, protocol: &Protocol, delivery: &Delivery) -> Phase {
        let progress = delivery.listing.and_then(|listing| Some(listing.progress(listing.continuation?)));
        if progress.is_some() {
            let event = self.new_event(&protocol.bounds);
            self.queue.waiting.push(Message { event, progress, ..delivery.message });
        }
        Phase::Finish
    }

    fn finish(&mut self, protocol: &Protocol, delivery: &Delivery) -> Option<Phase> {
        let continuation = delivery.listing.and_then(|listing| listing.continuation);
        let whole = delivery.listing.filter(|listing| listing.is_whole);
        let checkpoint = Checkpoint {
            token: delivery.token,
            before: delivery.before,
            listing: whole.map(|listing| listing.start),
            event: delivery.message.event,
            outcome: continuation.map_or(Outcome::Applied, |_| Outcome::Continued),
        };

        let watermark = self.table.state.watermark;
        if !self.table.finish(&checkpoint, protocol.guards) {
            return None;
        }
        if self.table.state.watermark < watermark {
            self.record_violation(Some(Violation::WatermarkMovedBack));
        }
        if let Some(listing) = whole {
            self.end_listing(&listing);
        }
        Some(Phase::Acknowledge)
    }
}

/// Returns the call that applies a deletion: a tombstone, or a request to Belvo if a pass has read since the announcement.
fn delete(protocol: &Protocol, delivery: &Delivery, id: u8) -> Phase {
    let received_at = delivery.message.received_at;
    let may_have_come_back = delivery.before.last_pass_at.is_some_and(|last| last + protocol.margin() >= received_at);
    if may_have_come_back && protocol.guards.has(Guard::VerifyDeletions) {
        return Phase::RecordPassStart;
    }
    let kind = WriteKind::Tombstone { is_verified: false };
    Phase::Fence(AfterFence::Write(PlannedWrite { id, age: delivery.message.age, kind }))
}

/// Returns the call after an object.
fn after_object(protocol: &Protocol, delivery: &mut Delivery, id: u8) -> Phase {
    let is_mark = matches!(delivery.phase, Phase::Write(planned, _) if planned.kind == WriteKind::MarkMissing);
    match delivery.task {
        Task::Get(_) | Task::Delete(_) => Phase::Finish,
        Task::Recheck => delivery.after_recheck(id),
        Task::List | Task::ContinueComparing if is_mark => Phase::Compare(id + 1),
        Task::List | Task::ContinueComparing => delivery.after_page(protocol),
    }
}
