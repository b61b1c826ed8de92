//! Accounts that other objects embed.
//!
//! Every transaction carries its whole account, with a balance for which Belvo has no webhook. So each pass keeps the
//! newest copy of each account, and in the end stores it, if it is newer than what is stored.
//!
//! The account's own list is what decides about an account. A copy refreshes what is stored, and does not make another
//! kind of account of it: see [`Copies::choose`].

use std::cmp::Ordering;
use std::collections::HashMap;

use domain::{EmbeddedAccount, ObjectId, Record, Resource};
use serde_json::value::RawValue;
use store::{Counts, Pass, StoredRecord, Table, UpsertResult};

use crate::error::JobError;
use crate::listing::write_page::fence;

/// The most accounts of one link that are kept. Further ones are left to their own listing.
const MAX_ACCOUNTS: usize = 1_000;
/// The most categories of one account of which a copy is kept. Belvo documents nine.
const MAX_CATEGORIES: usize = 16;

/// The newest copies of each account that a pass has read.
#[derive(Debug, Default)]
pub(crate) struct EmbeddedAccounts(HashMap<ObjectId, Copies>);

/// The newest copy of an account for each category under which it came.
#[derive(Debug, Default)]
struct Copies(Vec<AccountCopy>);

#[derive(Debug)]
struct AccountCopy {
    category: Option<String>,
    as_of: Option<i64>,
    raw: Box<RawValue>,
    /// Whether copies without a time came with several contents, so that nothing tells which is the newest.
    is_ambiguous: bool,
}

/// What is known of an account's kind when a copy of it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The copy has the stored category, or one of both names none.
    Same,
    /// The copy contradicts the stored category.
    Other,
}

impl EmbeddedAccounts {
    /// Keeps this copy, if it is newer than the one of its category that is kept.
    pub(crate) fn note(&mut self, account: EmbeddedAccount<'_>) {
        if let Some(copies) = self.0.get_mut(&account.id) {
            copies.note(account);
        } else if self.0.len() < MAX_ACCOUNTS {
            self.0.entry(account.id.clone()).or_default().note(account);
        }
    }

    /// Stores the copies that are newer than what is stored.
    pub(crate) async fn store(self, table: &Table, pass: &Pass) -> Result<Counts, JobError> {
        let accounts = Resource::accounts();
        if self.0.is_empty() {
            return Ok(Counts::default());
        }
        let ids: Vec<_> = self.0.keys().cloned().collect();
        let known = table.stored_records(&pass.link, accounts, &ids).await?;
        fence(table, pass).await?;

        let mut counts = Counts::default();
        let mut own_list_was_read = None;
        for (id, copies) in self.0 {
            let stored = known.get(&id);
            let Some((copy, kind)) = copies.choose(stored) else { continue };
            let Ok((record, _)) = Record::read(accounts, &copy.raw) else { continue };
            if !is_news(stored, &record, &copy, kind) {
                counts.unchanged += 1;
                continue;
            }
            if kind == Kind::Other {
                if own_list_was_read.is_none() {
                    own_list_was_read = Some(table.sync_state(&pass.link, accounts).await?.listed_at.is_some());
                }
                if own_list_was_read == Some(true) {
                    counts.unchanged += 1;
                    continue;
                }
            }
            match table.upsert(&pass.link, accounts, record, pass.token).await? {
                UpsertResult::Written => counts.written += 1,
                UpsertResult::Stale | UpsertResult::Tombstoned { .. } => counts.stale += 1,
            }
        }
        Ok(counts)
    }
}

impl Copies {
    fn note(&mut self, account: EmbeddedAccount<'_>) {
        let is_of_category = |copy: &&mut AccountCopy| copy.category.as_deref() == account.category.as_deref();
        if let Some(copy) = self.0.iter_mut().find(is_of_category) {
            copy.compare_with(&account);
        } else if self.0.len() < MAX_CATEGORIES {
            self.0.push(AccountCopy {
                category: account.category.map(Into::into),
                as_of: account.as_of,
                raw: account.raw.to_owned(),
                is_ambiguous: false,
            });
        }
    }

