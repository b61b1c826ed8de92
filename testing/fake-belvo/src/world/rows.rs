//! The rows of one resource of one link.

use std::collections::BTreeSet;

use crate::config::Order;

/// The state of one object, 32 bytes.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Microseconds since 1970; grows from row to row.
    pub(crate) created: i64,
    /// When Belvo last took it from the institution.
    pub(crate) collected: i64,
    /// When it was deleted; 0 while it is there.
    pub(crate) gone: i64,
    /// How often it was changed.
    pub(crate) revision: u32,
    /// The row of its account, where it has one.
    pub(crate) account: Option<u16>,
}

impl Row {
    pub(crate) fn new(created: i64) -> Self {
        Self { created, collected: created, gone: 0, revision: 0, account: None }
    }

    pub(crate) fn present(&self) -> bool {
        self.gone == 0
    }

    /// Whether a replica that lags shows it: a deleted row stays visible until the lag has passed.
    pub(crate) fn listed(&self, seen_at: i64) -> bool {
        self.present() || self.gone > seen_at
    }
}

/// What was changed and not yet announced, as row numbers.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) added: usize,
    pub(crate) updated: BTreeSet<usize>,
    pub(crate) deleted: BTreeSet<usize>,
}

/// All rows of one resource of one link.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) seed: u64,
    pub(crate) rows: Vec<Row>,
    /// The numbers of all rows, in the order of their ids.
    pub(super) by_id: Vec<u32>,
    /// Rows that the first load brought; later ones arrived as updates.
    pub(crate) loaded: usize,
    /// Before the load has ended, lists are empty.
    pub(crate) ready: bool,
    /// How many rows are deleted.
    pub(crate) gone: usize,
    pub(crate) news: News,
}

impl Table {
    /// The number of the row at a position of the order.
    pub(crate) fn at(&self, position: usize, order: Order) -> usize {
        let by_id = |position| self.by_id.get(position).map(|row| *row as usize);
        if order == Order::Id { by_id(position).unwrap_or(position) } else { position }
    }

    /// The rows that are there, with their numbers.
    pub(crate) fn present(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().enumerate().filter(|(_, row)| row.present()).map(|(index, _)| index)
    }
}
