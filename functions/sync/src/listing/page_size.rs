//! The page size that Belvo can return before its timeout.
//!
//! Belvo can be slow for one page, because of its objects, or for every page. A size that timed out at two offsets is remembered
//! for all lists: otherwise each attempt would cost another timeout. It is forgotten after a while, because Belvo may
//! only have been slow for a moment.

use std::iter::successors;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::EpochMillis;

/// The smallest size that is remembered for all lists. In smaller requests a page of 1,000 objects does not end in time
/// either, and two objects that time out show nothing about other lists.
const LEAST_REMEMBERED: u32 = 125;
/// Objects a page; the largest page size of Belvo.
pub(crate) const PAGE_SIZE: u32 = 1_000;
/// How long a smaller size is remembered, in milliseconds: longer than the longest default backoff, 15 minutes.
const REMEMBERED_MS: EpochMillis = 30 * 60 * 1_000;

/// Returns the next smaller page size, or `None` for 1. It divides the size before, so that pages keep their offsets: after
/// 1,000 come 500, 250, 125, 25, 5 and 1.
pub(crate) fn smaller(size: u32) -> Option<u32> {
    let factor = (2..=size).find(|factor| size.is_multiple_of(*factor))?;
    Some(size / factor)
}

/// Returns the largest page size up to `most` of which a page begins at this offset.
pub(crate) fn size_at(offset: u64, most: u32) -> u32 {
    (1..=most).rev().find(|size| offset.is_multiple_of(u64::from(*size))).unwrap_or(1)
}

/// The page size of all lists, for the life of an execution environment.
#[derive(Debug, Default)]
pub(crate) struct AdaptivePageSize(Mutex<Sizes>);

#[derive(Debug, Default)]
struct Sizes {
    /// The remembered size, and when it was found.
    remembered: Option<(u32, EpochMillis)>,
    /// The last page that timed out, and the time.
    suspect: Option<(Span, EpochMillis)>,
}

/// The objects `begin..begin + size` of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Identifies the list.
    pub(crate) list: u64,
    pub(crate) begin: u64,
    pub(crate) size: u32,
}

impl Span {
    fn overlaps(self, other: Self) -> bool {
        self.list == other.list && self.begin < other.end() && other.begin < self.end()
    }

    fn end(self) -> u64 {
        self.begin + u64::from(self.size)
    }
}

impl Sizes {
    fn size(&self, now: EpochMillis) -> u32 {
        let is_fresh = |(_, at): &(u32, EpochMillis)| now.saturating_sub(*at) < REMEMBERED_MS;
        self.remembered.filter(is_fresh).map_or(PAGE_SIZE, |(size, _)| size)
    }

    fn suspect(&self, now: EpochMillis) -> Option<Span> {
        self.suspect.filter(|(_, at)| now.saturating_sub(*at) < REMEMBERED_MS).map(|(span, _)| span)
    }

    fn remember(&mut self, size: u32, at: EpochMillis, now: EpochMillis) {
        if size < self.size(now) && now.saturating_sub(at) < REMEMBERED_MS {
            self.remembered = Some((size.max(1), at));
        }
    }
}

impl AdaptivePageSize {
    /// Returns the page size to use.
    pub(crate) fn size(&self, now: EpochMillis) -> u32 {
        self.lock().size(now)
    }

    /// Returns the largest page size to use at this offset. The last page that timed out is not requested again, nor any page
    /// that contains it.
    pub(crate) fn size_in(&self, list: u64, begin: u64, now: EpochMillis) -> u32 {
        let sizes = self.lock();
        let size = sizes.size(now);
        let Some(suspect) = sizes.suspect(now) else { return size };
        let may_pass = |size: &u32| *size < suspect.size || !suspect.overlaps(Span { list, begin, size: *size });
        successors(Some(size), |size| smaller(*size)).find(may_pass).unwrap_or(1)
    }

    /// Records that a page timed out.
    pub(crate) fn note_timeout(&self, span: Span, now: EpochMillis) {
        let mut sizes = self.lock();
        if let Some(other) = sizes.suspect(now).filter(|other| !other.overlaps(span)) {
            // Both offsets need less than the larger of the two sizes.
            let less = smaller(other.size.max(span.size)).unwrap_or(1);
            sizes.remember(less.max(LEAST_REMEMBERED), now, now);
        }
        sizes.suspect = Some((span, now));
    }

    /// Records the page size that another environment used, at the time `at` or later.
    pub(crate) fn learn(&self, size: u32, at: EpochMillis, now: EpochMillis) {
        self.lock().remember(size, at, now);
    }

