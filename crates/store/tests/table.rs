//! The table's promises, on a real DynamoDB engine.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Day, LinkId, LinkStatus, Message, ObjectId, Record, Resource, Webhook};
use store::{
    Check, Checkpoint, Content, Counts, EventKey, FinishedListing, LinkChange, Outcome, PassError, PutResult,
    SyncState, Table, UpsertResult,
};
use test_aws::dynamodb::TABLE_NAME;

type Item = HashMap<String, AttributeValue>;

const NOW: i64 = 1_700_000_000_000;
const LISTED: FinishedListing = FinishedListing { token: NOW, began_at: NOW - 1, count: 2 };

struct Given {
    client: Client,
    table: Table,
    link: LinkId,
}

async fn given_an_empty_table() -> Given {
    let client = test_aws::dynamodb::start().await;
    let table = Table::new(client.clone(), TABLE_NAME.to_owned());
    Given { client, table, link: LinkId::parse("link-1").unwrap() }
}

impl Given {
    async fn item(&self, pk: &str, sk: &str) -> Item {
        let key = [("pk", pk), ("sk", sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
        let get = self.client.get_item().table_name(TABLE_NAME).set_key(Some(HashMap::from(key))).consistent_read(true);
        get.send().await.unwrap().item.unwrap_or_default()
    }

    async fn transaction(&self) -> Item {
        self.item("LINK#link-1", "TRANSACTIONS#t-1").await
    }

    async fn upsert(&self, amount: &str, token: i64) -> UpsertResult {
        self.table.upsert(&self.link, transactions(), record(amount), token).await.unwrap()
    }

    async fn tombstone(&self, token: i64) -> PutResult {
        self.table.tombstone(&self.link, transactions(), &id(), token, NOW).await.unwrap()
    }

    async fn restore(&self, amount: &str, token: i64) -> PutResult {
        self.table.restore(&self.link, transactions(), record(amount), token).await.unwrap()
    }

    async fn begin_pass(&self, now: i64) -> store::Pass {
        self.table.begin_pass(&self.link, transactions(), None, now).await.unwrap()
    }

    async fn live_ids(&self) -> Vec<ObjectId> {
        self.table.live_ids(&self.link, transactions(), None).await.unwrap().0
    }

    async fn mark_missing(&self, listing: i64) -> bool {
        self.table.mark_missing(&self.link, transactions(), listing, &id(), NOW).await.unwrap()
    }

    async fn state(&self) -> SyncState {
        self.table.sync_state(&self.link, transactions()).await.unwrap()
    }
}

fn transactions() -> &'static Resource {
    Resource::of_webhook_type("TRANSACTIONS").unwrap()
}

fn id() -> ObjectId {
    ObjectId::parse("t-1").unwrap()
}

fn record(amount: &str) -> Record {
    let json = format!(
        r#"{{"id":"t-1","account":{{"id":"a-1"}},"value_date":"2024-02-29","amount":{amount},"merchant":null,
            "tags":["a",true],"empty":""}}"#
    );
    let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&json).unwrap();
    Record::read(transactions(), &raw).unwrap().0
}

fn message(body: &str) -> Message {
    Message::from_webhook(&Webhook::parse(body.as_bytes()).unwrap(), body.as_bytes(), NOW).remove(0)
}

fn n(item: &Item, name: &str) -> Option<String> {
    item.get(name).map(|value| value.as_n().unwrap().clone())
}

fn s<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).map(|value| value.as_s().unwrap().as_str())
}

fn amount(item: &Item) -> &str {
    item["data"].as_m().unwrap()["amount"].as_n().unwrap()
}

