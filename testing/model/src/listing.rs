//! The calls of a listing: reading pages, comparing the table with the list, and rechecking tombstones.

use crate::belvo::Page;
use crate::delivery::{AfterFence, Continuation, Delivery, Listing, Phase, PlannedWrite, Task, WriteKind};
use crate::guards::Guard;
use crate::ids::Ids;
use crate::protocol::Protocol;
use crate::queue::Start;
use crate::record::{Item, ObjectRead};
use crate::state::State;
use crate::violation::Violation;

impl State {
    /// Reads a page. A continuation first reads the last page of the message before again, and compares its digest.
    pub(crate) fn read_page(&self, protocol: &Protocol, delivery: &mut Delivery, number: u8) -> Option<Phase> {
        let progress = delivery.message.progress;
        let listing = delivery.listing.as_mut()?;
        let is_first = number == listing.first_page;
        let progress = progress.filter(|_| is_first && listing.start.token != delivery.token);

        listing.page = number;
        let Some(page) = self.belvo.page(number) else {
            listing.record_move(protocol);
            return Some(delivery.after_page(protocol));
        };
        if *listing.count.get_or_insert(page.count) != page.count {
            listing.record_move(protocol);
        }
        listing.digest = page.id;
        if is_first {
            listing.last_page = page.count.max(1);
        }

        if let Some(progress) = progress {
            let is_same = page.count == progress.count && page.id == progress.digest;
            listing.has_moved |= !is_same && protocol.guards.has(Guard::PageDigest);
            return Some(delivery.after_page(protocol));
        }
        if page.has_next != (number < listing.last_page) {
            listing.record_move(protocol);
        }
        page.id.into_iter().for_each(|id| listing.seen_ids.insert(id));
        let compares = !listing.start.is_first_load;
        Some(Phase::Fence(self.after_fence(protocol, page, compares)))
    }

    fn after_fence(&self, protocol: &Protocol, page: Page, compares: bool) -> AfterFence {
        page.id.map_or(AfterFence::Nothing, |id| {
            let truth = self.belvo.object(id);
            let (content, age) = (truth.content, truth.listed_age());
            AfterFence::for_object(self.table.record(id), id, content, age, compares, protocol.guards)
        })
    }

    /// Plans to mark a record as missing if the list lacks its object.
    pub(crate) fn compare(&mut self, protocol: &Protocol, delivery: &mut Delivery, id: u8) -> Option<Phase> {
        let listing = delivery.listing?;
        if !protocol.ids().contains(&id) {
            return Some(delivery.after_comparison());
        }
        if listing.listed().contains(id) {
            return Some(Phase::Compare(id + 1));
        }

        let (truth, start) = (self.belvo.object(id), listing.start);
        let record = self.table.record_mut(id);
        let is_to_be_marked = matches!(record.item, Item::Live { is_missing: false, .. });
        if start.stable_ids.contains(id) {
            let read = ObjectRead { token: start.token, age: truth.age, tick: start.tick };
            // A residue stays one until the record is marked.
            record.record_read(read, !(is_to_be_marked && record.is_residue));
        }

        Some(if is_to_be_marked {
            let kind = WriteKind::MarkMissing;
            Phase::Fence(AfterFence::Write(PlannedWrite { id, age: truth.absent_at, kind }))
        } else {
            Phase::Compare(id + 1)
        })
    }

    /// Ends a whole listing, and checks that it has read every object that was listed throughout.
    pub(crate) fn end_listing(&mut self, listing: &Listing) {
        let listed: Ids = self.belvo.list().filter(|id| listing.start.stable_ids.contains(*id)).collect();
        if !listed.difference(listing.listed()).is_empty() {
            self.record_violation(Some(Violation::ObjectSkipped));
        }
        self.listed_at = self.listed_at.max(Some(listing.start.tick));
    }
}

impl Listing {
    fn record_move(&mut self, protocol: &Protocol) {
        self.has_moved |= protocol.guards.has(Guard::MoveDetection);
    }
}

impl Delivery {
    /// Begins a listing, or continues the one of the message. Returns the first call.
    pub(crate) fn begin_listing(&mut self, protocol: &Protocol) -> Phase {
        // A listing that starts again in this delivery ignores the progress of earlier messages.
        let relistings = self.listing.map(|listing| listing.start.relistings);
        let progress = self.message.progress.filter(|_| relistings.is_none());
        let start = progress.map_or_else(
            || Start {
                began_at: self.began_at,
                token: self.token,
                is_first_load: self.before.last_pass_at.is_none(),
                relistings: relistings.unwrap_or_default(),
                tick: self.tick,
                stable_ids: protocol.ids().collect(),
            },
            |progress| progress.start,
        );
        let listing = Listing::new(start, progress.as_ref());
        self.listing = Some(listing);
        Phase::ReadPage(listing.first_page)
    }

