//! Listing page by page, comparing what is stored with what was listed, and asking for the tombstones that were met.

use crate::broken::Broken;
use crate::delivery::{Call, Delivery, Kind, Listing, Phase, Rest, Task, Wanted};
use crate::guards::Guard;
use crate::ids::Ids;
use crate::protocol::Protocol;
use crate::queue::Start;
use crate::record::{Look, Stands};
use crate::state::State;

impl State {
    pub(crate) fn read_page(&self, protocol: &Protocol, delivery: &mut Delivery, number: u8) -> bool {
        let from = delivery.message.progress;
        let Some(listing) = &mut delivery.listing else { return false };
        let is_first = number == listing.first;
        let from = from.filter(|_| is_first && listing.start.stamp != delivery.stamp);
        listing.page = number;
        let Some(page) = self.belvo.page(number) else {
            listing.note_move(protocol);
            delivery.phase = delivery.after_page(protocol);
            return true;
        };
        if *listing.count.get_or_insert(page.count) != page.count {
            listing.note_move(protocol);
        }
        listing.digest = page.id;
        if is_first {
            listing.last = page.count.max(1);
        }
        if let Some(progress) = from {
            let is_same = page.count == progress.count && page.id == progress.digest;
            listing.moved |= !is_same && protocol.guards.has(Guard::DigestOfPage);
            delivery.phase = delivery.after_page(protocol);
            return true;
        }
        if page.has_next != (number < listing.last) {
            listing.note_move(protocol);
        }
        let compares = !listing.start.is_first_load;
        page.id.into_iter().for_each(|id| listing.seen.add(id));
        delivery.phase = Phase::Fence(page.id.map_or(Call::Nothing, |id| {
            let truth = self.belvo.object(id);
            let (content, age) = (truth.content, truth.listed_age());
            Call::after_seeing(self.table.record(id), id, content, age, compares, protocol.guards)
        }));
        true
    }

    /// Is this object stored, though the list lacks it?
    pub(crate) fn compare(&mut self, protocol: &Protocol, delivery: &mut Delivery, id: u8) -> bool {
        let Some(listing) = delivery.listing else { return false };
        if id >= protocol.objects() {
            delivery.phase = delivery.after_comparison();
            return true;
        }
        delivery.phase = Phase::Compare(id + 1);
        let truth = self.belvo.object(id);
        if listing.listed().has(id) {
            return true;
        }
        let start = listing.start;
        let record = self.table.record_mut(id);
        let is_to_be_marked = matches!(record.stands, Stands::Live { is_missing: false, .. });
        if start.steady.has(id) {
            let look = Look { stamp: start.stamp, age: truth.age, words: start.words };
            // What stands here wrongly does so until it is marked.
            record.look(look, !(is_to_be_marked && record.is_residue));
        }
        if is_to_be_marked {
            delivery.phase = Phase::Fence(Call::Write(Wanted { id, age: truth.absent_at, kind: Kind::Mark }));
        }
        true
    }

    /// A whole listing is done: it has read every object that was listed all the time.
    pub(crate) fn end_listing(&mut self, listing: &Listing) {
        let listed: Ids = self.belvo.list().filter(|id| listing.start.steady.has(*id)).collect();
        if !listed.without(listing.listed()).is_empty() {
            self.note(Some(Broken::SkippedObject));
        }
        self.listed = self.listed.max(Some(listing.start.words));
    }
}

impl Listing {
    fn note_move(&mut self, protocol: &Protocol) {
        self.moved |= protocol.guards.has(Guard::SignsOfMoving);
    }
}

impl Delivery {
    /// Where a listing begins, or goes on.
    pub(crate) fn begin_listing(&mut self, protocol: &Protocol) -> Phase {
        // A listing that begins anew in this delivery forgets how far an earlier leg had come.
        let relistings = self.listing.map(|listing| listing.start.relistings);
        let from = self.message.progress.filter(|_| relistings.is_none());
        let start = from.map_or_else(
            || Start {
                began_at: self.began_at,
                stamp: self.stamp,
                is_first_load: self.before.last_pass_at.is_none(),
                relistings: relistings.unwrap_or_default(),
                words: self.words,
                steady: (0..protocol.objects()).collect(),
            },
            |progress| progress.start,
        );
        let listing = Listing::new(start, from.as_ref());
        self.listing = Some(listing);
        Phase::ReadPage(listing.first)
    }

