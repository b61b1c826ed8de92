//! The one line that a function writes for each webhook, message, action or run.
//!
//! It is a line of the log for people, and in the same bytes it is in CloudWatch's embedded metric format: a member `_aws`
//! says which of its other members are metrics, and CloudWatch keeps them. That costs no call, no permission, and no second
//! line. Lambda passes a line that is JSON on as it is; `timestamp` and `level` are what its log levels look at.
//! (Sources: CloudWatch user guide, "Specification: Embedded metric format"; Lambda developer guide, "Log formats".)
//!
//! **What can be a dimension.** Only a word that stands in our own source: [`LogEvent::word`] takes nothing else. So no sender can
//! make CloudWatch keep, and bill, series of his own. A metric one of whose words is not on the line is not kept.

use std::fmt;
use std::fmt::Write as _;

use domain::{EpochMillis, rfc3339};

use crate::metrics::{Metric, NAMESPACE, STACK};

/// Where the lines go.
pub struct EventLog {
    stack: String,
    write: Box<dyn Fn(&str) + Send + Sync>,
}

/// How much a line is worth somebody's while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// All is well.
    Info,
    /// Something did not work out, and is dealt with.
    Warn,
    /// Something is out of order.
    Error,
}

/// A line being made. What is not [written](LogEvent::write) is lost.
#[must_use]
pub struct LogEvent<'a> {
    event_log: &'a EventLog,
    at: EpochMillis,
    /// The members so far.
    text: String,
    words: Vec<&'static str>,
    metrics: Vec<&'static Metric>,
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog").field("stack", &self.stack).finish_non_exhaustive()
    }
}

impl EventLog {
    /// Lines of the stack that `STACK_NAME` names, on standard output, which Lambda carries to CloudWatch Logs.
    #[must_use]
    pub fn from_environment() -> Self {
        // Outside of a stack, as on a bench, there is none.
        Self::new(crate::optional("STACK_NAME").unwrap_or_else(|| "none".to_owned()), |line| {
            #[expect(clippy::print_stdout, reason = "the log of a Lambda function is its standard output")]
            {
                println!("{line}");
            }
        })
    }

    /// Lines of a stack, to anywhere.
    pub fn new(stack: String, write: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { stack, write: Box::new(write) }
    }

    /// Begins a line. `target` is the function, `message` says what happened.
    pub fn event(&self, target: &'static str, level: Level, message: &'static str, at: EpochMillis) -> LogEvent<'_> {
        let mut text = String::with_capacity(1_024);
        text.push_str("{\"timestamp\":");
        rfc3339(at).as_str().write(&mut text);
        let words = Vec::with_capacity(8);
        let mut line = LogEvent { event_log: self, at, text, words, metrics: Vec::with_capacity(16) };
        line.field("level", level.as_str()).field("message", message).field("target", target);
        line.field(STACK, self.stack.as_str()).words.push(STACK);
        line
    }
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

impl LogEvent<'_> {
    /// Adds a member, unless it is none. Nothing personal, and no text that anybody could send.
    pub fn field(&mut self, name: &'static str, value: impl Value) -> &mut Self {
        if value.is_there() {
            self.text.push(',');
            name.write(&mut self.text);
            self.text.push(':');
            value.write(&mut self.text);
        }
        self
    }

    /// Adds a member by which metrics can be kept: a word of our own source.
    pub fn dimension(&mut self, name: &'static str, word: &'static str) -> &mut Self {
        self.words.push(name);
        self.field(name, word)
    }

    /// Adds a count. Zero is no datapoint: sums are the same, and a series that nothing ever happens in costs nothing.
    pub fn count(&mut self, metric: &'static Metric, count: u64) -> &mut Self {
        self.field(metric.name, count);
        if count > 0 {
            self.metrics.push(metric);
        }
        self
    }

    /// Adds a count, unless it is zero.
    pub fn count_some(&mut self, metric: &'static Metric, count: u64) -> &mut Self {
        if count > 0 { self.count(metric, count) } else { self }
    }

    /// Adds a measured value: zero is one, too.
    pub fn measure(&mut self, metric: &'static Metric, value: u64) -> &mut Self {
        self.metrics.push(metric);
        self.field(metric.name, value)
    }

    /// Writes the line.
    pub fn write(mut self) {
        self.add_directives();
        self.text.push('}');
        (self.event_log.write)(&self.text);
    }

    /// Says which members are metrics: one directive for all metrics that are kept by the same words.
    fn add_directives(&mut self) {
        let words = &self.words;
        self.metrics.retain(|metric| metric.dimensions.iter().all(|set| set.iter().all(|word| words.contains(word))));
        if self.metrics.is_empty() {
            return;
        }
        let _ = write!(self.text, ",\"_aws\":{{\"Timestamp\":{},\"CloudWatchMetrics\":[", self.at);
        let mut is_first = true;
        while let Some(first) = self.metrics.first() {
            let dimensions = first.dimensions;
            let separator = if is_first { "" } else { "," };
            let _ = write!(
                self.text,
                "{separator}{{\"Namespace\":\"{NAMESPACE}\",\"Dimensions\":{dimensions:?},\"Metrics\":["
            );
            let mut separator = "";
            for Metric { name, unit, .. } in self.metrics.iter().filter(|metric| metric.dimensions == dimensions) {
                let _ = write!(self.text, "{separator}{{\"Name\":\"{name}\",\"Unit\":\"{}\"}}", unit.as_str());
                separator = ",";
            }
            self.text.push_str("]}");
            self.metrics.retain(|metric| metric.dimensions != dimensions);
            is_first = false;
        }
        self.text.push_str("]}");
    }
}

