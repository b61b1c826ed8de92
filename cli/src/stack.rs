//! The stack that is operated: where its parts are, by its outputs in CloudFormation.

use std::collections::HashMap;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue;
use queue::Queue;

use crate::error::{Error, failed};
use crate::item::Item;

/// A deployed stack, and clients for its parts.
pub(crate) struct Stack {
    /// Region, credentials and endpoint, for what no client of the SDK is here for.
    pub(crate) aws: SdkConfig,
    name: String,
    outputs: Pairs,
    parameters: Pairs,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    /// The table.
    pub(crate) table_name: String,
    /// The queue between webhooks and syncs.
    pub(crate) queue: Queue,
}

impl Stack {
    /// Finds a stack by its name.
    pub(crate) async fn find(name: &str) -> Result<Self, Error> {
        let aws = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
        let (outputs, parameters) = describe(&aws, name).await?;
        let output = |key: &str| output_of(&outputs, key, name).map(str::to_owned);
        let (table_name, queue_url) = (output("TableName")?, output("QueueUrl")?);
        let sqs = aws_sdk_sqs::Client::new(&aws);
        Ok(Self {
            dynamodb: store::client((&aws).into()),
            secrets: aws_sdk_secretsmanager::Client::new(&aws),
            queue: Queue::new(sqs.clone(), queue_url),
            sqs,
            table_name,
            name: name.to_owned(),
            outputs,
            parameters,
            aws,
        })
    }

    /// An item, read consistently.
    pub(crate) async fn item(&self, pk: &str, sk: &str) -> Result<Option<Item>, Error> {
        let get = self.dynamodb.get_item().table_name(&self.table_name).consistent_read(true);
        let get = get.key("pk", AttributeValue::S(pk.to_owned())).key("sk", AttributeValue::S(sk.to_owned()));
        Ok(get.send().await.map_err(failed("DynamoDB"))?.item)
    }

    /// All items of a partition whose sort key begins so.
    pub(crate) async fn items(&self, pk: &str, prefix: &str) -> Result<Vec<Item>, Error> {
        let query = self
            .dynamodb
            .query()
            .table_name(&self.table_name)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()));
        query.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(failed("DynamoDB"))
    }

    /// An output that every belvo-sync has.
    pub(crate) fn output(&self, key: &str) -> Result<&str, Error> {
        output_of(&self.outputs, key, &self.name)
    }

    /// A parameter as it was deployed.
    pub(crate) fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.get(key).map(String::as_str)
    }
}

type Pairs = HashMap<String, String>;

fn output_of<'a>(outputs: &'a Pairs, key: &str, stack: &str) -> Result<&'a str, Error> {
    let missing = || Error::NoStack { name: stack.to_owned(), why: format!("it has no output {key}") };
    outputs.get(key).map(String::as_str).ok_or_else(missing)
}

/// Outputs and parameters.
async fn describe(aws: &SdkConfig, name: &str) -> Result<(Pairs, Pairs), Error> {
    let client = aws_sdk_cloudformation::Client::new(aws);
    let missing = || Error::NoStack { name: name.to_owned(), why: "CloudFormation knows none".to_owned() };
    let output = client.describe_stacks().stack_name(name).send().await;
    let output = output.map_err(|error| match error.code() {
        // The only thing that can be wrong with a name.
        Some("ValidationError") => missing(),
        _ => failed("CloudFormation")(error),
    })?;
    let stack = output.stacks().first().ok_or_else(missing)?;
    let pair = |key: Option<&str>, value: Option<&str>| Some((key?.to_owned(), value?.to_owned()));
    let outputs = stack.outputs().iter().filter_map(|one| pair(one.output_key(), one.output_value())).collect();
    let parameters =
        stack.parameters().iter().filter_map(|one| pair(one.parameter_key(), one.parameter_value())).collect();
    Ok((outputs, parameters))
}