    /// The next page, another listing, or what follows the last page.
    pub(crate) fn after_page(&mut self, protocol: &Protocol) -> Phase {
        let Some(listing) = &mut self.listing else { return Phase::Finish };
        let is_last = listing.page >= listing.last;
        if is_last && listing.distinct() < listing.count.unwrap_or_default() {
            listing.note_move(protocol);
        }
        if listing.moved && listing.start.relistings < protocol.bounds.relistings {
            listing.start.relistings += 1;
            return Phase::TakeStamp;
        }
        if !is_last {
            return Phase::ReadPage(listing.page + 1);
        }
        listing.is_whole = !listing.moved;
        // On a first load nothing can be missing.
        if listing.is_whole && !listing.start.is_first_load { Phase::Compare(0) } else { self.after_comparison() }
    }

    /// Goes on comparing where an earlier message stopped.
    pub(crate) fn go_on_comparing(&mut self) -> Phase {
        let Some(progress) = self.message.progress else { return Phase::Finish };
        self.listing = Some(Listing::new(progress.start, Some(&progress)));
        Phase::Compare(progress.compared_to.unwrap_or_default())
    }

    /// The list has shown what a tombstone stands for.
    pub(crate) fn meet_tombstone(&mut self, protocol: &Protocol, id: u8) {
        if let Some(listing) = self.listing.as_mut().filter(|_| protocol.guards.has(Guard::AskForTombstones)) {
            listing.buried.add(id);
        }
    }

    pub(crate) fn first_buried(&self) -> Option<u8> {
        self.listing?.buried.first()
    }

    pub(crate) fn after_recheck(&mut self, id: u8) -> Phase {
        if let Some(listing) = &mut self.listing {
            listing.buried.remove(id);
        }
        self.first_buried().map_or(self.rest(), Phase::Ask)
    }

    /// The tombstones that were met are asked for in a pass of its own.
    pub(crate) fn after_comparison(&mut self) -> Phase {
        if self.first_buried().is_none() {
            return self.rest();
        }
        self.task = Task::Recheck;
        Phase::TakeStamp
    }

    fn rest(&self) -> Phase {
        if self.listing.is_some_and(|listing| listing.rest.is_some()) { Phase::Send } else { Phase::Finish }
    }

    /// May it end here, for want of time, and leave the rest to a message of its own? At least one page, or one part of a
    /// comparison, is dealt with in any case.
    pub(crate) fn can_stop(&self) -> Option<Rest> {
        let listing = self.listing?;
        let from = self.message.progress;
        match self.phase {
            Phase::ReadPage(page) => {
                let is_continued = listing.start.stamp != self.stamp;
                let begun = page - listing.first;
                (begun > u8::from(is_continued)).then(|| Rest::Pages(page - 1))
            }
            Phase::Compare(id) => {
                let first = from.filter(|_| self.task == Task::Compare).and_then(|progress| progress.compared_to);
                (id > first.unwrap_or_default()).then_some(Rest::Comparison(id))
            }
            _ => None,
        }
    }

    /// Has it begun to read pages after those of an earlier leg?
    pub(crate) fn goes_on_listing(&self) -> bool {
        let is_continued = self.listing.is_some_and(|listing| listing.start.stamp != self.stamp);
        is_continued && self.task == Task::List && matches!(self.phase, Phase::Write(..) | Phase::Fence(_))
    }

    /// Did it find its work done when it began?
    pub(crate) fn is_covered(&self) -> bool {
        self.listing.is_none() && matches!(self.task, Task::List | Task::Compare)
    }

    pub(crate) fn stop(&mut self, rest: Rest) {
        if let Some(listing) = &mut self.listing {
            listing.rest = Some(rest);
        }
        self.phase = self.after_comparison();
    }
}
