//! A record, and the conditional writes to it.

use crate::guards::{Guard, Guards};
use crate::time::{Tick, Time};
use crate::violation::Violation;

/// The item under a record's key.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    #[default]
    Absent,
    Live {
        content: u8,
        is_missing: bool,
    },
    Tombstone,
}

/// A read of an object by a pass, whether or not the pass wrote afterwards.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ObjectRead {
    /// The token of the pass.
    pub(crate) token: Time,
    /// The age of the object.
    pub(crate) age: u8,
    /// The tick at which the pass began.
    pub(crate) tick: Tick,
}

/// A record. Only `item` and `fetched_at` are in the product's table; the properties use the other members.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) item: Item,
    pub(crate) fetched_at: Time,
    /// The read behind the stored item.
    pub(crate) stored_read: ObjectRead,
    /// The read with the largest token.
    pub(crate) newest_read: ObjectRead,
    /// Whether a write in flight landed behind a newer pass that left no token: the known residue.
    pub(crate) is_residue: bool,
}

/// A write in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Write {
    /// The read behind the write.
    pub(crate) read: ObjectRead,
    /// Whether the pass was current at its last fence before the write.
    pub(crate) was_current: bool,
}

/// The result of an upsert.
pub(crate) enum UpsertResult {
    Written(Option<Violation>),
    Stale,
    Tombstoned { fetched_at: Time },
}

impl Record {
    pub(crate) fn upsert(&mut self, content: u8, write: Write, by_id: bool, guards: Guards) -> UpsertResult {
        let is_tombstone = self.item == Item::Tombstone;
        if is_tombstone && guards.has(Guard::UpsertKeepsTombstones) {
            return UpsertResult::Tombstoned { fetched_at: self.fetched_at };
        }

        let is_newer = self.item != Item::Absent && self.fetched_at > write.read.token;
        if is_newer && guards.has(Guard::UpsertKeepsNewer) {
            return UpsertResult::Stale;
        }

        let restored = (is_tombstone && !by_id).then_some(Violation::RestoredByList);
        UpsertResult::Written(restored.or(self.put(Item::Live { content, is_missing: false }, write, None)))
    }

    /// Writes a tombstone. `announced` is the tick at which the deletion was received, unless the pass verified it.
    pub(crate) fn tombstone(&mut self, write: Write, announced: Option<Tick>, guards: Guards) -> Option<Violation> {
        let is_newer = self.fetched_at >= write.read.token && guards.has(Guard::TombstoneKeepsNewer);
        let is_rejected = match self.item {
            Item::Absent => !guards.has(Guard::TombstoneWithoutRecord),
            _ => is_newer,
        };
        if is_rejected {
            return None;
        }

        if announced.is_some() && self.item == Item::Tombstone {
            // A tombstone replaces a tombstone: nothing is lost.
            self.fetched_at = write.read.token;
            return None;
        }
        self.put(Item::Tombstone, write, announced)
            .map(|violation| announced.map_or(violation, |_| Violation::DeletedAfterReturn))
    }

    /// Replaces a tombstone by a live record. `tombstoned_at` is the token of the tombstone that the pass read.
    pub(crate) fn restore(
        &mut self,
        content: u8,
        tombstoned_at: Time,
        write: Write,
        guards: Guards,
    ) -> Option<Violation> {
        let holds = if guards.has(Guard::RestoreAnyOlder) {
            self.item == Item::Absent || self.fetched_at < write.read.token
        } else {
            self.item == Item::Tombstone && self.fetched_at == tombstoned_at
        };
        if !holds && guards.has(Guard::RestoreWithCondition) {
            return None;
        }
        self.put(Item::Live { content, is_missing: false }, write, None)
    }

    /// Sets `missing_since`. `listing` is the token of the listing that lacks the object. `is_continued`: the comparison
    /// continues in a later message, and may miss newer reads.
    pub(crate) fn mark_missing(
        &mut self,
        listing: Time,
        write: Write,
        is_continued: bool,
        guards: Guards,
    ) -> Option<Violation> {
        let Item::Live { content, .. } = self.item else { return None };
        let is_newer = self.fetched_at > listing;
        if is_newer && guards.has(Guard::MarkKeepsNewer) {
            return None;
        }

        self.item = Item::Live { content, is_missing: true };
        match self.check(write, None)? {
            Violation::OlderReplacedNewer if is_continued && !is_newer => None,
            Violation::OlderReplacedNewer => Some(Violation::MarkedBehindNewer),
            violation => Some(violation),
        }
    }

    /// Records a read after which the pass writes nothing. `agrees`: the stored item is what the pass read.
    pub(crate) fn record_read(&mut self, read: ObjectRead, agrees: bool) {
        if read.token >= self.newest_read.token {
            self.newest_read = read;
            self.is_residue = !agrees;
        }
    }

    fn put(&mut self, item: Item, write: Write, announced: Option<Tick>) -> Option<Violation> {
        let violation = self.check(write, announced);
        self.item = item;
        self.fetched_at = write.read.token;
        self.stored_read = write.read;
        if write.read.token >= self.newest_read.token {
            self.newest_read = write.read;
        }
        violation
    }

    /// Checks whether the write replaces newer data. Against an unverified deletion, only a read by a pass that began after
    /// the announcement counts as newer.
    fn check(&mut self, write: Write, announced: Option<Tick>) -> Option<Violation> {
        let Write { read, was_current } = write;
        let is_newer =
            |other: ObjectRead| other.age > read.age && announced.is_none_or(|announced| other.tick >= announced);
        let is_behind = is_newer(self.newest_read);
        let left_no_token = self.newest_read.token > read.token && !is_newer(self.stored_read);
        self.is_residue = is_behind && left_no_token && was_current;

        if is_newer(self.stored_read) || (is_behind && !left_no_token) {
            return Some(Violation::OlderReplacedNewer);
        }
        (is_behind && !was_current).then_some(Violation::OvertakenPassWrote)
    }
}
