//! Records and tombstones.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{ObjectId, Record};
use store::{PutResult, UpsertResult};

use crate::given::{NOW, amount, given_an_empty_table, id, n, record, s, transactions};

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
async fn a_listing_does_not_restore_a_deleted_object_even_if_it_began_later() {
    let given = given_an_empty_table().await;
    assert_eq!(given.tombstone(6).await, PutResult::Written, "also when no record existed");
    assert_eq!(given.upsert("1", 5).await, UpsertResult::Tombstoned { token: 6 });
    assert_eq!(given.upsert("1", 7).await, UpsertResult::Tombstoned { token: 6 });
    assert!(given.transaction().await.contains_key("deleted_at"));
}

#[tokio::test]
async fn an_older_deletion_does_not_replace_a_newer_record() {
    let given = given_an_empty_table().await;
    given.upsert("1", 10).await;
    assert_eq!(given.tombstone(9).await, PutResult::Stale);
    assert_eq!(given.tombstone(10).await, PutResult::Stale);
    assert_eq!(amount(&given.transaction().await), "1");
}

#[tokio::test]
async fn a_restore_replaces_what_is_older_and_nothing_else() {
    let given = given_an_empty_table().await;
    given.tombstone(6).await;
    assert_eq!(given.restore("1", 6).await, PutResult::Stale);
    assert_eq!(given.restore("1", 9).await, PutResult::Written);
    let item = given.transaction().await;
    assert_eq!((amount(&item), item.contains_key("expires_at")), ("1", false));
    assert_eq!(given.restore("2", 9).await, PutResult::Stale);
    assert_eq!(given.restore("2", 10).await, PutResult::Written, "an older restore came first");
    assert_eq!(amount(&given.transaction().await), "2");
}

#[tokio::test]
async fn many_stored_records_are_read_at_once_and_show_which_are_unchanged() {
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
async fn the_deepest_allowed_object_is_stored_and_anything_deeper_becomes_text() {
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
async fn a_record_that_is_too_large_is_stored_without_its_largest_members_and_lists_them() {
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
    // The paths to the rows would be larger than the rows, so one path covers them all.
    assert_eq!((amount(&item), texts("as_text")), ("10.5", vec!["rows".to_owned(), "note".to_owned()]));
}

#[tokio::test]
async fn a_record_that_a_whole_listing_lacks_is_marked_as_missing_and_keeps_its_data() {
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
async fn a_listing_marks_neither_a_newer_record_nor_a_tombstone_as_missing() {
    let given = given_an_empty_table().await;
    given.upsert("1", NOW + 1).await;
    assert!(!given.mark_missing(NOW).await);
    given.tombstone(NOW + 2).await;
    assert!(given.live_ids().await.is_empty());
    assert!(!given.mark_missing(NOW).await);
}

#[tokio::test]
async fn the_live_ids_of_a_resource_come_in_pages_that_can_be_continued() {
    let given = given_an_empty_table().await;
    // DynamoDB returns at most 1 MB in a page.
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
