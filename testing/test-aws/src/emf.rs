//! Reads a line of a log as CloudWatch does when it looks for metrics, and is stricter: what CloudWatch would drop without a
//! word is an error here. For tests; never deployed.
//!
//! (Source: CloudWatch user guide, "Specification: Embedded metric format", with the JSON schema at its end.)

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::{Map, Value};

const MAX_DIMENSIONS: usize = 30;
const MAX_METRICS: usize = 100;
const MAX_NAME: usize = 1_024;
const MAX_DIMENSION_NAME: usize = 250;
const MAX_DIMENSION_VALUE: usize = 1_024;
/// A line of CloudWatch Logs.
const MAX_LINE: usize = 256 * 1024;
/// The units that we use, of those that CloudWatch knows.
const UNITS: [&str; 2] = ["Count", "Milliseconds"];

/// One number of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Datapoint {
    /// Whose metrics these are.
    pub namespace: String,
    /// Which one.
    pub name: String,
    /// In what it is counted.
    pub unit: String,
    /// What else tells its series from others.
    pub dimensions: BTreeMap<String, String>,
    /// The number.
    pub value: f64,
}

/// Lines that were written, for a test to look at.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Metadata {
    timestamp: u64,
    cloud_watch_metrics: Vec<Directive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Directive {
    namespace: String,
    dimensions: Vec<Vec<String>>,
    metrics: Vec<Definition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Definition {
    name: String,
    unit: String,
}

/// The datapoints of a line; none when it has no metrics.
///
/// # Errors
/// What is wrong with it.
pub fn read(line: &str) -> Result<Vec<Datapoint>, String> {
    check(line.len() <= MAX_LINE && !line.contains('\n'), "not one line that CloudWatch Logs takes")?;
    let mut members: Map<String, Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let Some(metadata) = members.remove("_aws") else { return Ok(Vec::new()) };
    let metadata: Metadata = serde_json::from_value(metadata).map_err(|error| error.to_string())?;
    check(metadata.timestamp > 1_000_000_000_000, "the timestamp is not in milliseconds")?;
    check(!metadata.cloud_watch_metrics.is_empty(), "there is no directive")?;
    let mut datapoints = Vec::new();
    for directive in &metadata.cloud_watch_metrics {
        directive.read(&members, &mut datapoints)?;
    }
    Ok(datapoints)
}

impl Directive {
    fn read(&self, members: &Map<String, Value>, datapoints: &mut Vec<Datapoint>) -> Result<(), String> {
        check((1..=MAX_NAME).contains(&self.namespace.len()), "the namespace")?;
        check(!self.dimensions.is_empty(), "there is no set of dimensions")?;
        check((1..=MAX_METRICS).contains(&self.metrics.len()), "the number of metrics")?;
        for set in &self.dimensions {
            let dimensions = values(set, members)?;
            for Definition { name, unit } in &self.metrics {
                check((1..=MAX_NAME).contains(&name.len()) && UNITS.contains(&unit.as_str()), "a name or unit")?;
                let value = members.get(name).and_then(Value::as_f64).ok_or(format!("{name} is no number"))?;
                let datapoint = Datapoint {
                    namespace: self.namespace.clone(),
                    name: name.clone(),
                    unit: unit.clone(),
                    dimensions: dimensions.clone(),
                    value,
                };
                let is_same = |other: &Datapoint| other.name == *name && other.dimensions == dimensions;
                check(!datapoints.iter().any(is_same), &format!("{name} is counted twice"))?;
                datapoints.push(datapoint);
            }
        }
        Ok(())
    }
}

fn values(set: &[String], members: &Map<String, Value>) -> Result<BTreeMap<String, String>, String> {
    check(set.len() <= MAX_DIMENSIONS, "the number of dimensions")?;
    let mut dimensions = BTreeMap::new();
    for name in set {
        check((1..=MAX_DIMENSION_NAME).contains(&name.len()), "the name of a dimension")?;
        let value = members.get(name).and_then(Value::as_str).ok_or(format!("{name} is no text"))?;
        let is_fit = (1..=MAX_DIMENSION_VALUE).contains(&value.len()) && value.is_ascii() && !value.starts_with(':');
        check(is_fit && !value.trim().is_empty(), &format!("the value of {name}"))?;
        dimensions.insert(name.clone(), value.to_owned());
    }
    Ok(dimensions)
}

fn check(holds: bool, problem: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem.to_owned()) }
}