    /// Chooses the copy that may refresh what is stored: one of the stored category, else one that names no category, else
    /// the first category by name. The choice depends on no time, so that two copies which Belvo collects a few
    /// milliseconds apart do not replace each other from pass to pass.
    fn choose(self, stored: Option<&StoredRecord>) -> Option<(AccountCopy, Kind)> {
        let stored = stored.and_then(|known| known.category.as_deref());
        let rank = |copy: &AccountCopy| match (stored, copy.category.as_deref()) {
            (Some(stored), Some(category)) if stored == category => 0,
            (None, Some(_)) => 0,
            (_, None) => 1,
            (Some(_), Some(_)) => 2,
        };
        let chosen = self
            .0
            .into_iter()
            .min_by(|one, other| rank(one).cmp(&rank(other)).then_with(|| one.category.cmp(&other.category)))?;
        let kind = if rank(&chosen) == 2 { Kind::Other } else { Kind::Same };
        Some((chosen, kind))
    }
}

impl AccountCopy {
    /// Takes the place of this copy with a newer one. Of two contents with one time the same one is kept whatever their order.
    fn compare_with(&mut self, other: &EmbeddedAccount<'_>) {
        let is_replaced = match self.as_of.cmp(&other.as_of) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal if self.raw.get() == other.raw.get() => false,
            Ordering::Equal => {
                self.is_ambiguous |= self.as_of.is_none() && !has_same_content(&self.raw, other.raw);
                other.raw.get() < self.raw.get()
            }
        };
        if is_replaced {
            self.is_ambiguous &= other.as_of.is_none();
            self.as_of = other.as_of;
            self.raw = other.raw.to_owned();
        }
    }
}

fn has_same_content(one: &RawValue, other: &RawValue) -> bool {
    let hash = |raw| Record::read(Resource::accounts(), raw).ok().map(|(record, _)| record.content_hash);
    hash(one) == hash(other)
}

/// Whether a copy is worth a write. What differs must also be newer: a transaction may embed an old copy of its account.
///
/// When one of the two has no time that can be read, the copy counts as newer, since the pass is. Otherwise a time in an
/// unknown form would freeze the balance. Copies without a time that contradict each other are left to the account's list.
fn is_news(known: Option<&StoredRecord>, record: &Record, copy: &AccountCopy, kind: Kind) -> bool {
    known.is_none_or(|known| {
        let is_newer = match (known.as_of, copy.as_of) {
            (Some(stored), Some(copied)) => stored < copied,
            _ if kind == Kind::Other => false,
            (None, Some(_)) => true,
            (_, None) => !copy.is_ambiguous,
        };
        is_newer && !known.is_unchanged_by(record)
    })
}

#[cfg(test)]
mod tests {
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
        let news =
            |collected_at, balance| refreshed(Some(&CHECKING), &[Embedded { collected_at, balance, ..CHECKING }]);
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
        assert_eq!(
            refreshed(Some(&odd(1)), &[Embedded { balance: 2, ..CHECKING }]).as_deref(),
            Some("CHECKING_ACCOUNT 2")
        );
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
                let expected =
                    if stored.category == CHECKING.category { "CHECKING_ACCOUNT 2" } else { "LOAN_ACCOUNT 3" };
                let copies = || [Embedded { ..checking }, Embedded { ..loan }];
                assert_eq!(refreshed(Some(stored), &copies()).as_deref(), Some(expected));
                let [one, other] = copies();
                assert_eq!(refreshed(Some(stored), &[other, one]).as_deref(), Some(expected));
            }
            assert_eq!(refreshed(None, &[loan, checking]).as_deref(), Some("CHECKING_ACCOUNT 2"), "by name");
        }
    }
}
