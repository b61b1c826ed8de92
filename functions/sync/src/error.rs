//! Why a message goes back to the queue, and for how long.

use std::ops::RangeInclusive;
use std::time::Duration;

use belvo::ProviderError;
use domain::DecodeError;
use queue::QueueError;
use runtime::InvalidSetting;
use store::StoreError;

/// Everything after which a message comes back. After `MaxReceiveCount` times it goes to the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// Not a message that this release reads. Does not pass by itself; a deployment or a person mends it.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// Belvo did not give what was asked for.
    #[error(transparent)]
    Belvo(#[from] belvo::Error),
    /// DynamoDB did not do what it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Belvo cannot be asked at all.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Another pass over the link has begun: this one stopped. Passes at once.
    #[error("another pass over the link has begun")]
    Overtaken,
    /// Neither the list nor the link is known to Belvo. With credentials for another of its environments it looks the
    /// same, so somebody looks, at the dead-letter queue at the latest.
    #[error("Belvo does not know the link")]
    LinkGone,
    /// Belvo announced that the link was deleted and still has it. Its reads may lag.
    #[error("Belvo still has a link that it announced as deleted")]
    LinkStillThere,
    /// SQS did not take the message that does the rest of the work.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The deadline came first.
    #[error("the time was too short")]
    OutOfTime,
    /// Belvo lists fewer new objects than it announced. It is asked twice more before the difference is recorded.
    #[error("Belvo lists fewer objects than it announced")]
    FewerThanAnnounced,
    /// The list is longer than any that we read.
    #[error("the list has more pages than are read")]
    TooManyPages,
}

impl JobError {
    /// A short word for logs, metrics and the table.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Undecodable(_) => "undecodable",
            Self::Belvo(error) => error.kind(),
            Self::Store(_) => "store",
            Self::Provider(ProviderError::Secret(_)) => "secret",
            Self::Provider(ProviderError::Settings(_)) => "settings",
            Self::Overtaken => "overtaken",
            Self::LinkGone => "link_gone",
            Self::LinkStillThere => "link_still_there",
            Self::Queue(_) => "queue",
            Self::OutOfTime => "out_of_time",
            Self::FewerThanAnnounced => "fewer_than_announced",
            Self::TooManyPages => "too_many_pages",
        }
    }

    /// How long Belvo asked us to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Belvo(belvo::Error::RateLimited { retry_after }) => *retry_after,
            _ => None,
        }
    }
}

/// How long a message stays hidden after a failure: longer each time, up to a cap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    pub(crate) base: Duration,
    pub(crate) cap: Duration,
}

/// What `RETRY_BASE_SECONDS` may be.
const BASE_SECONDS: RangeInclusive<u64> = 1..=900;
/// What `RETRY_CAP_SECONDS` may be: with `MaxReceiveCount` attempts at most a message is tried for less than a week, of the 14 days
/// that SQS keeps it.
const CAP_SECONDS: RangeInclusive<u64> = 1..=3_600;

impl Backoff {
    /// Built from `RETRY_BASE_SECONDS` and `RETRY_CAP_SECONDS`.
    ///
    /// # Errors
    /// [`InvalidSetting`]
    pub(crate) fn from_environment() -> Result<Self, InvalidSetting> {
        Ok(Self {
            base: Duration::from_secs(runtime::bounded("RETRY_BASE_SECONDS", 5, BASE_SECONDS)?),
            cap: Duration::from_secs(runtime::bounded("RETRY_CAP_SECONDS", 900, CAP_SECONDS)?),
        })
    }

    /// The wait after this attempt (counted from 1). `chance`, between 0 and 1, spreads it over its upper half.
    pub(crate) fn delay(self, attempt: u32, retry_after: Option<Duration>, chance: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(16);
        let full = self.base.saturating_mul(1 << doublings).min(self.cap);
        let spread = full.mul_f64(0.5 + chance / 2.0);
        // SQS waits for whole seconds, and none at all would be no wait.
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
    fn chance_takes_off_at_most_half() {
        assert_eq!(BACKOFF.delay(3, None, 0.0), Duration::from_secs(10));
    }

    #[test]
    fn what_belvo_asks_for_is_granted_within_the_cap() {
        assert_eq!(BACKOFF.delay(1, Some(Duration::from_mins(2)), 0.5), Duration::from_mins(2));
        assert_eq!(BACKOFF.delay(1, Some(Duration::from_hours(24)), 0.5), BACKOFF.cap);
    }
}