/// What a member can hold.
pub trait Value: Sized {
    /// Is there one?
    fn is_there(&self) -> bool {
        true
    }

    /// Writes it as JSON.
    fn write(self, text: &mut String);
}

impl Value for &str {
    fn write(self, text: &mut String) {
        // A string cannot fail to be written.
        text.push_str(&serde_json::to_string(self).unwrap_or_default());
    }
}

impl Value for u64 {
    fn write(self, text: &mut String) {
        let _ = write!(text, "{self}");
    }
}

impl Value for bool {
    fn write(self, text: &mut String) {
        text.push_str(if self { "true" } else { "false" });
    }
}

impl<T: Value> Value for Option<T> {
    fn is_there(&self) -> bool {
        self.is_some()
    }

    fn write(self, text: &mut String) {
        if let Some(value) = self {
            value.write(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use test_aws::emf::Lines;

    use super::*;
    use crate::metrics::{ACCEPTED, ELAPSED_MS, REFUSED, STALE, UNCHANGED, WRITTEN};

    const AT: EpochMillis = 1_700_000_000_000;

    fn event_log() -> (EventLog, Lines) {
        let lines = Lines::default();
        (EventLog::new("a-stack".to_owned(), lines.writer()), lines)
    }

    #[test]
    fn a_line_is_for_people_and_for_cloudwatch() {
        let (event_log, lines) = event_log();
        let mut line = event_log.event("sync", Level::Info, "worked on a message", AT);
        line.field("link_id", Some("l-1")).field("request_id", None::<&str>).dimension("webhook_type", "ACCOUNTS");
        line.count(&WRITTEN, 2).count(&STALE, 0).count_some(&UNCHANGED, 0).measure(&ELAPSED_MS, 0);
        line.write();
        let text = lines.take().remove(0);
        let expected = json!({
            "timestamp": "2023-11-14T22:13:20.000Z", "level": "INFO", "message": "worked on a message",
            "target": "sync", "stack": "a-stack", "link_id": "l-1", "webhook_type": "ACCOUNTS",
            "written": 2, "stale": 0, "elapsed_ms": 0,
            "_aws": {"Timestamp": AT, "CloudWatchMetrics": [
                {"Namespace": "belvo-sync", "Dimensions": [["stack"]],
                 "Metrics": [{"Name": "written", "Unit": "Count"}]},
                {"Namespace": "belvo-sync", "Dimensions": [["stack"], ["stack", "webhook_type"]],
                 "Metrics": [{"Name": "elapsed_ms", "Unit": "Milliseconds"}]},
            ]},
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
        assert_eq!(test_aws::emf::read(&text).unwrap().len(), 3);
    }

    #[test]
    fn a_metric_without_its_words_is_not_kept_and_one_without_metrics_is_a_line_all_the_same() {
        let (event_log, lines) = event_log();
        let mut line = event_log.event("webhook", Level::Warn, "refused a webhook", AT);
        // A field is no word: its text may come from anywhere.
        line.field("reason", "credentials").count(&REFUSED, 1);
        line.write();
        let (members, series) = lines.take_one();
        assert!(series.is_empty());
        assert_eq!((members.get("refused"), members.get("_aws")), (Some(&json!(1)), None));
    }

    proptest! {
        #[test]
        fn whatever_text_is_on_a_line_it_stays_one_line_of_json_with_its_metrics(text in any::<String>()) {
            let (event_log, lines) = event_log();
            let mut line = event_log.event("webhook", Level::Info, "accepted a webhook", AT);
            line.field("request_id", text.as_str()).count(&ACCEPTED, 1);
            line.write();
            let (members, series) = lines.take_one();
            prop_assert_eq!(members["request_id"].as_str(), Some(text.as_str()));
            prop_assert_eq!(series.get("accepted"), Some(&1.0));
        }
    }
}
