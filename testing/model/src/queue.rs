//! The link's message group: one message at a time, in order, at least once.

use crate::ids::Ids;
use crate::time::{Tick, Time};

/// The work that a webhook asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plan {
    /// List all objects.
    List,
    /// Request an object by its id.
    Get(u8),
    /// Replace an object by a tombstone.
    Delete(u8),
}

/// The start of a listing, in this message or an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Start {
    pub(crate) began_at: Time,
    pub(crate) token: Time,
    /// Whether no pass began before. Then no record can be missing.
    pub(crate) is_first_load: bool,
    pub(crate) relistings: u8,
    /// For the properties: the tick at which the listing began.
    pub(crate) tick: Tick,
    /// For the properties: the objects that were listed, or not listed, throughout.
    pub(crate) stable_ids: Ids,
}

/// The progress of a listing, as a continuation carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Progress {
    pub(crate) start: Start,
    /// The last page that was written.
    pub(crate) page: u8,
    pub(crate) count: u8,
    /// The digest of that page: its id.
    pub(crate) digest: Option<u8>,
    /// The sum of the distinct objects that each message found.
    pub(crate) distinct: u8,
    /// The ids that all messages have seen. In the product each message stores its ids in the table, under its token.
    pub(crate) seen_ids: Ids,
    pub(crate) has_moved: bool,
    /// The id to compare next, if every page was read.
    pub(crate) compared_to: Option<u8>,
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Message {
    pub(crate) plan: Plan,
    pub(crate) received_at: Time,
    /// The index of its event item.
    pub(crate) event: u8,
    pub(crate) progress: Option<Progress>,
    /// For the properties: the tick at which it was received.
    pub(crate) tick: Tick,
    /// For the properties: the age of the object at its deletion.
    pub(crate) age: u8,
}

/// The message group and its dead-letter queue.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    /// The queue delivers the first of these.
    pub(crate) waiting: Vec<Message>,
    pub(crate) dead: Vec<Message>,
    /// Webhooks that Belvo has not sent yet.
    pub(crate) late: Vec<Message>,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dead.is_empty() && self.late.is_empty()
    }

    /// Records in every listing that an object is listed from now on, or no longer.
    pub(crate) fn mark_unstable(&mut self, id: u8) {
        for message in self.waiting.iter_mut().chain(&mut self.dead) {
            if let Some(progress) = &mut message.progress {
                progress.start.stable_ids.remove(id);
            }
        }
    }
}
