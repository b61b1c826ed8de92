//! A DynamoDB engine that serves a table with `fixture.json` and, on one account, many more transactions. The product's own
//! code stores them, so the programs read exactly what the sync function writes.

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{LinkId, LinkStatus, Message, ObjectId, Record, Webhook};
use serde::Deserialize;
use serde_json::value::RawValue;
use store::{Checkpoint, Counts, EventKey, LinkChange, Table};
use test_aws::dynamodb::TABLE_NAME;

/// The account with many transactions, one of the fixture's first link.
pub(crate) const ACCOUNT: &str = "0d3ffb69-f83b-456e-ad8e-208d0998d71d";
/// The number of transactions of that account. Each has more than 1 KB, and a page of a query has at most 1 MB.
const MANY: u16 = 2_300;
const NOW: i64 = 1_709_300_000_000;

#[derive(Deserialize)]
struct Fixture {
    links: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    id: String,
    external_id: String,
    status: String,
    resources: BTreeMap<String, Resource>,
}

/// The objects that Belvo lists, and the ids of those that it then deletes.
#[derive(Deserialize)]
struct Resource {
    listed: Vec<Box<RawValue>>,
    deleted: Vec<String>,
}

/// Serves the table until the process ends. Returns the engine's address.
pub(crate) fn serve() -> String {
    let (sender, receiver) = channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    thread::spawn(move || {
        runtime.unwrap().block_on(async {
            let client = test_aws::dynamodb::start().await;
            fill(&client).await;
            send_address(&client, sender).await;
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().expect("the table is filled")
}

/// Returns the largest and smallest numbers that the table stores as numbers, and some beyond: as sent, and as printed.
fn extremes() -> [(String, String); 6] {
    let (nines, digits) = ("9".repeat(38), "12345678901234567890123456789012345678");
    let zeros = |count| "0".repeat(count);
    [
        ("1e37".to_owned(), format!("1{}", zeros(37))),
        (nines.clone(), nines),
        (format!("{digits}e-165"), format!("0.{}{digits}", zeros(127))),
        // Stored as text: DynamoDB or a reader would round these.
        ("1e38".to_owned(), "1e38".to_owned()),
        ("1e39".to_owned(), "1e39".to_owned()),
        ("1e-129".to_owned(), "1e-129".to_owned()),
    ]
}

/// Returns [`MANY`] transactions, ordered by day: each as Belvo lists it, and the line that a program prints for it.
pub(crate) fn many() -> impl Iterator<Item = (String, String)> {
    let (text, extremes) = ("Pix ".repeat(300), extremes());
    (0..MANY).map(move |n| {
        let (sent, printed) = &extremes[usize::from(n) % extremes.len()];
        let (id, day) = (format!("a-{n:04}"), format!("2023-{:02}-{:02}", n / 200 + 1, n / 10 % 20 + 1));
        let account = format!(r#""account":{{"id":"{ACCOUNT}"}}"#);
        (
            format!(r#"{{"id":"{id}",{account},"value_date":"{day}","description":"{text}","amount":{n}.070,"extreme":{sent}}}"#),
            format!(r#"{{"amount":"{n}.07","description":"{text}","extreme":"{printed}","id":"{id}","value_date":"{day}"}}"#),
        )
    })
}

async fn fill(client: &Client) {
    let table = Table::new(client.clone(), TABLE_NAME.to_owned());
    let mut fixture: Fixture = serde_json::from_str(include_str!("../../../fixture.json")).unwrap();
    let transactions = fixture.links[0].resources.get_mut("TRANSACTIONS").unwrap();
    let many = many().map(|(object, _)| RawValue::from_string(object).unwrap());
    transactions.listed.extend(many);
    for link in &fixture.links {
        for (webhook_type, resource) in &link.resources {
            sync(&table, link, webhook_type, resource).await;
        }
    }
    assert_takes_several_pages(client).await;
}

/// Writes a complete pass, like the sync function.
async fn sync(table: &Table, link: &Link, webhook_type: &str, resource: &Resource) {
    let id = &LinkId::parse(&link.id).unwrap();
    let kind = domain::Resource::of_webhook_type(webhook_type).unwrap();
    let pass = table.begin_pass(id, kind, Some(NOW), NOW).await.unwrap();
    for object in &resource.listed {
        let (record, _) = Record::read(kind, object).unwrap();
        pass.upsert(record).await.unwrap();
    }
    for object in &resource.deleted {
        let object = ObjectId::parse(object).unwrap();
        table.tombstone(id, kind, &object, pass.token + 1, NOW).await.unwrap();
    }
    let change = LinkChange { external_id: Some(link.external_id.clone()), ..LinkChange::default() };
    let (checkpoint, event) = (Checkpoint { link: change, ..Checkpoint::default() }, event(id, webhook_type));
    let finished = pass.finish(&checkpoint, &event, store::Outcome::Applied, Counts::default(), NOW).await;
    assert!(finished.unwrap());
    let statuses = [LinkStatus::Active, LinkStatus::InvalidCredentials];
    let status = statuses.into_iter().find(|status| status.as_str() == link.status);
    table.set_link_status(id, status.unwrap()).await.unwrap();
}

fn event(link: &LinkId, webhook_type: &str) -> EventKey {
    let body = format!(r#"{{"webhook_type":"{webhook_type}","webhook_code":"historical_update","link_id":"{link}"}}"#);
    let webhook = Webhook::parse(body.as_bytes()).unwrap();
    EventKey::of(&Message::from_webhook(&webhook, body.as_bytes(), NOW)[0])
}

/// Checks that the transactions need several pages. Otherwise the tests would not cover paging.
async fn assert_takes_several_pages(client: &Client) {
    let query = client
        .query()
        .table_name(TABLE_NAME)
        .index_name("gsi1")
        .key_condition_expression("gsi1pk = :account")
        .expression_attribute_values(":account", AttributeValue::S(format!("ACCOUNT#{ACCOUNT}")));
    let first_page = query.send().await.unwrap();
    assert!(first_page.count() < i32::from(MANY) / 2 && first_page.last_evaluated_key().is_some());
}

/// Sends the engine's address. `test_aws::dynamodb` only returns a client, so the address comes from one of its requests.
async fn send_address(client: &Client, sender: Sender<String>) {
    let request = client.list_tables().customize().mutate_request(move |request| {
        sender.send(request.uri().trim_end_matches('/').to_owned()).unwrap();
    });
    request.send().await.unwrap();
}
