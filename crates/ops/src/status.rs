//! "Healthy? Behind?", at a glance.

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use aws_sdk_sqs::types::QueueAttributeName;
use domain::now;
use serde_json::json;
use store::SHARDS;

use crate::output::Output;
use crate::stack::Stack;
use crate::trouble::{Trouble, failed};

/// Shows the queues and what is due.
pub(crate) async fn run(stack: &Stack, output: &Output) -> Result<(), Trouble> {
    let (waiting, in_flight) = depth(stack, "QueueUrl").await?;
    output.result(
        &format!("queue         {waiting} waiting, {in_flight} being worked on or waiting for their next attempt"),
        &json!({ "queue": { "waiting": waiting, "in_flight": in_flight } }),
    );
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

/// Visible and hidden messages.
async fn depth(stack: &Stack, queue: &str) -> Result<(u64, u64), Trouble> {
    use QueueAttributeName::{ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as Hidden};
    let call = stack.sqs.get_queue_attributes().queue_url(stack.output(queue)?);
    let call = call.attribute_names(Visible).attribute_names(Hidden);
    let attributes = call.send().await.map_err(failed("SQS"))?.attributes.unwrap_or_default();
    let count = |name| attributes.get(&name).and_then(|count| count.parse().ok()).unwrap_or_default();
    Ok((count(Visible), count(Hidden)))
}

/// How many links and requests are due, by the index of due times.
async fn due(stack: &Stack) -> Result<u64, Trouble> {
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
