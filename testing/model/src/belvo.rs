//! Belvo: what is true, what its lists show, what it announces.

use crate::ids::MAX_OBJECTS;

/// A change to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// It exists for the first time.
    Add,
    /// Its content changes.
    Update,
    /// It is gone.
    Delete,
    /// It is there again, with the content that it had: the harder case, since a record that stands looks unchanged.
    Restore,
}

/// How Belvo announces a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notice {
    /// By a webhook, at once.
    Once,
    /// Not at all, or the webhook is lost before it was acknowledged.
    Never,
    /// By a webhook that comes some time.
    Late,
    /// By a webhook at once, and by one more that comes some time.
    Twice,
}

/// One object as it is at Belvo.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Truth {
    pub(crate) is_present: bool,
    pub(crate) content: u8,
    /// Counts the changes of this object: what was seen at a higher number is newer.
    pub(crate) age: u8,
    /// The age at which it was last absent.
    pub(crate) absent_at: u8,
    /// Lists still show it, though it is gone.
    pub(crate) lags: bool,
    /// Was its last deletion announced?
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

    pub(crate) fn apply(&mut self, change: Change, notice: Notice, lags: bool) {
        self.age += 1;
        self.is_present = change != Change::Delete;
        self.lags = lags;
        match change {
            Change::Add | Change::Update => self.content += 1,
            Change::Delete => {
                self.absent_at = self.age;
                self.is_announced = notice != Notice::Never;
            }
            Change::Restore => {}
        }
    }

    /// The age of what a list shows.
    pub(crate) fn listed_age(self) -> u8 {
        // What lags was there just before it was deleted.
        if self.lags { self.age - 1 } else { self.age }
    }
}

/// A page of a list: one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Page {
    pub(crate) id: Option<u8>,
    pub(crate) count: u8,
    pub(crate) has_next: bool,
}

/// All objects of a link.
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

    /// The ids that are listed, in their order.
    pub(crate) fn list(&self) -> impl Iterator<Item = u8> {
        (0_u8..).zip(self.objects).filter(|(_, truth)| truth.is_listed()).map(|(id, _)| id)
    }

    /// A page, counted from 1. None when there is none; the first is always there.
    pub(crate) fn page(&self, number: u8) -> Option<Page> {
        let count = u8::try_from(self.list().count()).unwrap_or(u8::MAX);
        let id = self.list().nth(usize::from(number) - 1);
        (id.is_some() || number == 1).then_some(Page { id, count, has_next: number < count })
    }
}
