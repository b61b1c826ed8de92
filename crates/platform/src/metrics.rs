//! Metrics in CloudWatch's embedded format: a line of the log that CloudWatch turns into metrics by itself. It costs no call
//! and no permission. (Source: CloudWatch user guide, "Specification: Embedded metric format".)

use serde_json::{Map, Value, json};

/// The namespace of every metric.
pub const NAMESPACE: &str = "belvo-sync";

/// Writes one line with these counts under one dimension. Names and values are our own words and Belvo's resources: nothing
/// of unbounded variety, and nothing personal.
pub fn count(dimension: (&str, &str), counts: &[(&str, u64)], at: i64) {
    #[expect(clippy::print_stdout, reason = "the log of a Lambda function is its standard output")]
    {
        println!("{}", line(dimension, counts, at));
    }
}

fn line((dimension, value): (&str, &str), counts: &[(&str, u64)], at: i64) -> Value {
    let metrics: Vec<_> = counts.iter().map(|(name, _)| json!({"Name": name, "Unit": "Count"})).collect();
    let mut members = Map::new();
    members.insert(dimension.to_owned(), value.into());
    members.extend(counts.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())));
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[dimension]], "Metrics": metrics});
    members.insert("_aws".to_owned(), json!({"Timestamp": at, "CloudWatchMetrics": [directive]}));
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_members_that_cloudwatch_looks_for() {
        let expected = json!({
            "Resource": "TRANSACTIONS", "Drift": 1, "Listings": 2,
            "_aws": {"Timestamp": 1_700_000_000_000_i64, "CloudWatchMetrics": [{
                "Namespace": "belvo-sync",
                "Dimensions": [["Resource"]],
                "Metrics": [{"Name": "Drift", "Unit": "Count"}, {"Name": "Listings", "Unit": "Count"}],
            }]},
        });
        assert_eq!(line(("Resource", "TRANSACTIONS"), &[("Drift", 1), ("Listings", 2)], 1_700_000_000_000), expected);
    }
}