#[tokio::test]
async fn a_record_is_stored_exactly_and_indexed_by_account_and_day() {
    let given = given_an_empty_table().await;
    assert_eq!(given.upsert("999999999999999.9999", 5).await, UpsertResult::Written);
    let item = given.transaction().await;
    assert_eq!(amount(&item), "999999999999999.9999");
    assert_eq!(n(&item, "fetched_at").as_deref(), Some("5"));
    assert_eq!(s(&item, "account_id"), Some("a-1"));
    assert_eq!((s(&item, "gsi1pk"), s(&item, "gsi1sk")), (Some("ACCOUNT#a-1"), Some("2024-02-29#t-1")));
    let data = item["data"].as_m().unwrap();
    assert!(data["merchant"].is_null() && data["tags"].as_l().unwrap()[1] == AttributeValue::Bool(true));
    assert!(!data.contains_key("account") && !item.contains_key("as_text"));
}

#[tokio::test]
async fn an_older_snapshot_never_overwrites_a_newer_one() {
    let given = given_an_empty_table().await;
    given.upsert("2", 20).await;
    assert_eq!(given.upsert("1", 19).await, UpsertResult::Stale);
    assert_eq!(amount(&given.transaction().await), "2");
    assert_eq!(given.upsert("3", 20).await, UpsertResult::Written, "the same pass may write again");
    assert_eq!(given.upsert("4", 21).await, UpsertResult::Written);
    assert_eq!(amount(&given.transaction().await), "4");
}

#[tokio::test]
async fn a_tombstone_keeps_the_id_only_and_leaves_the_index() {
    let given = given_an_empty_table().await;
    given.upsert("1", 5).await;
    assert_eq!(given.tombstone(6).await, PutResult::Written);
    let item = given.transaction().await;
    assert_eq!(n(&item, "deleted_at"), Some(NOW.to_string()));
    assert_eq!(n(&item, "expires_at"), Some((NOW / 1_000 + 90 * 86_400).to_string()), "in seconds, as TTL wants it");
    let mut names: Vec<_> = item.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["deleted_at", "expires_at", "fetched_at", "pk", "sk"]);
}

#[tokio::test]
async fn a_listing_does_not_resurrect_what_was_deleted_even_when_it_began_later() {
    let given = given_an_empty_table().await;
    assert_eq!(given.tombstone(6).await, PutResult::Written, "also when no record existed");
    assert_eq!(given.upsert("1", 5).await, UpsertResult::Tombstoned { token: 6 });
    assert_eq!(given.upsert("1", 7).await, UpsertResult::Tombstoned { token: 6 });
    assert!(given.transaction().await.contains_key("deleted_at"));
}

#[tokio::test]
async fn an_older_deletion_does_not_remove_what_was_seen_later() {
    let given = given_an_empty_table().await;
    given.upsert("1", 10).await;
    assert_eq!(given.tombstone(9).await, PutResult::Stale);
    assert_eq!(given.tombstone(10).await, PutResult::Stale);
    assert_eq!(amount(&given.transaction().await), "1");
}

#[tokio::test]
async fn a_revival_replaces_what_is_older_and_nothing_else() {
    let given = given_an_empty_table().await;
    given.tombstone(6).await;
    assert_eq!(given.restore("1", 6).await, PutResult::Stale);
    assert_eq!(given.restore("1", 9).await, PutResult::Written);
    let item = given.transaction().await;
    assert_eq!((amount(&item), item.contains_key("expires_at")), ("1", false));
    assert_eq!(given.restore("2", 9).await, PutResult::Stale);
    assert_eq!(given.restore("2", 10).await, PutResult::Written, "a slower revival was there first");
    assert_eq!(amount(&given.transaction().await), "2");
}

#[tokio::test]
async fn a_pass_is_followed_only_while_it_is_the_newest() {
    let given = given_an_empty_table().await;
    let listing = given.begin_pass(NOW).await;
    let asking = given.table.follow_pass(&listing, NOW - 60_000).await.unwrap().unwrap();
    assert_eq!(asking.token, NOW + 1, "a clock a minute behind");
    assert_eq!(given.state().await.last_pass_at, Some(NOW + 1));
    assert!(given.table.follow_pass(&listing, NOW + 9).await.unwrap().is_none(), "it was overtaken");
    assert!(given.table.is_current(&asking).await.unwrap());
}

