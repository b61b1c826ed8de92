//! The page size that a list really has.
//!
//! Belvo may return fewer objects a page than requested. Pages are requested by their number, and the responses decide which
//! offset a number means.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use belvo::Page;

use crate::listing::page_size::PAGE_SIZE;

/// Maximum number of times that the size shrinks. Pages may be short for another reason, such as rows that Belvo filters out
/// after paging: they would shrink it with every page.
const MAX_CHANGES: u32 = 16;

/// The largest page of one list, as far as the responses show.
#[derive(Debug)]
pub(crate) struct PageCap {
    size: AtomicU32,
    changes: AtomicU32,
}

impl PageCap {
    pub(crate) fn new() -> Self {
        Self { size: AtomicU32::new(PAGE_SIZE), changes: AtomicU32::new(0) }
    }

    /// Returns the largest page size that is worth requesting.
    pub(crate) fn size(&self) -> u32 {
        if self.changes.load(Relaxed) > MAX_CHANGES { PAGE_SIZE } else { self.size.load(Relaxed) }
    }

    /// Returns the page size with which Belvo computed this response, if it is smaller than requested. Then the response is
    /// another part of the list. `number` is the page's number, `listed` the first `count` of the list.
    pub(crate) fn learn(&self, requested: u32, number: u64, listed: Option<u64>, page: &Page) -> Option<u32> {
        let actual = actual_size(number, listed, page).filter(|actual| *actual < requested)?;
        if self.changes.load(Relaxed) > MAX_CHANGES {
            return None;
        }
        if self.size.fetch_min(actual, Relaxed) > actual {
            self.changes.fetch_add(1, Relaxed);
        }
        Some(actual)
    }
}

/// Returns the page size that explains a response: a page with a next page is full, and a last page ends where the list ends.
fn actual_size(number: u64, listed: Option<u64>, page: &Page) -> Option<u32> {
    let length = page.objects.len() as u64;
    let size = if page.has_next {
        length
    } else {
        let count = page.count.filter(|count| listed.is_none_or(|listed| listed == *count))?;
        let (before, pages) = (count.checked_sub(length)?, number.checked_sub(1)?);
        before.checked_div(pages).filter(|size| size * pages == before && *size >= length)?
    };
    u32::try_from(size).ok().filter(|size| length > 0 && *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(count: u64, length: usize, has_next: bool) -> Page {
        let objects = vec![serde_json::from_str("{}").unwrap(); length];
        Page { count: Some(count), has_next, has_foreign_next: false, objects }
    }

    #[test]
    fn a_short_page_that_another_follows_shows_the_size_of_all_pages() {
        let cap = PageCap::new();
        assert_eq!(cap.learn(1_000, 1, None, &page(450, 100, true)), Some(100));
        assert_eq!((cap.size(), cap.learn(100, 2, Some(450), &page(450, 100, true))), (100, None));
        assert_eq!(cap.learn(100, 5, Some(450), &page(450, 50, false)), None, "the last page may be short");
    }

    #[test]
    fn a_last_page_that_ends_where_smaller_pages_would_shows_their_size() {
        let cap = PageCap::new();
        assert_eq!(cap.learn(1_000, 2, Some(1_800), &page(1_800, 900, false)), Some(900));
        assert_eq!(PageCap::new().learn(1_000, 3, Some(2_500), &page(2_500, 500, false)), None);
        assert_eq!(PageCap::new().learn(1_000, 2, Some(1_500), &page(1_499, 500, false)), None, "the list moved");
        assert_eq!(PageCap::new().learn(1_000, 1, None, &page(450, 450, false)), None);
    }

    #[test]
    fn pages_that_are_ever_shorter_are_not_capped() {
        let cap = PageCap::new();
        let learned = (1..=998).rev().map_while(|length| cap.learn(1_000, 1, None, &page(2_500, length, true)));
        assert_eq!(u32::try_from(learned.count()), Ok(MAX_CHANGES + 1));
        assert_eq!(cap.size(), PAGE_SIZE);
        assert_eq!(PageCap::new().learn(1_000, 1, None, &page(9, 0, true)), None, "an empty page shows nothing");
    }
}
