//! Structured log events with metrics.
//!
//! A function writes one event for each webhook, message, action or run. An event is one line of JSON. The same line is in
//! CloudWatch's embedded metric format: its member `_aws` names the members that are metrics. So metrics need no call, no
//! permission and no second line. Lambda passes JSON lines through; its log levels use `timestamp` and `level`.
//! (Sources: CloudWatch user guide, "Specification: Embedded metric format"; Lambda developer guide, "Log formats".)
//!
//! **Dimensions are string literals.** [`LogEvent::dimension`] takes a `&'static str` only. No sender can create a series of
//! metrics, which CloudWatch would keep and bill. A metric is kept only if the event has all its dimensions.

use domain::{EpochMillis, rfc3339};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::metrics::{Metric, NAMESPACE, STACK};

/// Writes events to a log.
pub struct EventLog {
    stack: String,
    write: Box<dyn Fn(&str) + Send + Sync>,
}

/// Severity of a log event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Success.
    Info,
    /// A failure that the function handled.
    Warn,
    /// A failure that needs attention.
    Error,
}

/// A log event under construction. [`LogEvent::write`] writes it; dropping it discards it.
#[must_use]
pub struct LogEvent<'a> {
    event_log: &'a EventLog,
    at: EpochMillis,
    fields: Vec<(&'static str, Value)>,
    /// The names of those fields that are dimensions.
    dimensions: Vec<&'static str>,
    metrics: Vec<&'static Metric>,
}

/// The JSON of an event. The members stay in this order.
#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    #[serde(flatten)]
    fields: Fields<'a>,
    #[serde(rename = "_aws", skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
}

