use super::*;

fn read(resource: &str, json: &str) -> Result<Record, InvalidObject> {
    let raw: &RawValue = serde_json::from_str(json).unwrap();
    Record::read(Resource::of_webhook_type(resource).unwrap(), raw).map(|(record, _)| record)
}

const TRANSACTION: &str = r#"{"id":"t-1","account":{"id":"a-1","collected_at":"2024-01-01T00:00:00Z",
    "balance":{"current":1e400}},"value_date":"2024-02-29","amount":10.50,"collected_at":"2024-01-01T00:00:00Z"}"#;

#[test]
fn a_transaction_keeps_the_id_of_its_account_and_returns_the_account() {
    let raw: &RawValue = serde_json::from_str(TRANSACTION).unwrap();
    let (record, account) = Record::read(Resource::of_webhook_type("TRANSACTIONS").unwrap(), raw).unwrap();
    let account = account.unwrap();
    assert_eq!(record.account_id.unwrap(), account.id);
    assert_eq!((account.id.as_str(), account.as_of), ("a-1", moment_micros("2024-01-01T00:00:00Z")));
    assert!(!record.data.contains_key("account") && record.as_text.is_empty());
}

#[test]
fn records_sort_by_day_and_those_without_one_come_first() {
    let transactions = Resource::of_webhook_type("TRANSACTIONS").unwrap();
    let key = |json: &str| read("TRANSACTIONS", json).unwrap().date_key(transactions);
    assert_eq!(key(TRANSACTION), "2024-02-29#t-1");
    assert_eq!(key(r#"{"id":"t-1","value_date":null}"#), "0000-00-00#t-1");
    assert_eq!(key(r#"{"id":"t-1","value_date":"2024-02-28T23:00:00-03:00"}"#), "2024-02-28#t-1");
}

#[test]
fn the_hash_changes_with_the_content_and_not_with_the_collection_or_the_balance() {
    let hash = |json: &str| read("TRANSACTIONS", json).unwrap().content_hash;
    let collected_later = TRANSACTION.replace("2024-01-01", "2024-06-01").replace("1e400", "7");
    assert_eq!(hash(TRANSACTION), hash(&collected_later));
    assert_eq!(hash(TRANSACTION), hash(&TRANSACTION.replace("10.50", "10.5")));
    assert_ne!(hash(TRANSACTION), hash(&TRANSACTION.replace("10.50", "10.51")));
    assert_ne!(hash(TRANSACTION), hash(&TRANSACTION.replace("a-1", "a-2")));
}

#[test]
fn an_object_that_belvo_collected_or_saved_again_has_the_same_hash() {
    let hash = |json: &str| read("INVOICES", json).unwrap().content_hash;
    let saved = r#"{"id":"i","total":1,"created_at":"2024-01-01T00:00:00Z","last_accessed_at":null,
        "collected_at":"2024-01-01T00:00:00Z","lines":[{"price":2,"created_at":"2024-01-01T00:00:00Z"}]}"#;
    assert_eq!(hash(saved), hash(&saved.replace("2024-01-01", "2024-06-01")));
    assert_eq!(hash(saved), hash(r#"{"id":"i","total":1,"lines":[{"price":2}]}"#));
    assert_ne!(hash(saved), hash(&saved.replace(r#""price":2"#, r#""price":3"#)));
}

#[test]
fn a_hash_of_0_1_never_equals_a_current_one() {
    let record = |json: &str| read("INVOICES", json).unwrap();
    let time = Value::Text("2024-01-01T00:00:00Z".to_owned());
    let plain = record(r#"{"id":"i","total":1}"#);
    assert_eq!(plain.content_hash_of_0_1(None), plain.content_hash, "the forms differ in this member only");
    assert_ne!(plain.content_hash_of_0_1(Some(&time)), plain.content_hash);
    let saved_again = record(r#"{"id":"i","total":1,"created_at":"2024-06-01T00:00:00Z"}"#);
    assert_eq!(saved_again.content_hash_of_0_1(Some(&time)), plain.content_hash_of_0_1(Some(&time)));
    assert_ne!(saved_again.content_hash_of_0_1(Some(&time)), plain.content_hash_of_0_1(Some(&Value::Null)));
}

#[test]
fn the_same_record_of_a_repeated_object_is_kept_whatever_the_order_and_the_times() {
    let account = |category: &str, day: &str| {
        read("ACCOUNTS", &format!(r#"{{"id":"a","category":{category},"collected_at":"2024-01-{day}"}}"#)).unwrap()
    };
    let other = read("ACCOUNTS", r#"{"id":"b"}"#).unwrap();
    let checking = account(r#""CHECKING_ACCOUNT""#, "02");
    for later in ["01", "03"] {
        for rival in [account(r#""LOAN_ACCOUNT""#, later), account("null", later)] {
            for pair in [[&rival, &checking], [&checking, &rival]] {
                let kept = deduplicate([pair[0], &other, pair[1]].into_iter().cloned());
                assert_eq!(kept, [checking.clone(), other.clone()]);
            }
        }
    }
    let newer = account(r#""CHECKING_ACCOUNT""#, "03");
    assert_eq!(deduplicate([checking, newer.clone()].into_iter()), [newer]);
}

#[test]
fn the_time_of_an_account_copy_is_its_collection_or_else_its_last_save() {
    let as_of = |members: &str| {
        let raw = format!(r#"{{"id":"t","account":{{"id":"a"{members}}}}}"#);
        let raw: &RawValue = serde_json::from_str(&raw).unwrap();
        Record::read(Resource::of_webhook_type("TRANSACTIONS").unwrap(), raw).unwrap().1.unwrap().as_of
    };
    let first = moment_micros("2024-01-01T00:00:00Z");
    assert_eq!(as_of(r#","collected_at":"2024-01-01T00:00:00","created_at":"2024-06-01T00:00:00Z""#), first);
    for collected_at in ["", r#","collected_at":null"#, r#","collected_at":"yesterday""#, r#","collected_at":7"#] {
        assert_eq!(as_of(&format!(r#"{collected_at},"created_at":"2024-01-01T00:00:00Z""#)), first);
        assert_eq!(as_of(collected_at), None);
    }
}

#[test]
fn a_record_says_which_members_belvo_left_out() {
    let omitted = |json: &str| read("TAX_RETURNS", json).unwrap().omitted;
    assert_eq!(omitted(r#"{"id":"t"}"#), ["pdf", "receipt_pdf"]);
    assert_eq!(omitted(r#"{"id":"t","pdf":null}"#), ["receipt_pdf"], "what was sent all the same is kept");
    assert!(read("ACCOUNTS", r#"{"id":"a"}"#).unwrap().omitted.is_empty());
}

#[test]
fn an_object_without_a_usable_id_is_unreadable() {
    for json in ["{}", "[]", "null", r#"{"id":7}"#, r#"{"id":"a/b"}"#, r#"{"id":""}"#] {
        assert_eq!(read("ACCOUNTS", json), Err(InvalidObject), "{json}");
    }
}

#[test]
fn of_a_repeated_id_or_account_the_last_counts_for_everything() {
    let record = read("TRANSACTIONS", r#"{"id":"../x","id":"t","account":{"id":"a"},"account":{"id":"b"}}"#).unwrap();
    assert_eq!((record.id.as_str(), record.account_id.unwrap().as_str()), ("t", "b"));
    assert_eq!(record.data["id"], Value::Text("t".to_owned()));
    assert_eq!(read("ACCOUNTS", r#"{"id":"a","id":7}"#), Err(InvalidObject));
}

#[test]
fn a_name_over_1024_bytes_makes_its_object_text_and_the_whole_unreadable() {
    let (longest, too_long) = ("n".repeat(1024), "n".repeat(1025));
    let inside = |name: &str| read("ACCOUNTS", &format!(r#"{{"id":"a","b":{{"{name}":1}}}}"#)).unwrap().as_text;
    assert_eq!((inside(&longest), inside(&too_long)), (vec![], vec!["b".to_owned()]));
    let directly = |name: &str| read("ACCOUNTS", &format!(r#"{{"id":"a","{name}":1}}"#));
    assert!(directly(&longest).is_ok());
    assert_eq!(directly(&too_long), Err(InvalidObject));
}

#[test]
fn an_object_whose_names_fill_an_item_is_unreadable() {
    let named = |count: usize| {
        let members: Vec<_> = (0..count).map(|n| format!(r#""{n:01000}":0"#)).collect();
        read("ACCOUNTS", &format!(r#"{{"id":"a",{}}}"#, members.join(",")))
    };
    assert!(named(65).is_ok());
    assert_eq!(named(66), Err(InvalidObject));
}

#[test]
fn a_member_with_a_name_like_the_account_is_not_the_account() {
    let record = read("TRANSACTIONS", r#"{"id":"t","account":{"id":"a","n":1e999},"account.n":1e999}"#).unwrap();
    assert_eq!(record.as_text, [r"account\.n"]);
}
