//! A message being worked on: where the invocation is, between two calls.

use crate::guards::{Guard, Guards};
use crate::ids::Ids;
use crate::queue::{Message, Plan, Progress, Start};
use crate::record::{Look, Record, Stands, Write};
use crate::table::SyncState;
use crate::time::Time;

/// What the present pass does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    List,
    /// Goes on comparing what is stored with a list that earlier messages read.
    Compare,
    /// Asks for the tombstones that the listing met.
    Recheck,
    Get(u8),
    Delete(u8),
}

/// The next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// Notes that the message is being worked on, and reads the sync state.
    Begin,
    TakeStamp,
    NoteLook,
    /// Reads the sync state, in a pass that does not look at Belvo.
    ReadState,
    /// Asks Belvo for a page, and the table for what stands there.
    ReadPage(u8),
    /// Asks Belvo for an object, and the table for what stands there.
    Ask(u8),
    /// Reads records from this one on, up to the first that the list lacks.
    Compare(u8),
    /// Reads the clock.
    Fence(Call),
    /// The write is on its way.
    Write(Wanted, Write),
    /// So is a revival.
    Revive {
        id: u8,
        content: u8,
        seen: Time,
        write: Write,
    },
    /// Sends the continuation.
    Send,
    /// The checkpoint.
    Finish,
    Acknowledge,
}

/// What follows the fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    /// A page without objects.
    Nothing,
    /// The object stands there as it was seen.
    Unchanged {
        id: u8,
        age: u8,
        stands: Stands,
    },
    Write(Wanted),
}

/// A write that a pass wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) id: u8,
    /// How old the object was when the pass saw it.
    pub(crate) age: u8,
    pub(crate) kind: Kind,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Upsert { content: u8 },
    Bury { is_asked: bool },
    Mark,
}

/// A listing, as far as this delivery has come with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Listing {
    pub(crate) start: Start,
    /// The first page of this leg.
    pub(crate) first: u8,
    pub(crate) last: u8,
    /// The last page that was dealt with.
    pub(crate) page: u8,
    pub(crate) count: Option<u8>,
    /// What earlier legs found, each object once a leg.
    pub(crate) distinct: u8,
    pub(crate) seen_before: Ids,
    pub(crate) seen: Ids,
    pub(crate) moved: bool,
    pub(crate) digest: Option<u8>,
    /// Tombstones that were met and not asked for yet.
    pub(crate) buried: Ids,
    /// The checkpoint will say that a whole listing was finished.
    pub(crate) is_whole: bool,
    pub(crate) rest: Option<Rest>,
}

/// What a message of its own will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rest {
    /// Read the pages after this one.
    Pages(u8),
    /// Compare from this id on.
    Comparison(u8),
}

/// Whose delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// The one that the queue knows of.
    Current,
    /// One that it has given up.
    Zombie(usize),
}

/// One delivery of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Delivery {
    pub(crate) message: Message,
    /// By how much the clock of its host is ahead.
    pub(crate) host: Time,
    pub(crate) phase: Phase,
    pub(crate) task: Task,
    pub(crate) stamp: Time,
    /// When the pass began, by the clock of its host.
    pub(crate) began_at: Time,
    /// What the pass found in the sync state.
    pub(crate) before: SyncState,
    pub(crate) listing: Option<Listing>,
    /// For the properties: how many words Belvo had said when the pass began.
    pub(crate) words: u8,
}

impl Call {
    /// What a pass does that has seen this content. `compares`: it has read what stands here.
    pub(crate) fn after_seeing(record: &Record, id: u8, content: u8, age: u8, compares: bool, guards: Guards) -> Self {
        let stands = record.stands;
        let is_unchanged = match stands {
            Stands::Live { content: stored, is_missing } => {
                stored == content && !(is_missing && guards.has(Guard::ListedAgainIsChanged))
            }
            Stands::Nothing | Stands::Tombstone => false,
        };
        if compares && is_unchanged {
            Self::Unchanged { id, age, stands }
        } else {
            Self::Write(Wanted { id, age, kind: Kind::Upsert { content } })
        }
    }
}

impl Delivery {
    pub(crate) fn new(message: Message, host: Time) -> Self {
        let task = match message.plan {
            Plan::List if message.progress.is_some_and(|progress| progress.compared_to.is_some()) => Task::Compare,
            Plan::List => Task::List,
            Plan::Get(id) => Task::Get(id),
            Plan::Delete(id) => Task::Delete(id),
        };
        let (before, listing) = (SyncState::default(), None);
        Self { message, host, phase: Phase::Begin, task, stamp: 0, began_at: 0, before, listing, words: 0 }
    }

    pub(crate) fn unsettle(&mut self, id: u8) {
        if let Some(listing) = &mut self.listing {
            listing.start.steady.remove(id);
        }
        if let Some(progress) = &mut self.message.progress {
            progress.start.steady.remove(id);
        }
    }

    /// What a pass sees of an object that is so old.
    pub(crate) fn look(&self, age: u8) -> Look {
        Look { stamp: self.stamp, age, words: self.words }
    }
}

impl Listing {
    /// One that begins, or goes on, and has read nothing yet in this delivery.
    pub(crate) fn new(start: Start, from: Option<&Progress>) -> Self {
        Self {
            start,
            first: from.map_or(1, |progress| progress.page),
            last: 0,
            page: 0,
            count: from.map(|progress| progress.count),
            distinct: from.map_or(0, |progress| progress.distinct),
            seen_before: from.map(|progress| progress.seen).unwrap_or_default(),
            seen: Ids::default(),
            moved: from.is_some_and(|progress| progress.moved),
            digest: None,
            buried: Ids::default(),
            is_whole: false,
            rest: None,
        }
    }

    /// What all legs found, as they count it.
    pub(crate) fn distinct(&self) -> u8 {
        self.distinct + self.seen.len()
    }

    /// Everything that was listed.
    pub(crate) fn listed(&self) -> Ids {
        self.seen_before.and(self.seen)
    }

    /// What the next leg has to know.
    pub(crate) fn progress(&self, rest: Rest) -> Progress {
        let (page, compared_to) = match rest {
            Rest::Pages(page) => (page, None),
            Rest::Comparison(id) => (0, Some(id)),
        };
        Progress {
            start: self.start,
            page,
            count: self.count.unwrap_or_default(),
            digest: self.digest,
            distinct: self.distinct(),
            seen: self.listed(),
            moved: self.moved,
            compared_to,
        }
    }
}
