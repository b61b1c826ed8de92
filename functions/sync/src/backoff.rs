//! How long a message that failed stays hidden in the queue.

use std::ops::RangeInclusive;
use std::time::Duration;

use runtime::InvalidSetting;

/// Valid values of `RETRY_BASE_SECONDS`, as in the template.
const BASE_SECONDS: RangeInclusive<u64> = 1..=900;
/// Valid values of `RETRY_CAP_SECONDS`, as in the template. `MaxReceiveCount` attempts then take less than a week, of the
/// 14 days that SQS keeps a message.
const CAP_SECONDS: RangeInclusive<u64> = 1..=3_600;
/// The number of times that the wait doubles at most. After 16 doublings every wait has reached its cap.
const MAX_DOUBLINGS: u32 = 16;

/// Exponential backoff with jitter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    /// The longest wait after the first attempt.
    pub(crate) base: Duration,
    /// The longest wait after any attempt.
    pub(crate) cap: Duration,
}

impl Backoff {
    /// Reads `RETRY_BASE_SECONDS` and `RETRY_CAP_SECONDS`.
    ///
    /// # Errors
    /// [`InvalidSetting`]
    pub(crate) fn from_environment() -> Result<Self, InvalidSetting> {
        Ok(Self {
            base: Duration::from_secs(runtime::bounded("RETRY_BASE_SECONDS", 5, BASE_SECONDS)?),
            cap: Duration::from_secs(runtime::bounded("RETRY_CAP_SECONDS", 900, CAP_SECONDS)?),
        })
    }

    /// Returns the wait after an attempt, counted from 1. `jitter`, between 0 and 1, spreads the wait over its upper half.
    pub(crate) fn delay(self, attempt: u32, retry_after: Option<Duration>, jitter: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(MAX_DOUBLINGS);
        let full = self.base.saturating_mul(1 << doublings).min(self.cap);
        let spread = full.mul_f64(0.5 + jitter / 2.0);

        // The visibility timeout of SQS is in whole seconds, and 0 would be no wait.
        let spread = Duration::from_secs(u64::try_from(spread.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX));
        spread.max(retry_after.unwrap_or_default()).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(5), cap: Duration::from_mins(15) };

    fn longest(attempt: u32) -> u64 {
        BACKOFF.delay(attempt, None, 1.0).as_secs()
    }

    #[test]
    fn the_wait_doubles_up_to_its_cap() {
        assert_eq!([1, 2, 3, 8, 9, 20, u32::MAX].map(longest), [5, 10, 20, 640, 900, 900, 900]);
    }

    #[test]
    fn twenty_attempts_outlive_an_outage_of_hours() {
        let shortest: Duration = (1..20).map(|attempt| BACKOFF.delay(attempt, None, 0.0)).sum();
        assert!(shortest > Duration::from_mins(90), "{shortest:?}");
    }

    #[test]
    fn jitter_takes_off_at_most_half() {
        assert_eq!(BACKOFF.delay(3, None, 0.0), Duration::from_secs(10));
    }

    #[test]
    fn the_retry_after_of_belvo_is_granted_within_the_cap() {
        assert_eq!(BACKOFF.delay(1, Some(Duration::from_mins(2)), 0.5), Duration::from_mins(2));
        assert_eq!(BACKOFF.delay(1, Some(Duration::from_hours(24)), 0.5), BACKOFF.cap);
    }
}
