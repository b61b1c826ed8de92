//! The rows of one resource of one link.

use std::collections::BTreeSet;

use crate::config::Order;

/// The state of one object, 32 bytes.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Microseconds since 1970, increasing from row to row.
    pub(crate) created: i64,
    /// When Belvo last collected it from the institution.
    pub(crate) collected: i64,
    /// When it was deleted; 0 while it is present.
    pub(crate) gone: i64,
    /// The number of changes.
    pub(crate) revision: u32,
    /// The row of its account, if any.
    pub(crate) account: Option<u16>,
}

impl Row {
    pub(crate) fn new(created: i64) -> Self {
        Self { created, collected: created, gone: 0, revision: 0, account: None }
    }

    pub(crate) fn present(&self) -> bool {
        self.gone == 0
    }

    /// Returns `true` if a stale read as of `seen_at` shows the row.
    pub(crate) fn listed(&self, seen_at: i64) -> bool {
        self.present() || self.gone > seen_at
    }
}

/// Changes that no webhook has announced yet, as row numbers.
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
    /// The index of all rows by id.
    pub(super) by_id: Vec<u32>,
    /// The number of rows of the first load. Later rows arrived as updates.
    pub(crate) loaded: usize,
    /// Whether the load has ended. Until then, lists are empty.
    pub(crate) ready: bool,
    /// The number of deleted rows.
    pub(crate) gone: usize,
    pub(crate) news: News,
}

impl Table {
    /// Returns the row at a position of the order.
    pub(crate) fn at(&self, position: usize, order: Order) -> usize {
        let by_id = |position| self.by_id.get(position).map(|row| *row as usize);
        if order == Order::Id { by_id(position).unwrap_or(position) } else { position }
    }

    /// Returns the numbers of the present rows.
    pub(crate) fn present(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().enumerate().filter(|(_, row)| row.present()).map(|(index, _)| index)
    }
}