#[tokio::test]
async fn the_clock_of_a_link_only_moves_forward_whatever_the_hosts_say() {
    let given = given_an_empty_table().await;
    assert_eq!(given.begin_pass(NOW).await.token, NOW);
    assert_eq!(given.begin_pass(NOW).await.token, NOW + 1, "the same millisecond");
    assert_eq!(given.begin_pass(NOW - 60_000).await.token, NOW + 2, "a clock a minute behind");
    assert_eq!(given.begin_pass(NOW + 60_000).await.token, NOW + 60_000);
}

#[tokio::test]
async fn a_pass_sees_what_earlier_ones_left_and_when_they_began() {
    let given = given_an_empty_table().await;
    assert_eq!(given.begin_pass(NOW).await.before, SyncState::default());
    let second = given.begin_pass(NOW + 5).await;
    assert_eq!(second.before.last_pass_at, Some(NOW));
    assert_eq!(given.state().await.last_pass_at, Some(NOW + 5));
}

#[tokio::test]
async fn an_overtaken_pass_knows_it_and_leaves_no_checkpoint() {
    let given = given_an_empty_table().await;
    let event = EventKey::of(&message(r#"{"webhook_type":"X","webhook_code":"y","link_id":"link-1"}"#));
    let overtaken = given.begin_pass(NOW).await;
    let newest = given.begin_pass(NOW).await;
    assert!(!given.table.is_current(&overtaken).await.unwrap());
    assert!(given.table.is_current(&newest).await.unwrap());
    let checkpoint = Checkpoint {
        watermark: Some(Day::of(NOW)),
        listing: Some(LISTED),
        check: Some(Check::Verified),
        link: LinkChange { access: Some(LinkStatus::Active), ..LinkChange::default() },
    };
    let finish = |pass| given.table.finish(pass, &checkpoint, &event, Outcome::Applied, Counts::default(), NOW);
    assert!(!finish(&overtaken).await.unwrap());
    assert_eq!(given.state().await.watermark, None);
    assert!(finish(&newest).await.unwrap());
    assert_eq!(given.state().await.watermark, Some(Day::of(NOW)));
}

#[tokio::test]
async fn a_checkpoint_moves_the_watermark_forward_only_and_clears_the_last_error() {
    let given = given_an_empty_table().await;
    let event = EventKey::of(&message(r#"{"webhook_type":"X","webhook_code":"y","link_id":"link-1"}"#));
    given.table.record_failure(&given.link, transactions(), "belvo_unavailable").await.unwrap();
    let later = Checkpoint {
        watermark: Day::parse("2024-03-01"),
        listing: Some(LISTED),
        check: Some(Check::Drift),
        link: LinkChange { access: Some(LinkStatus::Active), ..LinkChange::default() },
    };
    let pass = given.begin_pass(NOW).await;
    assert!(given.table.finish(&pass, &later, &event, Outcome::Applied, Counts::default(), NOW).await.unwrap());
    let state = given.item("LINK#link-1", "SYNC#TRANSACTIONS").await;
    assert_eq!((s(&state, "watermark"), s(&state, "check")), (Some("2024-03-01"), Some("drift")));
    assert_eq!((n(&state, "count").as_deref(), n(&state, "listed_at")), (Some("2"), Some(NOW.to_string())));
    assert!(!state.contains_key("last_error"));

    let earlier = Checkpoint { watermark: Day::parse("2024-02-01"), ..Checkpoint::default() };
    let pass = given.begin_pass(NOW).await;
    assert!(given.table.finish(&pass, &earlier, &event, Outcome::Applied, Counts::default(), NOW).await.unwrap());
    assert_eq!(given.state().await.watermark, Day::parse("2024-03-01"));
    assert_eq!(given.state().await.listed_at, Some(NOW), "this pass was no whole listing");
}

#[tokio::test]
async fn nothing_begins_on_an_erased_link() {
    let given = given_an_empty_table().await;
    given.begin_pass(NOW).await;
    let update = given.client.update_item().table_name(TABLE_NAME).update_expression("SET #status = :erased");
    update
        .key("pk", AttributeValue::S("LINK#link-1".to_owned()))
        .key("sk", AttributeValue::S("LINK".to_owned()))
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":erased", AttributeValue::S("erased".to_owned()))
        .send()
        .await
        .unwrap();
    let refused = given.table.begin_pass(&given.link, transactions(), None, NOW + 9).await;
    assert!(matches!(refused, Err(PassError::Erased)));
    given.table.set_link_status(&given.link, LinkStatus::Active).await.unwrap();
    assert_eq!(s(&given.item("LINK#link-1", "LINK").await, "status"), Some("erased"));
}

#[tokio::test]
async fn the_external_id_of_a_link_is_found_by_its_index_and_not_forgotten() {
    let given = given_an_empty_table().await;
    let pass = given.table.begin_link_pass(&given.link, None, NOW).await.unwrap();
    let change = LinkChange { external_id: Some("user 7".to_owned()), ..LinkChange::default() };
    assert!(given.table.finish_link_pass(&pass, &change).await.unwrap());
    given.begin_pass(NOW).await;
    let link = given.item("LINK#link-1", "LINK").await;
    assert_eq!((s(&link, "external_id"), s(&link, "status")), (Some("user 7"), Some("active")));
    assert_eq!((s(&link, "gsi1pk"), s(&link, "gsi1sk")), (Some("EXTERNAL#user 7"), Some("LINK#link-1")));
}

#[tokio::test]
async fn an_event_has_one_item_from_its_first_attempt_to_its_outcome() {
    let given = given_an_empty_table().await;
    let message = message(
        r#"{"webhook_id":"w-1","webhook_type":"TRANSACTIONS","webhook_code":"transactions_deleted","link_id":"link-1",
            "request_id":"r-1","data":{"count":2,"deleted_transactions":["a","b"],"pad":null}}"#,
    );
    let event = given.table.begin_event(&message, Content::Kept, NOW).await.unwrap();
    given.table.begin_event(&message, Content::Kept, NOW).await.unwrap();
    let sk = format!("EVENT#{NOW}#{}", message.key);
    let item = given.item("LINK#link-1", &sk).await;
    assert_eq!((s(&item, "outcome"), n(&item, "attempts").as_deref()), (Some("processing"), Some("2")));
    assert_eq!((s(&item, "webhook_id"), s(&item, "request_id")), (Some("w-1"), Some("r-1")));
    let data = item["data"].as_m().unwrap();
    assert_eq!(data["deleted_transactions"], AttributeValue::N("2".to_owned()), "a list is kept as its length");

    let pass = given.begin_pass(NOW).await;
    let counts = Counts { pages: 1, written: 2, unchanged: 3, stale: 4, deleted: 5, unreadable: 6 };
    assert!(given.table.finish(&pass, &Checkpoint::default(), &event, Outcome::Applied, counts, NOW).await.unwrap());
    let item = given.item("LINK#link-1", &sk).await;
    assert_eq!((s(&item, "outcome"), n(&item, "deleted").as_deref()), (Some("applied"), Some("5")));
}

#[tokio::test]
async fn an_event_without_a_link_is_kept_by_its_day() {
    let given = given_an_empty_table().await;
    let message = message(r#"{"webhook_type":"PAYMENT_INTENTS","webhook_code":"STATUS_UPDATE","object_id":"o"}"#);
    let event = given.table.begin_event(&message, Content::Kept, NOW).await.unwrap();
    given.table.end_event(&event, Outcome::Unknown, Some("no such type")).await.unwrap();
    let item = given.item("UNROUTED#2023-11-14", &format!("EVENT#{NOW}#{}", message.key)).await;
    assert_eq!((s(&item, "outcome"), s(&item, "reason")), (Some("unknown"), Some("no such type")));
}

#[tokio::test]
async fn what_is_known_of_many_objects_is_read_at_once_and_tells_unchanged_records_apart() {
    let given = given_an_empty_table().await;
    given.upsert("1", 5).await;
    let deleted = ObjectId::parse("gone").unwrap();
    given.table.tombstone(&given.link, transactions(), &deleted, 5, NOW).await.unwrap();
    let mut ids: Vec<_> = (0..250).map(|n| ObjectId::parse(&format!("never-{n}")).unwrap()).collect();
    ids.extend([id(), deleted.clone()]);
    let known = given.table.stored_records(&given.link, transactions(), &ids).await.unwrap();
    assert_eq!(known.len(), 2);
    assert!(known[&id()].is_unchanged_by(&record("1.0")));
    assert!(!known[&id()].is_unchanged_by(&record("2")));
    assert!(!known[&deleted].is_unchanged_by(&record("1")), "a tombstone is no record");
}

#[tokio::test]
async fn an_object_as_deep_as_we_keep_it_is_taken_and_anything_deeper_is_text() {
    let given = given_an_empty_table().await;
    for depth in 28..36 {
        let json = format!(r#"{{"id":"t-1","x":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&json).unwrap();
        let record = Record::read(transactions(), &raw).unwrap().0;
        assert_eq!(record.as_text.is_empty(), depth <= 30, "{depth}");
        assert_eq!(
            given.table.upsert(&given.link, transactions(), record, 1).await.unwrap(),
            UpsertResult::Written,
            "{depth}"
        );
    }
}

#[tokio::test]
async fn a_pass_that_was_overtaken_at_its_start_does_not_set_the_last_pass_back() {
    let given = given_an_empty_table().await;
    given.begin_pass(NOW + 100).await;
    let accounts = Resource::of_webhook_type("ACCOUNTS").unwrap();
    let slow = given.table.begin_pass(&given.link, accounts, None, NOW).await.unwrap();
    assert_eq!(slow.token, NOW + 101);
    assert_eq!(given.state().await.last_pass_at, Some(NOW + 100), "another resource has its own");
}

#[tokio::test]
async fn what_a_pass_learned_of_its_link_is_kept_with_its_checkpoint() {
    let given = given_an_empty_table().await;
    let event = EventKey::of(&message(r#"{"webhook_type":"X","webhook_code":"y","link_id":"link-1"}"#));
    given.begin_pass(NOW).await;
    given.table.set_link_status(&given.link, LinkStatus::Gone).await.unwrap();
    let pass = given.begin_pass(NOW).await;
    assert_eq!(pass.link_state.status, Some(LinkStatus::Gone));
    let nothing = Checkpoint::default();
    assert!(given.table.finish(&pass, &nothing, &event, Outcome::Applied, Counts::default(), NOW).await.unwrap());
    assert_eq!(s(&given.item("LINK#link-1", "LINK").await, "status"), Some("gone"));
    let link = LinkChange { access: Some(LinkStatus::Active), ..LinkChange::default() };
    let learned = Checkpoint { link, ..nothing };
    assert!(given.table.finish(&pass, &learned, &event, Outcome::Applied, Counts::default(), NOW).await.unwrap());
    assert_eq!(s(&given.item("LINK#link-1", "LINK").await, "status"), Some("active"));
}

#[tokio::test]
async fn a_record_that_is_too_large_is_stored_without_its_largest_members_and_says_so() {
    let given = given_an_empty_table().await;
    let (pdf, xml) = ("p".repeat(500 * 1024), "x".repeat(300 * 1024));
    let rows = vec!["1e999"; 30_000].join(",");
    let json = format!(r#"{{"id":"t-1","amount":10.5,"pdf":"{pdf}","xml":"{xml}","rows":[{rows}],"note":1e999}}"#);
    let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&json).unwrap();
    let record = Record::read(transactions(), &raw).unwrap().0;
    assert_eq!(given.table.upsert(&given.link, transactions(), record, 1).await.unwrap(), UpsertResult::Written);
    let item = given.transaction().await;
    let texts =
        |name: &str| item[name].as_l().unwrap().iter().map(|each| each.as_s().unwrap().clone()).collect::<Vec<_>>();
    assert_eq!(texts("omitted"), ["pdf", "xml"]);
    // Paths to each of the rows would take more room than the rows.
    assert_eq!((amount(&item), texts("as_text")), ("10.5", vec!["rows".to_owned(), "note".to_owned()]));
}

#[tokio::test]
async fn what_a_whole_listing_lacks_is_marked_and_keeps_its_data() {
    let given = given_an_empty_table().await;
    given.upsert("1", 5).await;
    assert_eq!(given.live_ids().await, [id()]);
    assert!(given.mark_missing(NOW).await);
    let item = given.transaction().await;
    assert_eq!((n(&item, "missing_since"), amount(&item)), (Some(NOW.to_string()), "1"));
    assert!(given.live_ids().await.is_empty(), "since then, not since now");
    assert_eq!(given.upsert("1", NOW).await, UpsertResult::Written);
    assert!(!given.transaction().await.contains_key("missing_since"), "it is there again");
}

#[tokio::test]
async fn what_was_seen_after_a_listing_is_not_marked_by_it_and_neither_is_a_tombstone() {
    let given = given_an_empty_table().await;
    given.upsert("1", NOW + 1).await;
    assert!(!given.mark_missing(NOW).await);
    given.tombstone(NOW + 2).await;
    assert!(given.live_ids().await.is_empty());
    assert!(!given.mark_missing(NOW).await);
}

#[tokio::test]
async fn the_ids_of_a_resource_come_in_pages_that_can_be_gone_on_with() {
    let given = given_an_empty_table().await;
    // DynamoDB reads at most one megabyte at once.
    let large = "x".repeat(300 * 1024);
    for n in 1..=8 {
        let json = format!(r#"{{"id":"t-{n}","description":"{large}"}}"#);
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&json).unwrap();
        let record = Record::read(transactions(), &raw).unwrap().0;
        given.table.upsert(&given.link, transactions(), record, NOW).await.unwrap();
    }
    let (mut ids, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let (some, rest) = given.table.live_ids(&given.link, transactions(), after.as_ref()).await.unwrap();
        ids.extend(some);
        pages += 1;
        match rest {
            Some(id) => after = Some(id),
            None => break,
        }
    }
    let expected: Vec<_> = (1..=8).map(|n| ObjectId::parse(&format!("t-{n}")).unwrap()).collect();
    assert_eq!(ids, expected);
    assert!(pages > 1);
}

#[tokio::test]
async fn what_the_legs_of_a_listing_have_seen_is_kept_apart_and_a_lost_leg_is_noticed() {
    let given = given_an_empty_table().await;
    let (first, second) = (given.begin_pass(NOW).await, given.begin_pass(NOW + 1).await);
    let many: Vec<u64> = (0..90_000).map(|n| u64::MAX - n).collect();
    given.table.store_seen_ids(&first, NOW, &many, NOW).await.unwrap();
    given.table.store_seen_ids(&second, NOW, &[7], NOW).await.unwrap();
    given.table.store_seen_ids(&second, NOW + 1, &[8], NOW).await.unwrap();
    let seen = async |legs: &[i64]| given.table.seen_ids(&given.link, transactions(), NOW, legs).await;
    let mut all = seen(&[NOW, NOW + 1]).await.unwrap();
    all.sort_unstable();
    assert_eq!((all.len(), all[0], all[90_000]), (90_001, 7, u64::MAX));
    assert_eq!(seen(&[NOW + 1]).await.unwrap(), [7]);
    assert!(seen(&[NOW, NOW + 2]).await.is_err());
}
