//! One object, as far as it is known without drawing it.

use std::sync::Arc;

use super::{Link, Row};
use crate::{ids::Locator, json::Members, random::Dice, world::resources::accounts::ACCOUNTS};

/// One object and its place.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) link: &'a Link,
    pub(crate) row: &'a Row,
    pub(crate) seed: u64,
    pub(crate) resource: usize,
    pub(crate) index: usize,
}

impl<'a> Place<'a> {
    /// Draws that never change.
    pub(crate) fn dice(self) -> Dice {
        Dice::new(self.seed, self.index)
    }

    /// Draws that change with each revision.
    pub(crate) fn revised_dice(self) -> Dice {
        self.dice().revised(self.row.revision)
    }

    /// The id of an object that belongs to a link.
    pub(crate) fn located_id(self) -> String {
        match self.link.documented.get(&(self.resource, self.index)) {
            Some(id) => (*id).to_owned(),
            None => Locator { tag: self.link.tag, resource: self.resource, index: self.index }.to_uuid(),
        }
    }

    /// `created_at`, which moves when Belvo writes an unchanged object again.
    pub(crate) fn created(self) -> i64 {
        self.saved().unwrap_or(self.row.created)
    }

    /// `collected_at`, which moves with it.
    pub(crate) fn collected(self) -> i64 {
        self.saved().map_or(self.row.collected, |saved| saved.max(self.row.collected))
    }

    fn saved(self) -> Option<i64> {
        self.link.saved.get(&(self.resource, self.index)).copied()
    }

    /// How many forms the copies of this object have.
    pub(crate) fn variants(self) -> usize {
        self.link.replaced.get(&(self.resource, self.index)).map_or(1, Vec::len)
    }

    /// The members that stand in place of the copy's own.
    pub(crate) fn replaced(self, copy: usize) -> Option<&'a Arc<Members>> {
        let variants = self.link.replaced.get(&(self.resource, self.index))?;
        variants.get(copy % variants.len().max(1))
    }

    /// The account that the object belongs to.
    pub(crate) fn account(self) -> Option<Place<'a>> {
        self.link.place(&ACCOUNTS, usize::from(self.row.account?))
    }
}
