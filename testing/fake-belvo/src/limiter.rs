//! A limit on the number of requests in a sliding window of time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A sliding-window rate limiter.
pub(crate) struct Limiter {
    window: Duration,
    passed: VecDeque<Instant>,
}

impl Limiter {
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, passed: VecDeque::new() }
    }

    /// Returns `true` if the limit permits another request, and counts it. A limit of 0 permits all.
    pub(crate) fn admits(&mut self, limit: usize, now: Instant) -> bool {
        if limit == 0 {
            return true;
        }
        while self.passed.front().is_some_and(|passed| now.duration_since(*passed) >= self.window) {
            self.passed.pop_front();
        }
        let admitted = self.passed.len() < limit;
        if admitted {
            self.passed.push_back(now);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_counts_the_last_thirty_seconds() {
        let (mut limiter, start) = (Limiter::new(Duration::from_secs(30)), Instant::now());
        assert!(limiter.admits(2, start));
        assert!(limiter.admits(2, start + Duration::from_secs(29)));
        assert!(!limiter.admits(2, start + Duration::from_secs(29)));
        assert!(limiter.admits(2, start + Duration::from_secs(30)));
        assert!(!limiter.admits(2, start + Duration::from_secs(31)));
    }

    #[test]
    fn no_limit_lets_everything_pass() {
        let mut limiter = Limiter::new(Duration::from_secs(30));
        assert!((0..1000).all(|_| limiter.admits(0, Instant::now())));
    }
}
