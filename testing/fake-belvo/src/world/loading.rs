//! Puts data into a link.

use super::{
    Link, Row,
    catalogue::{CATALOGUE, Holding, Resource, Sizes},
    resources::accounts::ACCOUNTS,
};
use crate::random::Dice;

impl Link {
    /// Appends rows, created one microsecond apart and all before `until`, unless existing rows are younger than that.
    pub(crate) fn append(&mut self, resource: &Resource, count: usize, until: i64) {
        let accounts = self.table(&ACCOUNTS).rows.len();
        let table = self.table_mut(resource);
        let span = i64::try_from(count).unwrap_or(i64::MAX);
        let after_last = table.rows.last().map_or(i64::MIN, |row| row.created + 1);
        let first = until.saturating_sub(span).max(after_last);
        table.rows.reserve(count);
        for created in first..first + span {
            let index = table.rows.len();
            let account = if resource.in_account { account_of(table.seed, index, accounts) } else { None };
            table.rows.push(Row { collected: created.max(until), account, ..Row::new(created) });
        }
        self.order_by_id(resource);
    }

    /// Creates the rows of the first load of every resource. Lists stay empty until [`Link::make_ready`].
    pub(crate) fn fill(&mut self, sizes: &Sizes, loaded_at: i64) {
        for resource in self.resources() {
            self.append(resource, sizes.of(resource.webhook_type), loaded_at);
            let table = self.table_mut(resource);
            table.loaded = table.rows.len();
        }
    }

    /// Shows the rows of a resource in its lists.
    pub(crate) fn make_ready(&mut self, resource: &Resource) {
        self.table_mut(resource).ready = true;
    }

    /// Returns the resources that links of the link's country have.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &'static Resource> + use<> {
        let country = self.institution.country;
        CATALOGUE.into_iter().filter(move |resource| resource.holding == Holding::PerLink && resource.serves(country))
    }
}

/// Picks the account of a row. From row 100 on, one row in 1024 has no account: Belvo's schema allows null.
fn account_of(seed: u64, index: usize, accounts: usize) -> Option<u16> {
    let dice = Dice::new(seed, index);
    if accounts == 0 || (index >= 100 && dice.once_in("no account", 1024)) {
        return None;
    }
    u16::try_from(dice.below("account", accounts)).ok()
}
