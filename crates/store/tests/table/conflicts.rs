//! Writes that DynamoDB rejects because another call writes the same item at the same time.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

const CONFLICT: &str = r#"{"__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException", "message": "Transaction is ongoing for the item"}"#;
const CANCELED: &str = r#"{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "Message": "canceled",
    "CancellationReasons": [{"Code": "TransactionConflict"}]}"#;
const CANCELED_BY_ITS_CONDITION: &str = r#"{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "Message": "canceled",
    "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "ConditionalCheckFailed"}]}"#;
const CONDITION: &str = r#"{"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "The conditional request failed"}"#;

/// Starts a server that rejects the first calls and accepts the next, and returns it with the client of the functions.
async fn given_rejections(times: u64, body: &str) -> (MockServer, Client) {
    let server = MockServer::start().await;
    let rejection = ResponseTemplate::new(400).set_body_raw(body, "application/x-amz-json-1.0");
    Mock::given(any()).respond_with(rejection).up_to_n_times(times).mount(&server).await;
    let success = ResponseTemplate::new(200).set_body_raw("{}", "application/x-amz-json-1.0");
    Mock::given(any()).respond_with(success).mount(&server).await;
    let config = Builder::new()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(Credentials::for_tests())
        .region(Region::new("us-east-1"))
        .endpoint_url(server.uri())
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)));
    let client = store::client(config);
    (server, client)
}

async fn calls(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

fn key() -> AttributeValue {
    AttributeValue::S("LINK#l-1".to_owned())
}

#[tokio::test]
async fn an_update_that_conflicts_with_a_transaction_is_retried() {
    let (server, client) = given_rejections(2, CONFLICT).await;
    client.update_item().table_name("t").key("pk", key()).send().await.unwrap();
    assert_eq!(calls(&server).await, 3);
}

#[tokio::test]
async fn a_put_and_a_deletion_that_conflict_with_a_transaction_are_retried() {
    let (server, client) = given_rejections(1, CONFLICT).await;
    client.put_item().table_name("t").item("pk", key()).send().await.unwrap();
    assert_eq!(calls(&server).await, 2);
    let (server, client) = given_rejections(1, CONFLICT).await;
    client.delete_item().table_name("t").key("pk", key()).send().await.unwrap();
    assert_eq!(calls(&server).await, 2);
}

#[tokio::test]
async fn a_transaction_that_conflicts_with_another_is_retried_unless_its_own_condition_failed() {
    let update = Update::builder().table_name("t").key("pk", key()).update_expression("REMOVE a").build().unwrap();
    let item = TransactWriteItem::builder().update(update).build();
    let (server, client) = given_rejections(2, CANCELED).await;
    client.transact_write_items().transact_items(item.clone()).send().await.unwrap();
    assert_eq!(calls(&server).await, 3);
    let (server, client) = given_rejections(2, CANCELED_BY_ITS_CONDITION).await;
    client.transact_write_items().transact_items(item).send().await.unwrap_err();
    assert_eq!(calls(&server).await, 1);
}

#[tokio::test]
async fn a_failed_condition_is_not_retried() {
    let (server, client) = given_rejections(2, CONDITION).await;
    let refused = client.update_item().table_name("t").key("pk", key()).send().await.unwrap_err();
    assert!(refused.into_service_error().is_conditional_check_failed_exception());
    assert_eq!(calls(&server).await, 1);
}

#[tokio::test]
async fn a_conflict_that_lasts_fails_the_call() {
    let (server, client) = given_rejections(100, CONFLICT).await;
    assert!(client.update_item().table_name("t").key("pk", key()).send().await.is_err());
    assert_eq!(calls(&server).await, 3, "the maximum number of attempts of the SDK");
}
