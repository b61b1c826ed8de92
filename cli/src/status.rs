//! "Healthy? Behind?", at a glance.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use aws_sdk_sqs::types::QueueAttributeName;
use domain::now;
use serde_json::{Value, json};
use store::SHARDS;

use crate::error::{Error, failed};
use crate::output::Output;
use crate::queue_age;
use crate::stack::Stack;

/// Shows the queues and what is due.
pub(crate) async fn run(stack: &Stack, output: &Output) -> Result<(), Error> {
    let (waiting, in_flight) = depth(stack, "QueueUrl").await?;
    output.result(
        &format!("queue         {waiting} waiting, {in_flight} being worked on or waiting for their next attempt"),
        &json!({ "queue": { "waiting": waiting, "in_flight": in_flight } }),
    );
    let (words, object) = match waiting + in_flight {
        0 => ("none waits".to_owned(), Value::Null),
        _ => of_oldest(queue_age::waited(&stack.aws, stack.output("QueueUrl")?).await),
    };
    output.result(&format!("oldest        {words}"), &json!({ "oldest_message": object }));
    let (letters, hidden) = depth(stack, "DeadLetterQueueUrl").await?;
    let letters = letters + hidden;
    let verdict = if letters == 0 { "" } else { ": belvo-sync dead-letters list" };
    output.result(&format!("dead letters  {letters}{verdict}"), &json!({ "dead_letters": letters }));
    let due = due(stack).await?;
    output.result(
        &format!("due           {due} links or requests; the next reconcile run takes up to 800"),
        &json!({ "due": due }),
    );
    Ok(())
}

/// What CloudWatch says of the oldest message. What it does not know is told, and does not keep the rest from being told.
fn of_oldest(waited: Result<Option<Duration>, Error>) -> (String, Value) {
    match waited {
        Ok(Some(waited)) => {
            let seconds = waited.as_secs();
            (format!("has waited for {}", span(seconds)), json!({ "waited_seconds": seconds }))
        }
        Ok(None) => ("not known (no datapoint in CloudWatch)".to_owned(), json!({ "waited_seconds": null })),
        Err(error) => (format!("not known ({error})"), json!({ "waited_seconds": null, "error": error.to_string() })),
    }
}

/// Seconds as a person says them.
fn span(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// Visible and hidden messages.
pub(crate) async fn depth(stack: &Stack, queue: &str) -> Result<(u64, u64), Error> {
    use QueueAttributeName::{ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as Hidden};
    let call = stack.sqs.get_queue_attributes().queue_url(stack.output(queue)?);
    let call = call.attribute_names(Visible).attribute_names(Hidden);
    let attributes = call.send().await.map_err(failed("SQS"))?.attributes.unwrap_or_default();
    let count = |name| attributes.get(&name).and_then(|count| count.parse().ok()).unwrap_or_default();
    Ok((count(Visible), count(Hidden)))
}

/// How many links and requests are due, by the index of due times.
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
            due += u64::try_from(page.map_err(failed("DynamoDB"))?.count).unwrap_or_default();
        }
    }
    Ok(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_as_a_person_says_it() {
        let told = |seconds| of_oldest(Ok(Some(Duration::from_secs(seconds)))).0;
        assert_eq!(told(0), "has waited for 0 s");
        assert_eq!(told(59), "has waited for 59 s");
        assert_eq!(told(60), "has waited for 1 min");
        assert_eq!(told(3_599), "has waited for 59 min");
        assert_eq!(told(90_061), "has waited for 25 h 1 min");
    }

    #[test]
    fn an_age_that_is_not_known_is_no_age() {
        let (words, object) = of_oldest(Ok(None));
        assert!(words.starts_with("not known") && object["waited_seconds"].is_null());
        let refused = Error::Aws { service: "CloudWatch", why: "AccessDenied".to_owned() };
        let (words, object) = of_oldest(Err(refused));
        assert_eq!(words, "not known (CloudWatch failed: AccessDenied)");
        assert!(object["waited_seconds"].is_null() && object["error"] == "CloudWatch failed: AccessDenied");
    }
}
