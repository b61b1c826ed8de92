//! Which copy of an account is stored.

use domain::moment_micros;

use super::*;

const NOON: &str = "2024-01-01T12:00:00Z";

/// An account as a transaction embeds it.
struct Embedded<'a> {
    category: &'a str,
    collected_at: &'a str,
    balance: u32,
}

const CHECKING: Embedded<'_> = Embedded { category: "CHECKING_ACCOUNT", collected_at: NOON, balance: 1 };
const LOAN: Embedded<'_> = Embedded { category: "LOAN_ACCOUNT", ..CHECKING };

impl Embedded<'_> {
    fn json(&self) -> String {
        let Self { category, collected_at, balance } = self;
        format!(r#"{{"id":"a","category":"{category}","collected_at":"{collected_at}","balance":{balance}}}"#)
    }
}

fn noted(copies: &[Embedded<'_>]) -> Copies {
    let mut accounts = EmbeddedAccounts::default();
    for copy in copies {
        let json = format!(r#"{{"id":"t","account":{}}}"#, copy.json());
        let raw: Box<RawValue> = serde_json::from_str(&json).unwrap();
        let transactions = Resource::of_webhook_type("TRANSACTIONS").unwrap();
        accounts.note(Record::read(transactions, &raw).unwrap().1.unwrap());
    }
    accounts.0.into_values().next().unwrap()
}

fn known(stored: &Embedded<'_>) -> StoredRecord {
    let raw: Box<RawValue> = serde_json::from_str(&stored.json()).unwrap();
    let record = Record::read(Resource::accounts(), &raw).unwrap().0;
    StoredRecord {
        content_hash: Some(record.content_hash),
        is_missing: false,
        created_at: None,
        as_of: moment_micros(stored.collected_at),
        category: Some(stored.category.to_owned()),
    }
}

/// The balance that is written, if it is.
fn refreshed(stored: Option<&Embedded<'_>>, copies: &[Embedded<'_>]) -> Option<String> {
    let stored = stored.map(known);
    let (copy, kind) = noted(copies).choose(stored.as_ref()).unwrap();
    let (record, _) = Record::read(Resource::accounts(), &copy.raw).unwrap();
    let is_news = is_news(stored.as_ref(), &record, &copy, kind);
    let domain::Value::Number(balance) = &record.data["balance"] else { panic!("a number") };
    is_news.then(|| format!("{} {}", record.text("category").unwrap(), balance.as_str()))
}

#[test]
fn only_another_content_that_was_collected_later_is_news() {
    let later = "2024-01-01T12:00:00.001Z";
    let news = |collected_at, balance| refreshed(Some(&CHECKING), &[Embedded { collected_at, balance, ..CHECKING }]);
    assert!(refreshed(None, &[CHECKING]).is_some());
    assert_eq!(news(later, 2).as_deref(), Some("CHECKING_ACCOUNT 2"));
    assert_eq!(news("2023-01-01T12:00:00Z", 2), None);
    assert_eq!(news(later, 1), None, "the same content");
}

#[test]
fn a_copy_whose_time_has_no_zone_refreshes_the_balance() {
    let copy = Embedded { collected_at: "2024-01-01T12:00:00.123456", balance: 2, ..CHECKING };
    assert_eq!(refreshed(Some(&CHECKING), &[copy]).as_deref(), Some("CHECKING_ACCOUNT 2"));
    let earlier = Embedded { collected_at: "2024-01-01T11:59:59.999999", balance: 2, ..CHECKING };
    assert_eq!(refreshed(Some(&CHECKING), &[earlier]), None);
}

#[test]
fn a_time_that_cannot_be_read_does_not_freeze_the_balance() {
    let odd = |balance| Embedded { collected_at: "noon", balance, ..CHECKING };
    for stored in [&CHECKING, &odd(1)] {
        assert_eq!(refreshed(Some(stored), &[odd(2), odd(2)]).as_deref(), Some("CHECKING_ACCOUNT 2"));
        assert_eq!(refreshed(Some(stored), &[odd(1)]), None, "the same content");
        assert_eq!(refreshed(Some(stored), &[odd(2), odd(3)]), None, "which of them is newer?");
    }
    assert_eq!(refreshed(Some(&odd(1)), &[Embedded { balance: 2, ..CHECKING }]).as_deref(), Some("CHECKING_ACCOUNT 2"));
    let dated = Embedded { collected_at: "2024-01-02", balance: 4, ..CHECKING };
    assert_eq!(refreshed(Some(&CHECKING), &[odd(2), odd(3), dated]).as_deref(), Some("CHECKING_ACCOUNT 4"));
}

#[test]
fn the_copy_that_was_collected_last_is_kept_and_of_one_time_always_the_same() {
    let copy = |collected_at, balance| Embedded { collected_at, balance, ..CHECKING };
    let copies = || [copy("2024-01-02", 2), copy("2024-01-03", 3), copy("2024-01-01", 1)];
    assert_eq!(refreshed(None, &copies()).as_deref(), Some("CHECKING_ACCOUNT 3"));
    for order in [[4, 5], [5, 4]] {
        let copies = order.map(|balance| copy(NOON, balance));
        assert_eq!(refreshed(None, &copies).as_deref(), Some("CHECKING_ACCOUNT 4"));
    }
}

#[test]
fn of_two_kinds_of_one_account_the_stored_one_is_refreshed_whichever_was_collected_later() {
    for later in ["2024-01-01T12:00:00.003Z", "2024-01-01T12:00:00.009Z"] {
        let checking = Embedded { collected_at: "2024-01-01T12:00:00.006Z", balance: 2, ..CHECKING };
        let loan = Embedded { collected_at: later, balance: 3, ..LOAN };
        for stored in [&CHECKING, &LOAN] {
            let expected = if stored.category == CHECKING.category { "CHECKING_ACCOUNT 2" } else { "LOAN_ACCOUNT 3" };
            let copies = || [Embedded { ..checking }, Embedded { ..loan }];
            assert_eq!(refreshed(Some(stored), &copies()).as_deref(), Some(expected));
            let [one, other] = copies();
            assert_eq!(refreshed(Some(stored), &[other, one]).as_deref(), Some(expected));
        }
        assert_eq!(refreshed(None, &[loan, checking]).as_deref(), Some("CHECKING_ACCOUNT 2"), "by name");
    }
}
