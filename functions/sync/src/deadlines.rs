//! How long a job may work, and on what.

use std::time::{Duration, Instant, SystemTime};

/// Time before the deadline of the invocation at which a job is dropped, so that its message can still return to the queue.
/// Of a short invocation it is [`MARGIN_OF_SHORT`].
const MARGIN: Duration = Duration::from_secs(5);
/// The fraction of a short invocation that is its margin: a fifth.
const MARGIN_OF_SHORT: u32 = 5;

/// Working time of a default invocation. The sum of what is under way at each end still fits into the invocation's 120
/// seconds.
pub(crate) const TIME_BUDGETS: TimeBudgets =
    TimeBudgets { pages: Duration::from_mins(1), by_id: Duration::from_secs(30), comparing: Duration::from_secs(80) };

/// How long one message begins new work of each kind. A continuation does the rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeBudgets {
    /// Reading pages of a list, from the start of the job.
    pub(crate) pages: Duration,
    /// Requesting objects by their ids, from the first of these requests. At the default rate these are about 40 objects.
    pub(crate) by_id: Duration,
    /// Comparing the table with a list, from the start of the job.
    pub(crate) comparing: Duration,
}

/// When one job stops beginning new work of each kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    /// After this no page of a list is begun, and no further round of a purge.
    pub(crate) page_deadline: Instant,
    /// After this nothing is begun that the next listing can do as well.
    pub(crate) compare_deadline: Instant,
    /// How long the job requests objects by their ids, from the first of these requests. A continuation requests the rest,
    /// so a long list of ids makes progress even if a later message fails.
    pub(crate) by_id_budget: Duration,
}

impl TimeBudgets {
    /// Returns the deadlines of a job that begins now and may take this long.
    pub(crate) fn deadlines(self, limit: Duration) -> Deadlines {
        let now = Instant::now();
        Deadlines {
            page_deadline: now + self.pages.min(limit / 2),
            compare_deadline: now + self.comparing.min(limit * 3 / 4),
            by_id_budget: self.by_id.min(limit / 2),
        }
    }
}

/// Returns how long a job may take in an invocation with this deadline.
pub(crate) fn job_limit(deadline: SystemTime) -> Duration {
    let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    left.saturating_sub(MARGIN.min(left / MARGIN_OF_SHORT))
}
