//! Reads records from belvo-sync's table. `../README.md` has examples.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use clap::Parser;
use jiff::civil::Date;
use serde_json::{Value, json};

type Item = HashMap<String, AttributeValue>;

/// Prints what belvo-sync keeps in its table, one JSON object per line.
#[derive(Parser)]
enum Command {
    /// The links of one of your users.
    Links { external_id: String },
    /// The accounts of a link.
    Accounts { link_id: String },
    /// The transactions of an account, by day; both days count.
    Transactions {
        account_id: String,
        #[arg(long, value_name = "YYYY-MM-DD")]
        from: Option<Date>,
        #[arg(long, value_name = "YYYY-MM-DD")]
        to: Option<Date>,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let command = Command::parse();
    let table_name = std::env::var("TABLE_NAME").map_err(|_| "TABLE_NAME is not set")?;
    let config = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let query = Client::new(&config).query().table_name(table_name);
    match command {
        Command::Links { external_id } => print(links(query, &external_id), link).await,
        Command::Accounts { link_id } => print(accounts(query, &link_id), data).await,
        Command::Transactions { account_id, from, to } => print(transactions(query, &account_id, from, to), data).await,
    }
}

fn links(query: QueryFluentBuilder, external_id: &str) -> QueryFluentBuilder {
    query
        .index_name("gsi1")
        .key_condition_expression("gsi1pk = :user")
        .expression_attribute_values(":user", s(format!("EXTERNAL#{external_id}")))
}

fn accounts(query: QueryFluentBuilder, link_id: &str) -> QueryFluentBuilder {
    query
        .key_condition_expression("pk = :link AND begins_with(sk, :accounts)")
        .expression_attribute_values(":link", s(format!("LINK#{link_id}")))
        .expression_attribute_values(":accounts", s("ACCOUNTS#"))
}

/// Queries transactions, ordered by day. Their sort key is `<day>#<id>`, and `~` sorts after every character of a key.
/// Transactions without a day have `0000-00-00`.
fn transactions(
    query: QueryFluentBuilder,
    account_id: &str,
    from: Option<Date>,
    to: Option<Date>,
) -> QueryFluentBuilder {
    let from = from.map_or("0000-00-00".to_owned(), |day| day.to_string());
    let to = to.map_or("9999-12-31".to_owned(), |day| day.to_string());
    query
        .index_name("gsi1")
        .key_condition_expression("gsi1pk = :account AND gsi1sk BETWEEN :from AND :to")
        .expression_attribute_values(":account", s(format!("ACCOUNT#{account_id}")))
        .expression_attribute_values(":from", s(from))
        .expression_attribute_values(":to", s(format!("{to}~")))
}

/// Prints all items of all pages, without the tombstones of deleted objects.
async fn print(query: QueryFluentBuilder, row: fn(&Item) -> Value) -> Result<(), Box<dyn Error>> {
    let query = query.filter_expression("attribute_not_exists(deleted_at)");
    let mut items = query.into_paginator().items().send();
    while let Some(item) = items.next().await {
        let item = item.map_err(aws_sdk_dynamodb::Error::from)?;
        println!("{}", row(&item));
    }
    Ok(())
}

fn link(item: &Item) -> Value {
    let value = |name| item.get(name).map(to_json);
    let link_id = item["pk"].as_s().ok().and_then(|pk| pk.strip_prefix("LINK#"));
    json!({
        "external_id": value("external_id"),
        "institution": value("institution"),
        "last_synced_at": value("last_synced_at"),
        "link_id": link_id,
        "status": value("status"),
    })
}

/// Returns the object as Belvo sent it.
fn data(item: &Item) -> Value {
    item.get("data").map_or(Value::Null, to_json)
}

/// Returns a value as JSON. Numbers become text with all digits, because a float would round amounts.
fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => json!(text),
        AttributeValue::Bool(value) => json!(value),
        AttributeValue::L(values) => values.iter().map(to_json).collect(),
        AttributeValue::M(members) => {
            let sorted: BTreeMap<_, _> = members.iter().collect();
            sorted.into_iter().map(|(name, value)| (name.as_str(), to_json(value))).collect()
        }
        // Records contain neither sets nor binaries.
        _ => Value::Null,
    }
}

fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}
