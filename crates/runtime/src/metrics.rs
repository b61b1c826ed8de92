//! Every metric there is: its name, unit and dimensions, in one place.
//!
//! A metric is a number on a line of the log (see [`crate::EventLog`]), and its dimensions are words on the same line, each
//! under its own name. So there is one name to know for both, and one line to write. docs/architecture.md, "Metrics", says
//! what each one means; a test compares the two.
//!
//! CloudWatch bills each combination of a name and its dimensions' values. So only the two durations and the drift are kept
//! for each `webhook_type`, and a count of zero is a member of its line but no datapoint.

/// The namespace of every metric.
pub const NAMESPACE: &str = "belvo-sync";

/// What every metric is kept by: the stack, so that two in one account do not mix.
pub const STACK: &str = "stack";

/// A series of numbers that CloudWatch keeps.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, and the name of the member that holds its value.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// By which words of its line it is kept: a series for each of these sets.
    pub dimensions: &'static [&'static [&'static str]],
}

/// A unit that CloudWatch knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// How long.
    Milliseconds,
}

impl Unit {
    /// As CloudWatch writes it.
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

/// Webhooks that SQS holds.
pub const ACCEPTED: Metric = count("accepted");
/// Webhooks that were not taken, by the word that says why.
pub const REFUSED: Metric = count_by("refused", &[&[STACK, "reason"]]);
/// How long SQS took for all messages of a webhook.
pub const ENQUEUE_MS: Metric = milliseconds("enqueue_ms", BY_STACK);

/// Messages that were worked on, by what came of them.
pub const SYNCS: Metric = count_by("syncs", &[&[STACK, "outcome"]]);
/// Messages that were given back, and runs of the reconcile function that failed at something, by the word of the failure.
pub const FAILURES: Metric = count_by("failures", &[&[STACK, "error"]]);
/// How long ago a message that was given back came for the first time.
pub const FAILING_MS: Metric = milliseconds("failing_ms", BY_STACK);
/// Chains of continuations that reached the limit and went to the dead-letter queue.
pub const CHAINS_STOPPED: Metric = count("chains_stopped");
/// How long the work on a message took.
pub const ELAPSED_MS: Metric = milliseconds("elapsed_ms", BY_TYPE_TOO);
/// How old a message was when what it asks for was in the table.
pub const AGE_MS: Metric = milliseconds("age_ms", BY_TYPE_TOO);
/// Records that were written.
pub const WRITTEN: Metric = count("written");
/// Records that were as Belvo has them.
pub const UNCHANGED: Metric = count("unchanged");
/// Records that were newer than what a pass had seen.
pub const STALE: Metric = count("stale");
/// Records that became tombstones.
pub const DELETED: Metric = count("deleted");
/// Objects of Belvo's that cannot be read.
pub const UNREADABLE: Metric = count("unreadable");
/// Listings that were finished and compared with what was announced.
pub const CHECKED: Metric = count("checked");
/// Those of them that are in doubt.
pub const DRIFT: Metric = count_by("drift", BY_TYPE_TOO);
/// Those whose resource was in doubt before: the doubt did not pass.
pub const DRIFT_AGAIN: Metric = count("drift_again");

/// Requests that Belvo answered with a success.
pub const BELVO_2XX: Metric = count("belvo_2xx");
/// Belvo refused our credentials.
pub const BELVO_401: Metric = count("belvo_401");
/// Belvo's edge refused the request, in HTML.
pub const BELVO_403_EDGE: Metric = count("belvo_403_edge");
/// Belvo does not have it.
pub const BELVO_404: Metric = count("belvo_404");
/// Belvo asks for fewer requests.
pub const BELVO_429: Metric = count("belvo_429");
/// Any other refusal.
pub const BELVO_4XX: Metric = count("belvo_4xx");
/// Belvo's own trouble.
pub const BELVO_5XX: Metric = count("belvo_5xx");
/// 408, or no whole answer in time.
pub const BELVO_TIMEOUT: Metric = count("belvo_timeout");
/// No connection, or one that broke off.
pub const BELVO_UNREACHABLE: Metric = count("belvo_unreachable");
/// Anything else: another status, an answer that is too large.
pub const BELVO_OTHER: Metric = count("belvo_other");

/// Actions of the request function, by what came of them.
pub const ACTIONS: Metric = count_by("actions", &[&[STACK, "action", "outcome"]]);

/// Runs of the reconcile function that came to their end.
pub const RUNS: Metric = count("runs");
/// Runs that ended early, could not read Belvo's list of links, or left out a link or request.
pub const RUN_FAILURES: Metric = count("run_failures");
/// Links that were due.
pub const LINKS: Metric = count("links");
/// Listings that the schedule asked for.
pub const LISTINGS: Metric = count("listings");
/// Requests that no webhook answered in time.
pub const TIMED_OUT: Metric = count("timed_out");
/// Links that the table had never heard of.
pub const DISCOVERED: Metric = count("discovered");
/// Links whose status is going to be read back.
pub const STATUS_READS: Metric = count("status_reads");

/// All of them.
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

    const ARCHITECTURE: &str = include_str!("../../../docs/architecture.md");

    /// The rows of the table under "Metrics": name, unit, dimensions.
    fn documented() -> Vec<String> {
        let (_, section) = ARCHITECTURE.split_once("\n## Metrics\n").unwrap();
        let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| row.split(" | ").take(3).collect::<Vec<_>>().join(" | ")).collect()
    }

    #[test]
    fn every_metric_is_documented_with_its_unit_and_dimensions_and_no_other() {
        let row = |metric: &&Metric| {
            let sets = metric.dimensions.iter().map(|set| {
                let words: Vec<_> = set[1..].iter().map(|word| format!("`{word}`")).collect();
                if words.is_empty() { "-".to_owned() } else { words.join(" and ") }
            });
            format!("| `{}` | {} | {}", metric.name, metric.unit.as_str(), sets.collect::<Vec<_>>().join("; "))
        };
        assert_eq!(documented(), ALL.iter().map(row).collect::<Vec<_>>());
    }

    #[test]
    fn no_two_metrics_have_the_same_name_and_each_is_kept_by_stack() {
        let mut names: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|metric| metric.dimensions.iter().all(|set| set[0] == STACK)));
    }
}
