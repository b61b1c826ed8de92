//! The position and state of an object, without its generated members.

use std::sync::Arc;

use super::{Link, Row};
use crate::{ids::Locator, json::Members, random::Dice, world::resources::accounts::ACCOUNTS};

/// An object, by its position.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) link: &'a Link,
    pub(crate) row: &'a Row,
    pub(crate) seed: u64,
    pub(crate) resource: usize,
    pub(crate) index: usize,
}

impl<'a> Place<'a> {
    /// Returns the generator of values that never change.
    pub(crate) fn dice(self) -> Dice {
        Dice::new(self.seed, self.index)
    }

    /// Returns the generator of values that change with each revision.
    pub(crate) fn revised_dice(self) -> Dice {
        self.dice().revised(self.row.revision)
    }

    /// Returns the id of an object that belongs to a link.
    pub(crate) fn located_id(self) -> String {
        match self.link.documented.get(&(self.resource, self.index)) {
            Some(id) => (*id).to_owned(),
            None => Locator { tag: self.link.tag, resource: self.resource, index: self.index }.to_uuid(),
        }
    }

    /// Returns `created_at`, which changes when Belvo writes an unchanged object again.
    pub(crate) fn created(self) -> i64 {
        self.saved().unwrap_or(self.row.created)
    }

    /// Returns `collected_at`, which changes with it.
    pub(crate) fn collected(self) -> i64 {
        self.saved().map_or(self.row.collected, |saved| saved.max(self.row.collected))
    }

    fn saved(self) -> Option<i64> {
        self.link.saved.get(&(self.resource, self.index)).copied()
    }

    /// Returns the number of variants of this object.
    pub(crate) fn variants(self) -> usize {
        self.link.replaced.get(&(self.resource, self.index)).map_or(1, Vec::len)
    }

    /// Returns the replaced members of a copy.
    pub(crate) fn replaced(self, copy: usize) -> Option<&'a Arc<Members>> {
        let variants = self.link.replaced.get(&(self.resource, self.index))?;
        variants.get(copy % variants.len().max(1))
    }

    /// Returns the account of the object.
    pub(crate) fn account(self) -> Option<Place<'a>> {
        self.link.place(&ACCOUNTS, usize::from(self.row.account?))
    }
}
