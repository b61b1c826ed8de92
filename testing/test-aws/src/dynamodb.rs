//! A real DynamoDB engine (dynoxide, on `SQLite` in memory) with the table of `template.yaml`, for tests: expressions,
//! conditions and transactions are evaluated by an engine and not by a hand-made map. Never deployed.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};

/// The name of the table.
pub const TABLE_NAME: &str = "belvo-sync";

/// Starts an engine with an empty table. It ends with the test's runtime.
///
/// # Panics
/// When no engine can be started: there is nothing to test then.
#[expect(clippy::unwrap_used, reason = "a test without its table can only give up")]
pub async fn start() -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(Credentials::for_tests())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint);
    let client = Client::from_conf(config.build());
    create_table(&client).await;
    client
}

#[expect(clippy::unwrap_used, reason = "a test without its table can only give up")]
async fn create_table(client: &Client) {
    let attributes = ["pk", "sk", "gsi1pk", "gsi1sk", "gsi2pk", "gsi2sk"];
    let attribute = |name: &&str| {
        let definition = AttributeDefinition::builder().attribute_name(*name).attribute_type(ScalarAttributeType::S);
        definition.build().unwrap()
    };
    client
        .create_table()
        .table_name(TABLE_NAME)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes.iter().map(attribute).collect()))
        .set_key_schema(Some(key_schema("pk", "sk")))
        .global_secondary_indexes(index("gsi1", ProjectionType::All))
        .global_secondary_indexes(index("gsi2", ProjectionType::KeysOnly))
        .send()
        .await
        .unwrap();
}

#[expect(clippy::unwrap_used, reason = "a test without its table can only give up")]
fn index(name: &str, projection: ProjectionType) -> GlobalSecondaryIndex {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(key_schema(&format!("{name}pk"), &format!("{name}sk"))))
        .projection(Projection::builder().projection_type(projection).build())
        .build()
        .unwrap()
}

#[expect(clippy::unwrap_used, reason = "a test without its table can only give up")]
fn key_schema(hash: &str, range: &str) -> Vec<KeySchemaElement> {
    let element = |name: &str, key_type| KeySchemaElement::builder().attribute_name(name).key_type(key_type).build();
    vec![element(hash, KeyType::Hash).unwrap(), element(range, KeyType::Range).unwrap()]
}
