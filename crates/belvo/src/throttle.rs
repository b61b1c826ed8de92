//! The rate limit of the requests to Belvo.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// How long the rate is halved after Belvo's edge rejected a request. Other clients may share the address, or the
/// configured rate is too high.
pub(crate) const SLOW_PERIOD: Duration = Duration::from_mins(1);

/// A client-side rate limiter. It halves the rate for [`SLOW_PERIOD`] on request.
#[derive(Debug)]
pub(crate) struct Throttle {
    limiter: DefaultDirectRateLimiter,
    /// The end of the period with half the rate.
    slow_until: Mutex<Option<Instant>>,
}

impl Throttle {
    pub(crate) fn new(requests_per_30s: NonZeroU32) -> Self {
        Self { limiter: RateLimiter::direct(quota(requests_per_30s)), slow_until: Mutex::new(None) }
    }

    /// Halves the rate for [`SLOW_PERIOD`].
    pub(crate) fn slow_down(&self) {
        *self.slow_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + SLOW_PERIOD);
    }

    /// Waits until the rate limit allows another request.
    pub(crate) async fn acquire_permit(&self) {
        self.limiter.until_ready().await;
        if self.is_slow(Instant::now()) {
            self.limiter.until_ready().await;
        }
    }

    /// Returns `true` if the rate is halved at this time.
    pub(crate) fn is_slow(&self, now: Instant) -> bool {
        self.slow_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| now < until)
    }
}

/// Returns a quota whose burst and refill together stay within the budget of any 30 seconds.
fn quota(requests_per_30s: NonZeroU32) -> Quota {
    let budget = requests_per_30s.get();
    let burst = (budget / 6).max(1);
    let refill = (budget - burst).max(1);

    let quota = Quota::with_period(Duration::from_secs(30) / refill).unwrap_or(Quota::per_minute(NonZeroU32::MIN));
    quota.allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN))
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    /// Returns the number of requests that pass in the first 30 seconds, when as many as possible are sent.
    fn sent_in_30s(budget: u32) -> u32 {
        let clock = FakeRelativeClock::default();
        let limiter = RateLimiter::direct_with_clock(quota(NonZeroU32::new(budget).unwrap()), clock.clone());
        let mut sent = 0;
        for _ in 0..3_000 {
            while limiter.check().is_ok() {
                sent += 1;
            }
            clock.advance(Duration::from_millis(10));
        }
        sent
    }

    #[test]
    fn the_budget_is_used_and_never_exceeded() {
        for budget in [6, 36, 72, 1_000] {
            let sent = sent_in_30s(budget);
            assert!(sent <= budget && sent + 2 >= budget, "{sent} of {budget}");
        }
    }
}
