//! The link's message group: one message at a time, in order, at least once.

use crate::ids::Ids;
use crate::time::Time;

/// What a webhook asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plan {
    /// List everything.
    List,
    /// Ask for this object.
    Get(u8),
    /// Make a tombstone of this object.
    Delete(u8),
}

/// Where a listing began; perhaps in an earlier leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Start {
    pub(crate) began_at: Time,
    pub(crate) stamp: Time,
    /// Had nobody looked before? Then nothing can be missing.
    pub(crate) is_first_load: bool,
    pub(crate) relistings: u8,
    /// For the properties: how many words Belvo had said when it began.
    pub(crate) words: u8,
    /// For the properties: the objects that have been listed, or not been listed, all the time since it began.
    pub(crate) steady: Ids,
}

/// How far a listing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Progress {
    pub(crate) start: Start,
    /// The last page that was written.
    pub(crate) page: u8,
    pub(crate) count: u8,
    /// The id on that page: the digest.
    pub(crate) digest: Option<u8>,
    /// How many objects each leg found, added up.
    pub(crate) distinct: u8,
    /// What all legs saw. (In the product each leg keeps its part in the table, under its stamp.)
    pub(crate) seen: Ids,
    pub(crate) moved: bool,
    /// Every page was read; the id to compare next.
    pub(crate) compared_to: Option<u8>,
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Message {
    pub(crate) plan: Plan,
    pub(crate) received_at: Time,
    /// Its event item.
    pub(crate) event: u8,
    pub(crate) progress: Option<Progress>,
    /// For the properties: how many words Belvo had said when it was received.
    pub(crate) words: u8,
    /// For the properties: the age of the object when it was deleted.
    pub(crate) age: u8,
}

/// The group, and what was given up.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    /// The first of them is the one that is delivered.
    pub(crate) waiting: Vec<Message>,
    pub(crate) dead: Vec<Message>,
    /// Webhooks that Belvo will send some time.
    pub(crate) late: Vec<Message>,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dead.is_empty() && self.late.is_empty()
    }

    /// An object is listed from now on, or not any more: no listing on its way can be expected to know.
    pub(crate) fn unsettle(&mut self, id: u8) {
        for message in self.waiting.iter_mut().chain(&mut self.dead) {
            if let Some(progress) = &mut message.progress {
                progress.start.steady.remove(id);
            }
        }
    }
}