impl Lines {
    /// What a writer of lines is to call.
    pub fn writer(&self) -> impl Fn(&str) + Send + Sync + 'static + use<> {
        let lines = Self::clone(self);
        move |line| lines.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned())
    }

    /// The lines since this was last asked.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The only line since this was last asked, with what CloudWatch makes of it: each series as
    /// `name{dimension=value,...}` without the stack, and its value.
    ///
    /// # Panics
    /// When there is another number of lines, or CloudWatch would not take it.
    #[must_use]
    pub fn take_one(&self) -> (Map<String, Value>, BTreeMap<String, f64>) {
        let lines = self.take();
        let [line] = lines.as_slice() else { panic!("{} lines: {lines:?}", lines.len()) };
        let datapoints = read(line).unwrap_or_else(|problem| panic!("{problem}: {line}"));
        (serde_json::from_str(line).unwrap_or_default(), datapoints.iter().map(Datapoint::series).collect())
    }
}

impl Datapoint {
    fn series(&self) -> (String, f64) {
        let words = self.dimensions.iter().filter(|(name, _)| *name != "stack");
        let words: Vec<_> = words.map(|(name, value)| format!("{name}={value}")).collect();
        let series = if words.is_empty() { self.name.clone() } else { format!("{}{{{}}}", self.name, words.join(",")) };
        (series, self.value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line() -> Value {
        let metrics = json!([{"Name": "written", "Unit": "Count"}]);
        let directive = json!({"Namespace": "n", "Dimensions": [["stack"], ["stack", "type"]], "Metrics": metrics});
        json!({
            "stack": "s", "type": "ACCOUNTS", "written": 3,
            "_aws": {"Timestamp": 1_700_000_000_000_u64, "CloudWatchMetrics": [directive]},
        })
    }

    #[test]
    fn each_set_of_dimensions_gives_a_datapoint() {
        let lines = Lines::default();
        lines.writer()(&line().to_string());
        let expected =
            [("written", 3.0), ("written{type=ACCOUNTS}", 3.0)].map(|(name, value)| (name.to_owned(), value));
        assert_eq!(lines.take_one().1, BTreeMap::from(expected));
        assert_eq!(read(r#"{"message":"no metric"}"#), Ok(Vec::new()));
    }

    #[test]
    fn what_cloudwatch_would_drop_without_a_word_is_an_error() {
        let directive = "/_aws/CloudWatchMetrics/0";
        for (pointer, value) in [
            ("/written", json!("3")),
            ("/type", json!(7)),
            ("/type", json!("")),
            ("/type", json!("é")),
            ("/type", json!(":a")),
            ("/_aws/Timestamp", json!(1_700_000_000)),
            ("/_aws/CloudWatchMetrics", json!([])),
            (&format!("{directive}/Namespace"), json!("")),
            (&format!("{directive}/Dimensions"), json!([])),
            (&format!("{directive}/Dimensions"), json!([["other"]])),
            (&format!("{directive}/Dimensions"), json!([["stack"], ["stack"]])),
            (&format!("{directive}/Dimensions"), json!([vec!["stack"; 31]])),
            (&format!("{directive}/Metrics"), json!([])),
            (&format!("{directive}/Metrics/0/Name"), json!("other")),
            (&format!("{directive}/Metrics/0/Unit"), json!("Rows")),
        ] {
            let mut line = line();
            *line.pointer_mut(pointer).unwrap() = value.clone();
            assert!(read(&line.to_string()).is_err(), "{pointer} {value}");
        }
    }
}