    /// Returns the call after a page: the next page, another listing, or what follows the last page.
    pub(crate) fn after_page(&mut self, protocol: &Protocol) -> Phase {
        let Some(listing) = &mut self.listing else { return Phase::Finish };
        let is_last = listing.page >= listing.last_page;
        if is_last && listing.distinct() < listing.count.unwrap_or_default() {
            listing.record_move(protocol);
        }
        if listing.has_moved && listing.start.relistings < protocol.bounds.relistings {
            listing.start.relistings += 1;
            return Phase::TakeToken;
        }
        if !is_last {
            return Phase::ReadPage(listing.page + 1);
        }

        listing.is_whole = !listing.has_moved;
        // After a first load no record can be missing.
        if listing.is_whole && !listing.start.is_first_load { Phase::Compare(0) } else { self.after_comparison() }
    }

    /// Continues the comparison of an earlier message. Returns the first call.
    pub(crate) fn continue_comparing(&mut self) -> Phase {
        let Some(progress) = self.message.progress else { return Phase::Finish };
        self.listing = Some(Listing::new(progress.start, Some(&progress)));
        Phase::Compare(progress.compared_to.unwrap_or_default())
    }

    /// Records that the list shows an object whose item is a tombstone.
    pub(crate) fn record_tombstone(&mut self, protocol: &Protocol, id: u8) {
        if let Some(listing) = self.listing.as_mut().filter(|_| protocol.guards.has(Guard::RecheckTombstones)) {
            listing.tombstoned.insert(id);
        }
    }

    pub(crate) fn first_tombstoned(&self) -> Option<u8> {
        self.listing?.tombstoned.first()
    }

    /// Returns the call after an object was rechecked.
    pub(crate) fn after_recheck(&mut self, id: u8) -> Phase {
        if let Some(listing) = &mut self.listing {
            listing.tombstoned.remove(id);
        }
        self.first_tombstoned().map_or(self.last_calls(), Phase::GetById)
    }

    /// Returns the call after the comparison. The recheck of tombstones is a pass of its own.
    pub(crate) fn after_comparison(&mut self) -> Phase {
        if self.first_tombstoned().is_none() {
            return self.last_calls();
        }
        self.task = Task::Recheck;
        Phase::TakeToken
    }

    fn last_calls(&self) -> Phase {
        let has_continuation = self.listing.is_some_and(|listing| listing.continuation.is_some());
        if has_continuation { Phase::SendContinuation } else { Phase::Finish }
    }

    /// Returns the work of a continuation if the delivery may stop here. Each message reads at least one page, or compares at
    /// least one record.
    pub(crate) fn can_stop(&self) -> Option<Continuation> {
        let listing = self.listing?;
        match self.phase {
            Phase::ReadPage(page) => {
                let is_continued = listing.start.token != self.token;
                let pages_read = page - listing.first_page;
                (pages_read > u8::from(is_continued)).then(|| Continuation::MorePages { after: page - 1 })
            }
            Phase::Compare(id) => {
                let progress = self.message.progress.filter(|_| self.task == Task::ContinueComparing);
                let first = progress.and_then(|progress| progress.compared_to).unwrap_or_default();
                (id > first).then_some(Continuation::MoreComparing { from: id })
            }
            _ => None,
        }
    }

    /// Returns `true` if the delivery reads pages after those of an earlier message.
    pub(crate) fn continues_listing(&self) -> bool {
        let is_continued = self.listing.is_some_and(|listing| listing.start.token != self.token);
        is_continued && self.task == Task::List && matches!(self.phase, Phase::Write(..) | Phase::Fence(_))
    }

    /// Returns `true` if a later listing covers the event.
    pub(crate) fn is_covered(&self) -> bool {
        self.listing.is_none() && matches!(self.task, Task::List | Task::ContinueComparing)
    }

    /// Stops early, and leaves the rest to a continuation.
    pub(crate) fn stop(&mut self, continuation: Continuation) {
        if let Some(listing) = &mut self.listing {
            listing.continuation = Some(continuation);
        }
        self.phase = self.after_comparison();
    }
}
