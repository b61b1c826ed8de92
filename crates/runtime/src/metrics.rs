//! Every metric: its name, unit and dimensions.
//!
//! A metric is a number in a log event (see [`crate::EventLog`]). Its dimensions are fields of the same event, under the
//! same names. `make observability` writes docs/observability.md from this file; `make lint` fails when the two differ.
//!
//! CloudWatch bills each combination of a metric and its dimensions' values. So only the two durations and the drift are kept
//! for each `webhook_type`, and a count of zero is a field of its event but no datapoint.

/// The namespace of every metric.
pub const NAMESPACE: &str = "belvo-sync";

/// The dimension of every metric: the name of the stack, so that two stacks in one account do not mix.
pub const STACK: &str = "stack";

/// A series of numbers that CloudWatch keeps.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name of the metric, and of the field that holds its value.
    pub name: &'static str,
    /// The unit of its values.
    pub unit: Unit,
    /// The sets of dimensions. CloudWatch keeps a series for each set and its values.
    pub dimensions: &'static [&'static [&'static str]],
}

/// A unit that CloudWatch knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A duration.
    Milliseconds,
}

impl Unit {
    /// Returns CloudWatch's name of the unit.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

const BY_STACK: &[&[&str]] = &[&[STACK]];
const BY_TYPE_TOO: &[&[&str]] = &[&[STACK], &[STACK, "webhook_type"]];

const fn count(name: &'static str) -> Metric {
    Metric { name, unit: Unit::Count, dimensions: BY_STACK }
}

const fn count_by(name: &'static str, dimensions: &'static [&'static [&'static str]]) -> Metric {
    Metric { name, unit: Unit::Count, dimensions }
}

const fn milliseconds(name: &'static str, dimensions: &'static [&'static [&'static str]]) -> Metric {
    Metric { name, unit: Unit::Milliseconds, dimensions }
}

/// Webhooks that SQS has stored.
pub const ACCEPTED: Metric = count("accepted");
/// Webhooks that the webhook function did not accept.
pub const REFUSED: Metric = count_by("refused", &[&[STACK, "reason"]]);
/// Time that SQS took to store all messages of a webhook.
pub const ENQUEUE_MS: Metric = milliseconds("enqueue_ms", BY_STACK);

/// Messages that the sync function worked on.
pub const SYNCS: Metric = count_by("syncs", &[&[STACK, "outcome"]]);
/// Messages that the sync function returned to the queue, and runs of the reconcile function that failed at something.
pub const FAILURES: Metric = count_by("failures", &[&[STACK, "error"]]);
/// Time since SQS first handed out a message that now returns to the queue.
pub const FAILING_MS: Metric = milliseconds("failing_ms", BY_STACK);
/// Chains of continuations that reached the limit; the last message is in the dead-letter queue.
pub const CHAINS_STOPPED: Metric = count("chains_stopped");
/// Time that the sync function worked on a message.
pub const ELAPSED_MS: Metric = milliseconds("elapsed_ms", BY_TYPE_TOO);
/// Time from receiving a webhook, or requesting a listing, until its data is in the table.
pub const AGE_MS: Metric = milliseconds("age_ms", BY_TYPE_TOO);
/// Records written.
pub const WRITTEN: Metric = count("written");
/// Records that were already stored as Belvo returned them. They cost no write.
pub const UNCHANGED: Metric = count("unchanged");
/// Records whose stored version was newer than the one that the pass had read. They were not written.
pub const STALE: Metric = count("stale");
/// Records that became tombstones.
pub const DELETED: Metric = count("deleted");
/// Belvo objects without a usable id.
pub const UNREADABLE: Metric = count("unreadable");
/// Finished listings that were compared with the totals in their webhooks.
pub const CHECKED: Metric = count("checked");
/// Checked listings with the result `drift`.
pub const DRIFT: Metric = count_by("drift", BY_TYPE_TOO);
/// Checked listings with the result `drift` whose resource was in drift before, without a clean whole listing in
/// between.
pub const DRIFT_AGAIN: Metric = count("drift_again");

/// Requests to Belvo that succeeded. Every attempt of a retried request counts, here and below.
pub const BELVO_2XX: Metric = count("belvo_2xx");
/// Requests whose credentials Belvo rejected.
pub const BELVO_401: Metric = count("belvo_401");
/// Requests that Belvo's edge rejected: a 403 in HTML.
pub const BELVO_403_EDGE: Metric = count("belvo_403_edge");
/// Requests for something that Belvo does not have.
pub const BELVO_404: Metric = count("belvo_404");
/// Requests that Belvo rate limited, including `too_many_sessions`.
pub const BELVO_429: Metric = count("belvo_429");
/// Requests that Belvo rejected with any other 4xx.
pub const BELVO_4XX: Metric = count("belvo_4xx");
/// Requests that failed with a 5xx.
pub const BELVO_5XX: Metric = count("belvo_5xx");
/// Requests that ended with a 408, or whose response was not complete in time.
pub const BELVO_TIMEOUT: Metric = count("belvo_timeout");
/// Requests without a connection, or whose connection broke.
pub const BELVO_UNREACHABLE: Metric = count("belvo_unreachable");
/// Requests with any other result: another status, or a response that is too large or malformed.
pub const BELVO_OTHER: Metric = count("belvo_other");

/// Actions of the request function.
pub const ACTIONS: Metric = count_by("actions", &[&[STACK, "action", "outcome"]]);

/// Runs of the reconcile function that finished.
pub const RUNS: Metric = count("runs");
/// Runs that ended early, did not read all requested pages of Belvo's list of links, or left out a link or a request.
pub const RUN_FAILURES: Metric = count("run_failures");
/// Links that were due.
pub const LINKS: Metric = count("links");
/// Listings that the schedule requested.
pub const LISTINGS: Metric = count("listings");
/// Requests for which no webhook arrived in time.
pub const TIMED_OUT: Metric = count("timed_out");
/// Links in Belvo's list that the table did not have.
pub const DISCOVERED: Metric = count("discovered");
/// Links whose status the sync function will read from Belvo.
pub const STATUS_READS: Metric = count("status_reads");

/// Every metric, in the order of its declaration.
pub const ALL: [&Metric; 35] = [
    &ACCEPTED,
    &REFUSED,
    &ENQUEUE_MS,
    &SYNCS,
    &FAILURES,
    &FAILING_MS,
    &CHAINS_STOPPED,
    &ELAPSED_MS,
    &AGE_MS,
    &WRITTEN,
    &UNCHANGED,
    &STALE,
    &DELETED,
    &UNREADABLE,
    &CHECKED,
    &DRIFT,
    &DRIFT_AGAIN,
    &BELVO_2XX,
    &BELVO_401,
    &BELVO_403_EDGE,
    &BELVO_404,
    &BELVO_429,
    &BELVO_4XX,
    &BELVO_5XX,
    &BELVO_TIMEOUT,
    &BELVO_UNREACHABLE,
    &BELVO_OTHER,
    &ACTIONS,
    &RUNS,
    &RUN_FAILURES,
    &LINKS,
    &LISTINGS,
    &TIMED_OUT,
    &DISCOVERED,
    &STATUS_READS,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_names_are_unique_and_every_set_of_dimensions_begins_with_the_stack() {
        let mut names: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|metric| metric.dimensions.iter().all(|set| set[0] == STACK)));
    }
}
