//! One record, the conditional writes to it, and what they are judged by.

use crate::broken::Broken;
use crate::guards::{Guard, Guards};
use crate::time::Time;

/// What stands in the place of a record.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stands {
    #[default]
    Nothing,
    Live {
        content: u8,
        is_missing: bool,
    },
    Tombstone,
}

/// A look at an object by some pass, whether or not it left a trace in the table.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Look {
    /// The stamp of the pass.
    pub(crate) stamp: Time,
    /// How old the object was that it saw.
    pub(crate) age: u8,
    /// How many words Belvo had said when the pass began.
    pub(crate) words: u8,
}

/// One record. Only `stands` and `fetched_at` are in the product's table; the others are for the properties.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) stands: Stands,
    pub(crate) fetched_at: Time,
    /// The look that wrote what stands here.
    pub(crate) stored: Look,
    /// The newest look at it.
    pub(crate) look: Look,
    /// The known residue: a write that was under way landed behind a newer look that had left no stamp here.
    pub(crate) is_residue: bool,
}

/// A write on its way to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Write {
    /// The pass that writes, and what it saw.
    pub(crate) look: Look,
    /// Was the pass the newest when it read the clock for the last time before this?
    pub(crate) in_time: bool,
}

/// What became of an upsert.
pub(crate) enum Upsert {
    Written(Option<Broken>),
    Stale,
    Buried { seen: Time },
}

impl Record {
    pub(crate) fn upsert(&mut self, content: u8, write: Write, by_id: bool, guards: Guards) -> Upsert {
        let is_tombstone = self.stands == Stands::Tombstone;
        if is_tombstone && guards.has(Guard::UpsertSparesTombstones) {
            return Upsert::Buried { seen: self.fetched_at };
        }
        let is_newer = self.stands != Stands::Nothing && self.fetched_at > write.look.stamp;
        if is_newer && guards.has(Guard::UpsertSparesNewer) {
            return Upsert::Stale;
        }
        let revives = (is_tombstone && !by_id).then_some(Broken::RevivedByList);
        Upsert::Written(revives.or(self.put(Stands::Live { content, is_missing: false }, write, None)))
    }

    /// `announced`: how many words Belvo had said when the deletion was received, if nobody asked whether it still holds.
    pub(crate) fn bury(&mut self, write: Write, announced: Option<u8>, guards: Guards) -> Option<Broken> {
        let is_newer = self.fetched_at >= write.look.stamp && guards.has(Guard::BurySparesNewer);
        let is_refused = match self.stands {
            Stands::Nothing => !guards.has(Guard::BuryTheUnseen),
            _ => is_newer,
        };
        if is_refused {
            return None;
        }
        if announced.is_some() && self.stands == Stands::Tombstone {
            // One deletion or another: nothing is lost.
            self.fetched_at = write.look.stamp;
            return None;
        }
        self.put(Stands::Tombstone, write, announced)
            .map(|broken| announced.map_or(broken, |_| Broken::RedrivenDeletion))
    }

    pub(crate) fn revive(&mut self, content: u8, seen: Time, write: Write, guards: Guards) -> Option<Broken> {
        let is_there = if guards.has(Guard::ReviveAnyOlder) {
            self.stands == Stands::Nothing || self.fetched_at < write.look.stamp
        } else {
            self.stands == Stands::Tombstone && self.fetched_at == seen
        };
        if !is_there && guards.has(Guard::ReviveWithCondition) {
            return None;
        }
        self.put(Stands::Live { content, is_missing: false }, write, None)
    }

    /// `listing`: the stamp with which the listing began that lacks the object. `is_late`: the comparison goes on in a later
    /// message, and may not know of looks since.
    pub(crate) fn mark_missing(
        &mut self,
        listing: Time,
        write: Write,
        is_late: bool,
        guards: Guards,
    ) -> Option<Broken> {
        let Stands::Live { content, .. } = self.stands else { return None };
        let is_newer = self.fetched_at > listing;
        if is_newer && guards.has(Guard::MarkSparesNewer) {
            return None;
        }
        self.stands = Stands::Live { content, is_missing: true };
        match self.judge(write, None)? {
            Broken::OlderReplacedNewer if is_late && !is_newer => None,
            Broken::OlderReplacedNewer => Some(Broken::MarkedBehind),
            broken => Some(broken),
        }
    }

    /// A pass has seen the object and finds nothing to write. `agrees`: what stands here is what it saw.
    pub(crate) fn look(&mut self, look: Look, agrees: bool) {
        if look.stamp >= self.look.stamp {
            self.look = look;
            self.is_residue = !agrees;
        }
    }

    fn put(&mut self, stands: Stands, write: Write, announced: Option<u8>) -> Option<Broken> {
        let broken = self.judge(write, announced);
        self.stands = stands;
        self.fetched_at = write.look.stamp;
        self.stored = write.look;
        if write.look.stamp >= self.look.stamp {
            self.look = write.look;
        }
        broken
    }

    /// Is something newer replaced? Of a deletion that is applied unasked only what was seen by a pass that began after it
    /// was announced is known to be newer.
    fn judge(&mut self, write: Write, announced: Option<u8>) -> Option<Broken> {
        let Write { look, in_time } = write;
        let is_newer = |other: Look| other.age > look.age && announced.is_none_or(|words| other.words >= words);
        let is_behind = is_newer(self.look);
        let left_no_stamp = self.look.stamp > look.stamp && !is_newer(self.stored);
        self.is_residue = is_behind && left_no_stamp && in_time;
        if is_newer(self.stored) || (is_behind && !left_no_stamp) {
            return Some(Broken::OlderReplacedNewer);
        }
        (is_behind && !in_time).then_some(Broken::OvertakenWrote)
    }
}
