//! How many objects of a list Belvo can give at once.
//!
//! What was too much is remembered for a while, also for other lists: it would otherwise cost Belvo's patience and ours again
//! at every attempt. And it is forgotten after a while: Belvo may only have been slow for a moment.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use domain::EpochMillis;

/// Objects a page; Belvo's largest.
pub(crate) const PAGE_SIZE: u32 = 1_000;
/// What is asked for instead when Belvo takes too long for a page. Each divides the one before it, so that pages keep their
/// place in the list.
const SIZES: [u32; 7] = [PAGE_SIZE, 500, 250, 125, 25, 5, 1];
/// How long a smaller size is remembered: longer than a message waits for its next attempt.
const REMEMBERED_MS: EpochMillis = 30 * 60 * 1_000;

/// The size, for the life of an execution environment.
#[derive(Debug)]
pub(crate) struct Piece {
    size: AtomicU32,
    /// When it last turned out to be too large; 0 for never.
    shrunk_at: AtomicI64,
}

impl Piece {
    pub(crate) fn new() -> Self {
        Self { size: AtomicU32::new(PAGE_SIZE), shrunk_at: AtomicI64::new(0) }
    }

    /// How many objects to ask for at once.
    pub(crate) fn size(&self, now: EpochMillis) -> u32 {
        let is_remembered = now.saturating_sub(self.shrunk_at.load(Ordering::Relaxed)) < REMEMBERED_MS;
        if is_remembered { self.size.load(Ordering::Relaxed) } else { PAGE_SIZE }
    }

    /// How many to ask for from this place in the list on: pages of that size begin there.
    pub(crate) fn size_at(&self, offset: u64, now: EpochMillis) -> u32 {
        let size = self.size(now);
        SIZES.into_iter().find(|fits| *fits <= size && offset.is_multiple_of(u64::from(*fits))).unwrap_or(1)
    }

    /// So many were too much. `false` when there is nothing smaller.
    pub(crate) fn shrink(&self, tried: u32, now: EpochMillis) -> bool {
        let Some(smaller) = SIZES.into_iter().find(|size| *size < tried) else { return false };
        // Others may have come to the same end; the smallest counts.
        self.size.store(self.size(now).min(smaller), Ordering::Relaxed);
        self.shrunk_at.store(now, Ordering::Relaxed);
        true
    }

    /// Another environment found that no more than so many can be had, at this time or later.
    pub(crate) fn learn(&self, size: u32, at: EpochMillis, now: EpochMillis) {
        if size < self.size(now) && now.saturating_sub(at) < REMEMBERED_MS {
            self.size.store(size.max(1), Ordering::Relaxed);
            self.shrunk_at.fetch_max(at, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EpochMillis = 1_700_000_000_000;

    #[test]
    fn what_was_too_much_is_remembered_for_half_an_hour() {
        let piece = Piece::new();
        assert!(piece.shrink(1_000, NOW) && piece.shrink(500, NOW + 1));
        assert_eq!(piece.size(NOW + REMEMBERED_MS), 250);
        assert_eq!(piece.size(NOW + 1 + REMEMBERED_MS), PAGE_SIZE, "Belvo may have been slow for a moment");
        assert!(piece.shrink(1_000, NOW + 2 * REMEMBERED_MS));
        assert_eq!(piece.size(NOW + 2 * REMEMBERED_MS), 500, "what was forgotten does not come back");
        assert!(!piece.shrink(1, NOW));
    }

    #[test]
    fn a_size_is_asked_for_only_where_its_pages_begin() {
        let piece = Piece::new();
        assert_eq!(
            [0, 1_000, 500, 1_750, 125, 30, 7].map(|offset| piece.size_at(offset, NOW)),
            [1_000, 1_000, 500, 250, 125, 5, 1]
        );
        piece.shrink(500, NOW);
        assert_eq!([0, 500, 25].map(|offset| piece.size_at(offset, NOW)), [250, 250, 25]);
    }

    #[test]
    fn what_another_environment_found_counts_as_long_as_if_it_had_been_found_here() {
        let piece = Piece::new();
        piece.learn(25, NOW - REMEMBERED_MS, NOW);
        assert_eq!(piece.size(NOW), PAGE_SIZE, "that was long ago");
        piece.learn(25, NOW, NOW + 5);
        assert_eq!((piece.size(NOW + 5), piece.size(NOW + REMEMBERED_MS)), (25, PAGE_SIZE));
    }
}
