//! A delivery of a message: the state of its invocation between two calls.

use crate::guards::{Guard, Guards};
use crate::ids::Ids;
use crate::queue::{Message, Plan, Progress, Start};
use crate::record::{Item, ObjectRead, Record, Write};
use crate::table::SyncState;
use crate::time::{Tick, Time};

/// The task of the current pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    List,
    /// Continues to compare the table with a list that earlier messages read.
    ContinueComparing,
    /// Requests the objects of the tombstones that the listing found.
    Recheck,
    Get(u8),
    Delete(u8),
}

/// The next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// Begins the event item and reads the sync state.
    BeginEvent,
    TakeToken,
    RecordPassStart,
    /// Reads the sync state in a pass that does not read from Belvo.
    ReadSyncState,
    /// Reads a page and the stored item of its object.
    ReadPage(u8),
    /// Requests an object by its id, and reads its stored item.
    GetById(u8),
    /// Reads records from this id on, up to the first that the list lacks.
    Compare(u8),
    /// Reads the clock.
    Fence(AfterFence),
    /// A write is in flight.
    Write(PlannedWrite, Write),
    /// A restore is in flight.
    Restore {
        id: u8,
        content: u8,
        tombstoned_at: Time,
        write: Write,
    },
    SendContinuation,
    /// Writes the checkpoint.
    Finish,
    Acknowledge,
}

/// What follows the fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AfterFence {
    /// The page has no object.
    Nothing,
    /// The stored item is what the pass read.
    Unchanged {
        id: u8,
        age: u8,
        item: Item,
    },
    Write(PlannedWrite),
}

/// A write that a pass plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PlannedWrite {
    pub(crate) id: u8,
    /// The age of the object when the pass read it.
    pub(crate) age: u8,
    pub(crate) kind: WriteKind,
}

/// The kind of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum WriteKind {
    Upsert { content: u8 },
    Tombstone { is_verified: bool },
    MarkMissing,
}

/// The part of a listing that a delivery has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Listing {
    pub(crate) start: Start,
    /// The first page of this message.
    pub(crate) first_page: u8,
    pub(crate) last_page: u8,
    /// The page that was read last.
    pub(crate) page: u8,
    pub(crate) count: Option<u8>,
    /// The sum of the distinct objects that each earlier message found.
    pub(crate) distinct_before: u8,
    pub(crate) seen_before: Ids,
    pub(crate) seen_ids: Ids,
    pub(crate) has_moved: bool,
    pub(crate) digest: Option<u8>,
    /// Tombstones that the list showed and that are not rechecked yet.
    pub(crate) tombstoned: Ids,
    /// Whether the checkpoint will record a whole listing.
    pub(crate) is_whole: bool,
    pub(crate) continuation: Option<Continuation>,
}

/// The work of a continuation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Continuation {
    MorePages { after: u8 },
    MoreComparing { from: u8 },
}

/// Identifies a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryId {
    /// The delivery whose visibility timeout has not passed.
    Current,
    /// A delivery that has outlived its visibility timeout.
    Zombie(usize),
}

/// A delivery of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Delivery {
    pub(crate) message: Message,
    /// The clock skew of its host.
    pub(crate) skew: Time,
    pub(crate) phase: Phase,
    pub(crate) task: Task,
    pub(crate) token: Time,
    /// When the pass began, by the clock of its host.
    pub(crate) began_at: Time,
    /// The sync state that the pass found.
    pub(crate) before: SyncState,
    pub(crate) listing: Option<Listing>,
    /// For the properties: the tick at which the pass began.
    pub(crate) tick: Tick,
}

impl AfterFence {
    /// Returns what a pass does that has read an object. `compares`: the pass has read the stored item.
    pub(crate) fn for_object(record: &Record, id: u8, content: u8, age: u8, compares: bool, guards: Guards) -> Self {
        let item = record.item;
        let is_unchanged = match item {
            Item::Live { content: stored, is_missing } => {
                stored == content && !(is_missing && guards.has(Guard::MissingIsChanged))
            }
            Item::Absent | Item::Tombstone => false,
        };
        if compares && is_unchanged {
            Self::Unchanged { id, age, item }
        } else {
            Self::Write(PlannedWrite { id, age, kind: WriteKind::Upsert { content } })
        }
    }
}

impl Delivery {
    pub(crate) fn new(message: Message, skew: Time) -> Self {
        let is_comparing = message.progress.is_some_and(|progress| progress.compared_to.is_some());
        let task = match message.plan {
            Plan::List if is_comparing => Task::ContinueComparing,
            Plan::List => Task::List,
            Plan::Get(id) => Task::Get(id),
            Plan::Delete(id) => Task::Delete(id),
        };
        let (before, listing) = (SyncState::default(), None);
        Self { message, skew, phase: Phase::BeginEvent, task, token: 0, began_at: 0, before, listing, tick: 0 }
    }

    /// Records in the listing that an object is listed from now on, or no longer.
    pub(crate) fn mark_unstable(&mut self, id: u8) {
        if let Some(listing) = &mut self.listing {
            listing.start.stable_ids.remove(id);
        }
        if let Some(progress) = &mut self.message.progress {
            progress.start.stable_ids.remove(id);
        }
    }

    /// Returns this pass's read of an object.
    pub(crate) fn read_at(&self, age: u8) -> ObjectRead {
        ObjectRead { token: self.token, age, tick: self.tick }
    }
}

impl Listing {
    /// Begins a listing, or continues one from the progress of earlier messages.
    pub(crate) fn new(start: Start, from: Option<&Progress>) -> Self {
        Self {
            start,
            first_page: from.map_or(1, |progress| progress.page),
            last_page: 0,
            page: 0,
            count: from.map(|progress| progress.count),
            distinct_before: from.map_or(0, |progress| progress.distinct),
            seen_before: from.map(|progress| progress.seen_ids).unwrap_or_default(),
            seen_ids: Ids::default(),
            has_moved: from.is_some_and(|progress| progress.has_moved),
            digest: None,
            tombstoned: Ids::default(),
            is_whole: false,
            continuation: None,
        }
    }

    /// Returns the sum of the distinct objects that each message found.
    pub(crate) fn distinct(&self) -> u8 {
        self.distinct_before + self.seen_ids.len()
    }

    /// Returns the ids that all messages have seen.
    pub(crate) fn listed(&self) -> Ids {
        self.seen_before.union(self.seen_ids)
    }

    /// Returns the progress for the continuation.
    pub(crate) fn progress(&self, continuation: Continuation) -> Progress {
        let (page, compared_to) = match continuation {
            Continuation::MorePages { after } => (after, None),
            Continuation::MoreComparing { from } => (0, Some(from)),
        };
        Progress {
            start: self.start,
            page,
            count: self.count.unwrap_or_default(),
            digest: self.digest,
            distinct: self.distinct(),
            seen_ids: self.listed(),
            has_moved: self.has_moved,
            compared_to,
        }
    }
}
