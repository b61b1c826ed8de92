//! The command `status`: whether the stack is healthy, and how far behind.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use domain::now;
use serde_json::{Value, json};
use store::SHARDS;

use crate::error::Error;
use crate::output::Output;
use crate::queue_age;
use crate::stack::{QueueDepth, Stack};

/// Shows the queues and the due work.
pub(crate) async fn run(stack: &Stack, output: Output) -> Result<(), Error> {
    let queue = stack.queue_depth("QueueUrl").await?;
    let QueueDepth { visible: waiting, hidden: in_flight } = queue;
    output.result(
        &format!("queue         {waiting} waiting, {in_flight} in flight or waiting for a retry"),
        &json!({ "queue": { "waiting": waiting, "in_flight": in_flight } }),
    );

    let (text, object) = oldest_message(stack, queue).await?;
    output.result(&format!("oldest        {text}"), &json!({ "oldest_message": object }));

    let dead_letters = stack.queue_depth("DeadLetterQueueUrl").await?;
    let dead_letters = dead_letters.visible + dead_letters.hidden;
    let advice = if dead_letters == 0 { "" } else { ": belvo-sync dead-letters list" };
    output.result(&format!("dead letters  {dead_letters}{advice}"), &json!({ "dead_letters": dead_letters }));

    let due = due(stack).await?;
    output.result(
        &format!("due           {due} links or requests; the next reconcile run handles at most 800"),
        &json!({ "due": due }),
    );
    Ok(())
}

/// Asks CloudWatch for the age of the oldest message, if there is a message.
async fn oldest_message(stack: &Stack, queue: QueueDepth) -> Result<(String, Value), Error> {
    if queue.visible + queue.hidden == 0 {
        return Ok(("no message is waiting".to_owned(), Value::Null));
    }
    let age = queue_age::oldest_message(&stack.cloudwatch, stack.output("QueueUrl")?, now()).await;
    Ok(describe_age(age))
}

/// Describes the age of the oldest message. An error of CloudWatch is part of the description: it does not end the
/// command.
fn describe_age(age: Result<Option<Duration>, Error>) -> (String, Value) {
    match age {
        Ok(Some(age)) => {
            let seconds = age.as_secs();
            (format!("has waited for {}", format_duration(seconds)), json!({ "waited_seconds": seconds }))
        }
        Ok(None) => ("unknown (no datapoint in CloudWatch)".to_owned(), json!({ "waited_seconds": null })),
        Err(error) => (format!("unknown ({error})"), json!({ "waited_seconds": null, "error": error.to_string() })),
    }
}

fn format_duration(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// Counts the links and requests that are due, through the index of due times.
async fn due(stack: &Stack) -> Result<u64, Error> {
    let mut due = 0;
    for shard in 0..SHARDS {
        let query = stack
            .dynamodb
            .query()
            .table_name(&stack.table_name)
            .index_name("gsi2")
            .select(Select::Count)
            .key_condition_expression("gsi2pk = :shard AND gsi2sk <= :now")
            .expression_attribute_values(":shard", AttributeValue::S(format!("RECONCILE#{shard:02}")))
            .expression_attribute_values(":now", AttributeValue::S(format!("{:013}", now())));

        let mut pages = query.into_paginator().send();
        while let Some(page) = pages.next().await {
            due += u64::try_from(page.map_err(Error::aws("DynamoDB"))?.count).unwrap_or_default();
        }
    }
    Ok(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_shown_in_hours_and_minutes() {
        let shown = |seconds| describe_age(Ok(Some(Duration::from_secs(seconds)))).0;
        assert_eq!(shown(0), "has waited for 0 s");
        assert_eq!(shown(59), "has waited for 59 s");
        assert_eq!(shown(60), "has waited for 1 min");
        assert_eq!(shown(3_599), "has waited for 59 min");
        assert_eq!(shown(90_061), "has waited for 25 h 1 min");
    }

    #[test]
    fn an_unknown_age_is_not_an_age() {
        let (text, object) = describe_age(Ok(None));
        assert!(text.starts_with("unknown") && object["waited_seconds"].is_null());
        let denied = Error::Aws { service: "CloudWatch", reason: "AccessDenied".to_owned() };
        let (text, object) = describe_age(Err(denied));
        assert_eq!(text, "unknown (CloudWatch failed: AccessDenied)");
        assert!(object["waited_seconds"].is_null() && object["error"] == "CloudWatch failed: AccessDenied");
    }
}