    fn lock(&self) -> MutexGuard<'_, Sizes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EpochMillis = 1_700_000_000_000;

    #[test]
    fn each_smaller_size_divides_the_one_before_it() {
        let sizes = |size| std::iter::successors(Some(size), |size| smaller(*size)).collect::<Vec<_>>();
        assert_eq!(sizes(1_000), [1_000, 500, 250, 125, 25, 5, 1]);
        assert_eq!((sizes(100), sizes(37)), (vec![100, 50, 25, 5, 1], vec![37, 1]));
    }

    #[test]
    fn a_size_is_used_only_where_its_pages_begin() {
        assert_eq!(
            [0, 1_000, 500, 1_750, 125, 30, 7].map(|offset| size_at(offset, 1_000)),
            [1_000, 1_000, 500, 875, 125, 30, 7]
        );
        assert_eq!([0, 74, 1_000, 11].map(|offset| size_at(offset, 37)), [37, 37, 25, 11]);
    }

    fn span(list: u64, begin: u64, size: u32) -> Span {
        Span { list, begin, size }
    }

    #[test]
    fn a_page_that_times_out_costs_only_itself_and_is_requested_in_smaller_ones_the_next_time() {
        let page_size = AdaptivePageSize::default();
        for tried in [span(1, 0, 1_000), span(1, 500, 500), span(1, 500, 250)] {
            page_size.note_timeout(tried, NOW);
        }
        assert_eq!(page_size.size(NOW), PAGE_SIZE);
        assert_eq!([0, 500, 1_000].map(|begin| page_size.size_in(1, begin, NOW)), [500, 125, PAGE_SIZE]);
        assert_eq!(
            (page_size.size_in(2, 500, NOW), page_size.size_in(1, 500, NOW + REMEMBERED_MS)),
            (PAGE_SIZE, PAGE_SIZE)
        );
    }

    #[test]
    fn a_single_object_that_timed_out_is_requested_by_itself_and_the_others_are_not() {
        let page_size = AdaptivePageSize::default();
        page_size.note_timeout(span(1, 1_234, 1), NOW);
        let sizes = [1_000, 1_125, 1_225, 1_230, 1_234, 1_235].map(|begin| page_size.size_in(1, begin, NOW));
        assert_eq!(sizes, [125, 25, 5, 1, 1, PAGE_SIZE]);
    }

    #[test]
    fn two_objects_that_timed_out_do_not_make_other_pages_small() {
        let page_size = AdaptivePageSize::default();
        page_size.note_timeout(span(1, 1_500, 1), NOW);
        page_size.note_timeout(span(1, 1_502, 1), NOW);
        assert!(page_size.size(NOW) >= 125, "{}", page_size.size(NOW));
    }

    #[test]
    fn a_size_that_timed_out_at_two_offsets_is_remembered_for_half_an_hour() {
        let page_size = AdaptivePageSize::default();
        page_size.note_timeout(span(1, 0, 1_000), NOW);
        page_size.note_timeout(span(2, 0, 1_000), NOW);
        assert_eq!(page_size.size(NOW), 500);
        page_size.note_timeout(span(2, 0, 500), NOW + 1);
        assert_eq!(page_size.size(NOW + 1), 500, "the same place");
        page_size.note_timeout(span(2, 500, 500), NOW + 1);
        assert_eq!((page_size.size(NOW + 1), page_size.size(NOW + REMEMBERED_MS)), (250, 250));
        assert_eq!(page_size.size(NOW + 1 + REMEMBERED_MS), PAGE_SIZE, "Belvo may have been slow for a moment");
    }

    #[test]
    fn a_timeout_of_long_ago_is_no_second_offset() {
        let page_size = AdaptivePageSize::default();
        page_size.note_timeout(span(1, 0, 1_000), NOW);
        page_size.note_timeout(span(2, 0, 1_000), NOW + REMEMBERED_MS);
        assert_eq!(page_size.size(NOW + REMEMBERED_MS), PAGE_SIZE);
    }

    #[test]
    fn a_size_of_another_environment_is_remembered_as_long_as_one_of_this() {
        let page_size = AdaptivePageSize::default();
        page_size.learn(25, NOW - REMEMBERED_MS, NOW);
        assert_eq!(page_size.size(NOW), PAGE_SIZE, "that was long ago");
        page_size.learn(25, NOW, NOW + 5);
        assert_eq!((page_size.size(NOW + 5), page_size.size(NOW + REMEMBERED_MS)), (25, PAGE_SIZE));
    }
}
