//! The stack under operation. CloudFormation names its parts as outputs.

use std::collections::HashMap;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use queue::Queue;
use store::Table;

use crate::error::Error;
use crate::item::Item;

/// A deployed stack, with clients for its services.
pub(crate) struct Stack {
    name: String,
    outputs: Pairs,
    parameters: Pairs,
    pub(crate) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) table_name: String,
    /// The queue between the webhook function and the sync function.
    pub(crate) queue: Queue,
}

/// The approximate number of messages in a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueDepth {
    pub(crate) visible: u64,
    /// Messages that a consumer has received and not deleted, within their visibility timeout.
    pub(crate) hidden: u64,
}

impl Stack {
    /// Finds the stack with this name in CloudFormation.
    pub(crate) async fn find(name: &str) -> Result<Self, Error> {
        let aws = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
        let (outputs, parameters) = describe(&aws, name).await?;
        let output = |key: &str| output_of(&outputs, key, name).map(str::to_owned);
        let (table_name, queue_url) = (output("TableName")?, output("QueueUrl")?);

        // The constructors of the functions' clients set timeouts for connections inside a region. Operators connect
        // from further away: the SDK's defaults apply.
        let sqs = aws_sdk_sqs::Client::new(&aws);
        Ok(Self {
            cloudwatch: aws_sdk_cloudwatch::Client::new(&aws),
            dynamodb: store::client((&aws).into()),
            secrets: aws_sdk_secretsmanager::Client::new(&aws),
            queue: Queue::new(sqs.clone(), queue_url),
            sqs,
            table_name,
            name: name.to_owned(),
            outputs,
            parameters,
        })
    }

    /// Returns an output that every stack of belvo-sync has.
    pub(crate) fn output(&self, key: &str) -> Result<&str, Error> {
        output_of(&self.outputs, key, &self.name)
    }

    /// Returns the value of a parameter.
    pub(crate) fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.get(key).map(String::as_str)
    }

    /// Returns the table.
    pub(crate) fn table(&self) -> Table {
        Table::new(self.dynamodb.clone(), self.table_name.clone())
    }

    /// Reads an item, consistently.
    pub(crate) async fn item(&self, pk: &str, sk: &str) -> Result<Option<Item>, Error> {
        let get = self.dynamodb.get_item().table_name(&self.table_name).consistent_read(true);
        let get = get.key("pk", AttributeValue::S(pk.to_owned())).key("sk", AttributeValue::S(sk.to_owned()));
        Ok(get.send().await.map_err(Error::aws("DynamoDB"))?.item)
    }

    /// Reads all items of a partition whose sort key has the prefix, consistently.
    pub(crate) async fn items(&self, pk: &str, prefix: &str) -> Result<Vec<Item>, Error> {
        let query = self
            .dynamodb
            .query()
            .table_name(&self.table_name)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()));
        query.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(Error::aws("DynamoDB"))
    }

    /// Returns the depth of the queue that an output names.
    pub(crate) async fn queue_depth(&self, output: &str) -> Result<QueueDepth, Error> {
        let (visible, hidden) = (
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        );
        let call = self.sqs.get_queue_attributes().queue_url(self.output(output)?);
        let call = call.attribute_names(visible.clone()).attribute_names(hidden.clone());
        let attributes = call.send().await.map_err(Error::aws("SQS"))?.attributes.unwrap_or_default();

        let count = |name| attributes.get(&name).and_then(|count| count.parse().ok()).unwrap_or_default();
        Ok(QueueDepth { visible: count(visible), hidden: count(hidden) })
    }

    /// Returns the current text of the secret that an output names.
    pub(crate) async fn secret(&self, output: &str) -> Result<String, Error> {
        let read = self.secrets.get_secret_value().secret_id(self.output(output)?);
        let secret = read.send().await.map_err(Error::aws("Secrets Manager"))?;
        Ok(secret.secret_string.unwrap_or_default())
    }

    /// Stores a new version of the secret that an output names.
    pub(crate) async fn put_secret(&self, output: &str, text: String) -> Result<(), Error> {
        let put = self.secrets.put_secret_value().secret_id(self.output(output)?).secret_string(text);
        put.send().await.map_err(Error::aws("Secrets Manager"))?;
        Ok(())
    }

    /// Returns a client of Belvo with the API key of the stack.
    pub(crate) async fn belvo(&self) -> Result<belvo::Client, Error> {
        let secret = self.secret("BelvoSecretArn").await?;
        self.belvo_with(belvo::credentials(&secret).map_err(|_| Error::SecretMalformed)?)
    }

    /// Returns a client of Belvo with another API key.
    pub(crate) fn belvo_with(&self, credentials: belvo::Credentials) -> Result<belvo::Client, Error> {
        let base_url = self.parameter("BelvoBaseUrl").unwrap_or_default();
        belvo::Client::new(base_url, credentials, belvo::Limits::default())
            .map_err(|error| Error::Input(error.to_string()))
    }
}

type Pairs = HashMap<String, String>;

fn output_of<'a>(outputs: &'a Pairs, key: &str, stack: &str) -> Result<&'a str, Error> {
    let missing = || Error::NoStack { name: stack.to_owned(), reason: format!("it has no output {key}") };
    outputs.get(key).map(String::as_str).ok_or_else(missing)
}

/// Returns the outputs and the parameters of a stack.
async fn describe(aws: &SdkConfig, name: &str) -> Result<(Pairs, Pairs), Error> {
    let client = aws_sdk_cloudformation::Client::new(aws);
    let missing = || Error::NoStack { name: name.to_owned(), reason: "CloudFormation does not have it".to_owned() };
    let output = client.describe_stacks().stack_name(name).send().await;
    let output = output.map_err(|error| match error.code() {
        // CloudFormation reports a stack that does not exist with this code, and no other error of this call.
        Some("ValidationError") => missing(),
        _ => Error::aws("CloudFormation")(error),
    })?;

    let stack = output.stacks().first().ok_or_else(missing)?;
    let pair = |key: Option<&str>, value: Option<&str>| Some((key?.to_owned(), value?.to_owned()));
    let outputs = stack.outputs().iter().filter_map(|output| pair(output.output_key(), output.output_value()));
    let parameters = stack.parameters().iter();
    let parameters = parameters.filter_map(|parameter| pair(parameter.parameter_key(), parameter.parameter_value()));
    Ok((outputs.collect(), parameters.collect()))
}