struct Fields<'a>(&'a [(&'static str, Value)]);

/// Which members of an event are metrics.
#[derive(Serialize)]
#[expect(non_snake_case, reason = "the names of the specification")]
struct Metadata {
    Timestamp: EpochMillis,
    CloudWatchMetrics: Vec<Directive>,
}

/// The metrics that have the same dimensions.
#[derive(Serialize)]
#[expect(non_snake_case, reason = "the names of the specification")]
struct Directive {
    Namespace: &'static str,
    Dimensions: &'static [&'static [&'static str]],
    Metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[expect(non_snake_case, reason = "the names of the specification")]
struct Definition {
    Name: &'static str,
    Unit: &'static str,
}

impl EventLog {
    /// Returns the log of the stack in `STACK_NAME`. It writes to standard output, which Lambda sends to CloudWatch Logs.
    #[must_use]
    pub fn from_environment() -> Self {
        // A benchmark runs outside of a stack.
        Self::new(crate::optional("STACK_NAME").unwrap_or_else(|| "none".to_owned()), |line| {
            #[expect(clippy::print_stdout, reason = "the log of a Lambda function is its standard output")]
            {
                println!("{line}");
            }
        })
    }

    /// Returns a log of this stack that passes each line to `write`.
    pub fn new(stack: String, write: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { stack, write: Box::new(write) }
    }

    /// Begins an event. `target` is the function; `message` says what happened.
    pub fn event(&self, target: &'static str, level: Level, message: &'static str, at: EpochMillis) -> LogEvent<'_> {
        // Enough for every event, so that no vector grows.
        let (fields, metrics) = (Vec::with_capacity(32), Vec::with_capacity(16));
        let mut event = LogEvent { event_log: self, at, fields, dimensions: Vec::with_capacity(8), metrics };
        event.field("level", level.as_str()).field("message", message).field("target", target);
        event.field(STACK, self.stack.as_str()).dimensions.push(STACK);
        event
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
    /// Adds a field, unless the value is `None`. The value must not be personal data, nor text that any sender can choose.
    pub fn field(&mut self, name: &'static str, value: impl Into<Value>) -> &mut Self {
        let value = value.into();
        if !value.is_null() {
            self.fields.push((name, value));
        }
        self
    }

    /// Adds a field that is a dimension of metrics.
    pub fn dimension(&mut self, name: &'static str, value: &'static str) -> &mut Self {
        self.dimensions.push(name);
        self.field(name, value)
    }

    /// Adds a count. A count of zero becomes a field but no datapoint: sums stay the same, and unused series cost nothing.
    pub fn count(&mut self, metric: &'static Metric, count: u64) -> &mut Self {
        if count > 0 {
            self.metrics.push(metric);
        }
        self.field(metric.name, count)
    }

    /// Adds a count, unless it is zero.
    pub fn count_nonzero(&mut self, metric: &'static Metric, count: u64) -> &mut Self {
        if count > 0 { self.count(metric, count) } else { self }
    }

    /// Adds a measurement. Zero is a datapoint.
    pub fn measure(&mut self, metric: &'static Metric, value: u64) -> &mut Self {
        self.metrics.push(metric);
        self.field(metric.name, value)
    }

    /// Writes the event to the log.
    pub fn write(self) {
        let line = Line { timestamp: rfc3339(self.at), fields: Fields(&self.fields), metadata: self.metadata() };
        // Only a map with keys that are not strings could fail.
        (self.event_log.write)(&serde_json::to_string(&line).unwrap_or_default());
    }

    /// Returns which fields are metrics, or `None` if none is.
    fn metadata(&self) -> Option<Metadata> {
        let mut directives: Vec<Directive> = Vec::new();
        for metric in self.metrics.iter().filter(|metric| self.has_dimensions_of(metric)) {
            let definition = Definition { Name: metric.name, Unit: metric.unit.as_str() };
            match directives.iter_mut().find(|directive| directive.Dimensions == metric.dimensions) {
                Some(directive) => directive.Metrics.push(definition),
                None => directives.push(Directive {
                    Namespace: NAMESPACE,
                    Dimensions: metric.dimensions,
                    Metrics: vec![definition],
                }),
            }
        }
        (!directives.is_empty()).then_some(Metadata { Timestamp: self.at, CloudWatchMetrics: directives })
    }

    fn has_dimensions_of(&self, metric: &Metric) -> bool {
        metric.dimensions.iter().flat_map(|set| *set).all(|name| self.dimensions.contains(name))
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
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
    fn an_event_is_one_line_of_json_with_its_metrics_at_the_end() {
        let (event_log, lines) = event_log();
        let mut event = event_log.event("sync", Level::Info, "worked on a message", AT);
        event.field("link_id", Some("l-1")).field("request_id", None::<&str>).dimension("webhook_type", "ACCOUNTS");
        event.count(&WRITTEN, 2).count(&STALE, 0).count_nonzero(&UNCHANGED, 0).measure(&ELAPSED_MS, 0);
        event.write();
        let text = lines.take().remove(0);
        let expected = concat!(
            r#"{"timestamp":"2023-11-14T22:13:20.000Z","level":"INFO","message":"worked on a message","target":"sync","#,
            r#""stack":"a-stack","link_id":"l-1","webhook_type":"ACCOUNTS","written":2,"stale":0,"elapsed_ms":0,"#,
            r#""_aws":{"Timestamp":1700000000000,"CloudWatchMetrics":["#,
            r#"{"Namespace":"belvo-sync","Dimensions":[["stack"]],"Metrics":[{"Name":"written","Unit":"Count"}]},"#,
            r#"{"Namespace":"belvo-sync","Dimensions":[["stack"],["stack","webhook_type"]],"#,
            r#""Metrics":[{"Name":"elapsed_ms","Unit":"Milliseconds"}]}]}}"#,
        );
        assert_eq!(text, expected);
        assert_eq!(test_aws::emf::read(&text).unwrap().len(), 3);
    }

    #[test]
    fn a_metric_without_its_dimensions_is_a_field_only() {
        let (event_log, lines) = event_log();
        let mut event = event_log.event("webhook", Level::Warn, "refused a webhook", AT);
        // A field is not a dimension: its text may come from anywhere.
        event.field("reason", "credentials").count(&REFUSED, 1);
        event.write();
        let (members, series) = lines.take_one();
        assert!(series.is_empty());
        assert_eq!((members.get("refused"), members.get("_aws")), (Some(&json!(1)), None));
    }

    proptest! {
        #[test]
        fn any_text_in_a_field_leaves_one_line_of_json_with_its_metrics(text in any::<String>()) {
            let (event_log, lines) = event_log();
            let mut event = event_log.event("webhook", Level::Info, "accepted a webhook", AT);
            event.field("request_id", text.as_str()).count(&ACCEPTED, 1);
            event.write();
            let (members, series) = lines.take_one();
            prop_assert_eq!(members["request_id"].as_str(), Some(text.as_str()));
            prop_assert_eq!(series.get("accepted"), Some(&1.0));
        }
    }
}
