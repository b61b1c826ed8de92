//! Accounts that other objects embed.
//!
//! Every transaction carries its whole account, with a balance for which Belvo has no webhook. So each pass keeps the
//! copy that was collected last of each account, and in the end stores it, if it is newer than what is stored.

use std::collections::HashMap;

use domain::{EmbeddedAccount, ObjectId, Record, Resource, moment_micros};
use serde_json::value::RawValue;
use store::{Counts, Known, Pass, Table, Upsert};

use crate::failure::Failure;
use crate::writing::fence;

/// The most accounts of one link that are kept. Further ones are left to their own listing.
const MAX_ACCOUNTS: usize = 1_000;

/// The newest copy of each account that a pass has met.
#[derive(Debug, Default)]
pub(crate) struct Accounts(HashMap<ObjectId, Copy>);

#[derive(Debug)]
struct Copy {
    collected_at: Option<i64>,
    raw: Box<RawValue>,
}

impl Accounts {
    /// Keeps this copy, if it is newer than the one that is kept.
    pub(crate) fn note(&mut self, account: EmbeddedAccount<'_>) {
        let collected_at = moment_micros(&account.collected_at);
        let is_newer = self.0.get(&account.id).is_none_or(|kept| kept.collected_at < collected_at);
        let has_room = self.0.len() < MAX_ACCOUNTS || self.0.contains_key(&account.id);
        if is_newer && has_room {
            self.0.insert(account.id, Copy { collected_at, raw: account.raw.to_owned() });
        }
    }

    /// Stores the copies that are newer than what is stored.
    pub(crate) async fn store(self, table: &Table, pass: &Pass) -> Result<Counts, Failure> {
        let accounts = Resource::accounts();
        if self.0.is_empty() {
            return Ok(Counts::default());
        }
        let ids: Vec<_> = self.0.keys().cloned().collect();
        let known = table.known(&pass.link, accounts, &ids).await?;
        fence(table, pass).await?;
        let mut counts = Counts::default();
        for (id, copy) in self.0 {
            let Ok((record, _)) = Record::read(accounts, &copy.raw) else {
                continue;
            };
            if !is_news(known.get(&id), &record, copy.collected_at) {
                counts.unchanged += 1;
                continue;
            }
            match table.upsert(&pass.link, accounts, record, pass.stamp).await? {
                Upsert::Written => counts.written += 1,
                Upsert::Stale | Upsert::Buried { .. } => counts.stale += 1,
            }
        }
        Ok(counts)
    }
}

/// Is this copy worth a write? What differs must also be newer: a transaction may embed an old copy of its account.
fn is_news(known: Option<&Known>, record: &Record, collected_at: Option<i64>) -> bool {
    known.is_none_or(|known| {
        let stored = known.collected_at.as_deref().and_then(moment_micros);
        !known.makes_unchanged(record) && stored < collected_at
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(balance: &str) -> Record {
        let raw: Box<RawValue> = serde_json::from_str(&format!(r#"{{"id":"a","balance":{balance}}}"#)).unwrap();
        Record::read(Resource::accounts(), &raw).unwrap().0
    }

    fn known(balance: &str, collected_at: &str) -> Known {
        let content_hash = Some(record(balance).content_hash);
        Known { content_hash, is_missing: false, collected_at: Some(collected_at.to_owned()) }
    }

    #[test]
    fn only_another_content_that_was_collected_later_is_news() {
        let stored = known("1", "2024-01-01T00:00:00Z");
        let (earlier, later) = (moment_micros("2023-01-01T00:00:00Z"), moment_micros("2024-01-01T00:00:00.001Z"));
        assert!(is_news(None, &record("1"), earlier));
        assert!(is_news(Some(&stored), &record("2"), later));
        assert!(!is_news(Some(&stored), &record("2"), earlier));
        assert!(!is_news(Some(&stored), &record("2"), None));
        assert!(!is_news(Some(&stored), &record("1"), later));
    }

    #[test]
    fn the_copy_that_was_collected_last_is_kept() {
        let mut accounts = Accounts::default();
        for (day, balance) in [("02", 2), ("03", 3), ("01", 1)] {
            let json = format!(r#"{{"id":"a","collected_at":"2024-01-{day}T00:00:00Z","balance":{balance}}}"#);
            let raw: Box<RawValue> = serde_json::from_str(&json).unwrap();
            let collected_at = format!("2024-01-{day}T00:00:00Z").into();
            accounts.note(EmbeddedAccount { id: ObjectId::parse("a").unwrap(), collected_at, raw: &raw });
        }
        assert!(accounts.0.into_values().next().unwrap().raw.get().contains(r#""balance":3"#));
    }
}
