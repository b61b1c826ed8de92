//! Belvo: its objects, its lists and its webhooks.

use crate::ids::MAX_OBJECTS;

/// A change to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// The object exists for the first time.
    Add,
    /// The content changes.
    Update,
    /// The object is gone.
    Delete,
    /// The object is back with its old content. That is the harder case: a live record looks unchanged.
    Restore,
}

/// How Belvo announces a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// By a webhook, at once.
    Once,
    /// Not at all, or the webhook is lost before its acknowledgement.
    Never,
    /// By a late webhook.
    Late,
    /// By a webhook at once and by a late one.
    Twice,
}

/// One object at Belvo.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Truth {
    pub(crate) is_present: bool,
    pub(crate) content: u8,
    /// The number of changes to this object so far.
    pub(crate) age: u8,
    /// The age at which the object was last deleted.
    pub(crate) absent_at: u8,
    /// Whether lists still show the deleted object.
    pub(crate) lags: bool,
    /// Whether Belvo announces the last deletion.
    pub(crate) is_announced: bool,
}

impl Truth {
    pub(crate) fn is_listed(self) -> bool {
        self.is_present || self.lags
    }

    pub(crate) fn allows(self, change: Change) -> bool {
        match change {
            Change::Add => !self.is_present && self.age == 0,
            Change::Update | Change::Delete => self.is_present,
            Change::Restore => !self.is_present && self.age > 0,
        }
    }

    pub(crate) fn apply(&mut self, change: Change, announcement: Announcement, lags: bool) {
        self.age += 1;
        self.is_present = change != Change::Delete;
        self.lags = lags;
        match change {
            Change::Add | Change::Update => self.content += 1,
            Change::Delete => {
                self.absent_at = self.age;
                self.is_announced = announcement != Announcement::Never;
            }
            Change::Restore => {}
        }
    }

    /// Returns the age of the object as a list shows it.
    pub(crate) fn listed_age(self) -> u8 {
        // A lagging list shows the object as it was before the deletion.
        if self.lags { self.age - 1 } else { self.age }
    }
}

/// A page of a list. It holds at most one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Page {
    pub(crate) id: Option<u8>,
    /// The number of objects of the whole list.
    pub(crate) count: u8,
    pub(crate) has_next: bool,
}

/// The objects of a link.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Belvo {
    pub(crate) objects: [Truth; MAX_OBJECTS],
}

impl Belvo {
    pub(crate) fn object(&self, id: u8) -> Truth {
        self.objects[usize::from(id)]
    }

    pub(crate) fn object_mut(&mut self, id: u8) -> &mut Truth {
        &mut self.objects[usize::from(id)]
    }

    /// Returns the listed ids in list order.
    pub(crate) fn list(&self) -> impl Iterator<Item = u8> {
        (0_u8..).zip(self.objects).filter(|(_, truth)| truth.is_listed()).map(|(id, _)| id)
    }

    /// Returns a page by its number from 1, or `None` after the last one. The first page always exists.
    pub(crate) fn page(&self, number: u8) -> Option<Page> {
        let count = u8::try_from(self.list().count()).unwrap_or(u8::MAX);
        let id = self.list().nth(usize::from(number) - 1);
        (id.is_some() || number == 1).then_some(Page { id, count, has_next: number < count })
    }
}
