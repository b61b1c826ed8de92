//! The result of reading one page.

use domain::Progress;

/// Maximum number of pages of a list: ten million objects.
pub(super) const MAX_PAGES: u64 = 10_000;

/// What remains of a page after its objects were written.
#[derive(Debug)]
pub(super) struct PageRead {
    /// How many objects the list has, if Belvo says so.
    pub(super) count: Option<u64>,
    /// Whether another page follows.
    pub(super) has_next: bool,
    /// The digest of its ids. Empty if objects of it were left out.
    pub(super) digest: String,
}

/// What the reader does with the objects of a page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Write,
    /// Computes their digest only. An earlier message has written them.
    Digest,
}

/// The page up to which a list was written.
#[derive(Debug, Default)]
pub(crate) struct LastPage {
    /// Counted from 1. 0 if only the comparison with the table remains.
    pub(super) number: u64,
    pub(super) digest: String,
}

impl PageRead {
    /// Returns `true` if the page, or the length of the list, has changed since an earlier message read it.
    pub(super) fn differs_from(&self, progress: &Progress) -> bool {
        self.digest != progress.digest || self.count.zip(progress.count).is_some_and(|(now, then)| now != then)
    }
}
