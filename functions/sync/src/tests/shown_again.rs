//! What Belvo shows again: saved once more, twice on a page, or embedded in something else.

use std::sync::{Arc, Mutex};

use domain::{LinkId, ObjectId, Record, Resource, Value, now};
use serde_json::value::RawValue;
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::world::{LINK, World, number, text};

/// A Belvo whose lists are what a test sets.
struct Lists {
    world: World,
    accounts: Arc<Mutex<Vec<String>>>,
    transactions: Arc<Mutex<Vec<String>>>,
    /// Serves as long as it lives.
    _server: MockServer,
}

impl Lists {
    async fn new() -> Self {
        let mut world = World::with_transactions(0).await;
        let server = MockServer::start().await;
        let (accounts, transactions) = (Arc::default(), Arc::default());
        for (list, objects) in [("/api/accounts/", &accounts), ("/api/transactions/", &transactions)] {
            let objects: Arc<Mutex<Vec<String>>> = Arc::clone(objects);
            let answer = move |_: &Request| {
                let objects = objects.lock().unwrap();
                let results = objects.join(",");
                let body =
                    format!(r#"{{"count":{},"next":null,"previous":null,"results":[{results}]}}"#, objects.len());
                ResponseTemplate::new(200).set_body_string(body)
            };
            Mock::given(path(list)).respond_with(answer).mount(&server).await;
        }
        Mock::given(any()).respond_with(ResponseTemplate::new(500)).mount(&server).await;
        world.ask(server.uri());
        Self { world, accounts, transactions, _server: server }
    }

    /// Belvo's own list of accounts is this, and is read: how many records were written.
    async fn list_accounts(&self, accounts: &[String]) -> Option<i64> {
        *self.accounts.lock().unwrap() = accounts.to_vec();
        let message = self.world.succeed("ACCOUNTS", "historical_update", "{}").await;
        number(&self.world.event(&message).await, "written")
    }

    /// There is a transaction for each of these copies of accounts, and they are read: how many records were written.
    async fn list_embedded(&self, accounts: &[String]) -> Option<i64> {
        let embedding = |(n, account): (usize, &String)| format!(r#"{{"id":"t-{n}","account":{account}}}"#);
        *self.transactions.lock().unwrap() = accounts.iter().enumerate().map(embedding).collect();
        let message = self.world.list_transactions().await;
        number(&self.world.event(&message).await, "written")
    }

    /// Category and balance of the account as it stands in the table.
    async fn account(&self) -> (String, Option<i64>) {
        let account = self.world.record("ACCOUNTS", "a").await;
        let data = account["data"].as_m().unwrap();
        (text(data, "category").to_owned(), number(data, "balance"))
    }
}

fn account(category: &str, balance: u32, collected_at: &str) -> String {
    format!(r#"{{"id":"a","category":"{category}","balance":{balance},"collected_at":"{collected_at}"}}"#)
}

fn checking(balance: u32, collected_at: &str) -> String {
    account("CHECKING_ACCOUNT", balance, collected_at)
}

fn loan(balance: u32, collected_at: &str) -> String {
    account("LOAN_ACCOUNT", balance, collected_at)
}

fn is(category: &str, balance: i64) -> (String, Option<i64>) {
    (category.to_owned(), Some(balance))
}

#[tokio::test]
async fn what_belvo_only_collected_and_saved_again_is_not_written() {
    let lists = Lists::new().await;
    let at = |day: &str| {
        let times = format!(r#""created_at":"2024-01-{day}T00:00:00Z","collected_at":"2024-01-{day}T00:00:00Z""#);
        format!(r#"{{"id":"a","balance":1,{times},"credit_data":{{"limit":5,{times}}}}}"#)
    };
    assert_eq!(lists.list_accounts(&[at("01")]).await, Some(1));
    assert_eq!(lists.list_accounts(&[at("02")]).await, Some(0));
    assert_eq!(lists.list_embedded(&[at("03")]).await, Some(1), "the transaction alone");
    assert_eq!(lists.list_accounts(&[at("04").replace(r#""limit":5"#, r#""limit":6"#)]).await, Some(1));
}

#[tokio::test]
async fn after_an_upgrade_from_0_1_a_listing_writes_no_record() {
    let world = World::with_transactions(30).await;
    world.list_transactions().await;
    world.succeed("ACCOUNTS", "historical_update", "{}").await;
    let link = LinkId::parse(LINK).unwrap();
    for webhook_type in ["TRANSACTIONS", "ACCOUNTS"] {
        let resource = Resource::of_webhook_type(webhook_type).unwrap();
        for json in world.belvo.control().truth(LINK, &webhook_type.to_lowercase()).unwrap() {
            let raw: Box<RawValue> = serde_json::from_str(&json).unwrap();
            let (record, _) = Record::read(resource, &raw).unwrap();
            let created_at = record.text("created_at").map(|time| Value::Text(time.to_owned()));
            let content_hash = record.content_hash_of_0_1(created_at.as_ref());
            assert_ne!(content_hash, record.content_hash);
            let of_0_1 = Record { content_hash, ..record };
            world.worker.table.upsert(&link, resource, of_0_1, now()).await.unwrap();
        }
    }
    let before = [world.records("TRANSACTIONS").await, world.records("ACCOUNTS").await];
    let transactions = world.event(&world.list_transactions().await).await;
    assert_eq!((number(&transactions, "written"), number(&transactions, "unchanged")), (Some(0), Some(33)));
    let accounts = world.succeed("ACCOUNTS", "historical_update", "{}").await;
    assert_eq!(number(&world.event(&accounts).await, "unchanged"), Some(3));
    assert!([world.records("TRANSACTIONS").await, world.records("ACCOUNTS").await] == before);
}

#[tokio::test]
async fn two_kinds_of_one_account_in_its_own_list_do_not_replace_each_other_from_pass_to_pass() {
    let lists = Lists::new().await;
    for pass in 0..3 {
        let times = ["2024-01-01T00:00:00.003Z", "2024-01-01T00:00:00.006Z"];
        let [checking, loan] = [checking(1, times[pass % 2]), loan(2, times[(pass + 1) % 2])];
        let page = if pass == 1 { [loan, checking] } else { [checking, loan] };
        let written = lists.list_accounts(&page).await;
        assert!(pass == 0 || written == Some(0), "pass {pass}: {written:?}");
        assert_eq!(lists.account().await, is("CHECKING_ACCOUNT", 1));
    }
}

#[tokio::test]
async fn two_kinds_of_one_account_that_are_embedded_do_not_replace_each_other_from_pass_to_pass() {
    let lists = Lists::new().await;
    for (hour, first, second) in [(1, 3, 6), (2, 6, 3), (3, 3, 6)] {
        let at = |ms: i32| format!("2024-01-01T0{hour}:00:00.00{ms}Z");
        let copies = [checking(hour, &at(first)), loan(100 + hour, &at(second))];
        lists.list_embedded(&copies).await;
        assert_eq!(lists.account().await, is("CHECKING_ACCOUNT", hour.into()), "the balance is still refreshed");
    }
}

#[tokio::test]
async fn an_accounts_own_list_decides_which_kind_of_account_it_is() {
    let lists = Lists::new().await;
    lists.list_embedded(&[checking(1, "2024-01-01")]).await;
    lists.list_accounts(&[loan(2, "2023-12-01")]).await;
    assert_eq!(lists.account().await, is("LOAN_ACCOUNT", 2), "whenever it was collected");
    lists.list_embedded(&[checking(3, "2024-01-03")]).await;
    assert_eq!(lists.account().await, is("LOAN_ACCOUNT", 2));
    lists.list_embedded(&[checking(4, "2024-01-04"), loan(5, "2024-01-02")]).await;
    assert_eq!(lists.account().await, is("LOAN_ACCOUNT", 5));
}

#[tokio::test]
async fn as_long_as_its_own_list_was_never_read_an_account_may_become_another_kind() {
    let lists = Lists::new().await;
    lists.list_embedded(&[checking(1, "2024-01-02")]).await;
    lists.list_embedded(&[loan(2, "2024-01-01")]).await;
    assert_eq!(lists.account().await, is("CHECKING_ACCOUNT", 1), "that copy is older");
    lists.list_embedded(&[loan(3, "2024-01-03")]).await;
    assert_eq!(lists.account().await, is("LOAN_ACCOUNT", 3));
}

#[tokio::test]
async fn an_embedded_account_refreshes_the_balance_in_whatever_form_its_time_is() {
    let lists = Lists::new().await;
    lists.list_accounts(&[checking(1, "2025-08-10T11:59:59.999999Z")]).await;
    for (balance, time) in
        [(2, "2025-08-10T12:00:00.123456"), (3, "2025-08-10 12:00:01"), (4, "at noon"), (5, "at one")]
    {
        lists.list_embedded(&[checking(balance, time)]).await;
        assert_eq!(lists.account().await, is("CHECKING_ACCOUNT", balance.into()), "{time}");
    }
    let id = ObjectId::parse("a").unwrap();
    let known = lists
        .world
        .worker
        .table
        .stored_records(&LinkId::parse(LINK).unwrap(), Resource::accounts(), std::slice::from_ref(&id))
        .await;
    assert_eq!(known.unwrap()[&id].as_of, None);
    lists.list_embedded(&[checking(6, "2025-08-10T12:00:02Z")]).await;
    assert_eq!(lists.account().await, is("CHECKING_ACCOUNT", 6));
}
