//! Accounts that other objects embed.
//!
//! Every transaction contains its whole account, with a balance for which Belvo has no webhook. So each pass keeps the newest
//! copy of each account, and stores it at its end if it is newer than the stored account.
//!
//! The list of accounts decides about an account. A copy refreshes the stored account and does not change its kind: see
//! [`Copies::choose`].

use std::cmp::Ordering;
use std::collections::HashMap;

use domain::{EmbeddedAccount, ObjectId, Record, Resource};
use serde_json::value::RawValue;
use store::{Counts, Pass, StoredRecord, UpsertResult};

use crate::error::JobError;
use crate::write::{WriteResult, count, ensure_current};

/// Maximum number of accounts of one link of which a pass keeps copies. The list of accounts brings further ones.
const MAX_ACCOUNTS: usize = 1_000;
/// Maximum number of categories of one account of which a pass keeps a copy. Belvo documents nine.
const MAX_CATEGORIES: usize = 16;

/// The newest copies of each account that a pass has read.
#[derive(Debug, Default)]
pub(crate) struct EmbeddedAccounts(HashMap<ObjectId, Copies>);

/// The newest copy of one account for each category that Belvo gave it.
#[derive(Debug, Default)]
struct Copies(Vec<AccountCopy>);

#[derive(Debug)]
struct AccountCopy {
    category: Option<String>,
    as_of: Option<i64>,
    raw: Box<RawValue>,
    /// Copies without a time came with several contents, so nothing shows which is the newest.
    is_ambiguous: bool,
}

/// How the category of a copy compares with the stored category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// They are equal, or one of them is absent.
    Same,
    /// The copy contradicts the stored category.
    Other,
}

/// The stored side of the comparison, read once for each pass.
struct Stored {
    /// The pass, for the accounts.
    pass: Pass,
    /// Whether a whole list of accounts was ever read; `None` until it matters.
    has_own_list: Option<bool>,
}

impl EmbeddedAccounts {
    /// Keeps this copy if it is the newest of its category.
    pub(crate) fn note(&mut self, account: EmbeddedAccount<'_>) {
        if let Some(copies) = self.0.get_mut(&account.id) {
            copies.note(account);
        } else if self.0.len() < MAX_ACCOUNTS {
            self.0.entry(account.id.clone()).or_default().note(account);
        }
    }

    /// Stores the copies that are newer than the stored accounts.
    pub(crate) async fn store(self, pass: &Pass) -> Result<Counts, JobError> {
        let mut counts = Counts::default();
        if self.0.is_empty() {
            return Ok(counts);
        }

        let mut stored = Stored { pass: pass.with_resource(Resource::accounts()), has_own_list: None };
        let ids: Vec<_> = self.0.keys().cloned().collect();
        let records = stored.pass.stored_records(&ids).await?;
        ensure_current(pass).await?;

        for (id, copies) in self.0 {
            let Some(result) = stored.refresh(records.get(&id), copies).await? else { continue };
            count(&mut counts, result);
        }
        Ok(counts)
    }
}

impl Stored {
    /// Writes the copy that refreshes the stored account, if any does. Returns `None` if no copy can be read.
    async fn refresh(&mut self, known: Option<&StoredRecord>, copies: Copies) -> Result<Option<WriteResult>, JobError> {
        let Some((copy, kind)) = copies.choose(known) else { return Ok(None) };
        let Ok((record, _)) = Record::read(Resource::accounts(), &copy.raw) else { return Ok(None) };
        if !is_news(known, &record, &copy, kind) || (kind == Kind::Other && self.has_own_list().await?) {
            return Ok(Some(WriteResult::Unchanged));
        }
        Ok(Some(match self.pass.upsert(record).await? {
            UpsertResult::Written => WriteResult::Written,
            UpsertResult::Stale | UpsertResult::Tombstoned { .. } => WriteResult::Stale,
        }))
    }

    async fn has_own_list(&mut self) -> Result<bool, JobError> {
        if let Some(known) = self.has_own_list {
            return Ok(known);
        }
        let has_own_list = self.pass.sync_state().await?.listed_at.is_some();
        self.has_own_list = Some(has_own_list);
        Ok(has_own_list)
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

    /// Returns the copy that may refresh the stored account: the one of the stored category, else one without a category, else
    /// the first category by name. The choice does not depend on time: otherwise two copies that Belvo collects a few
    /// milliseconds apart would replace each other in every pass.
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
    /// Replaces this copy by a newer one. Of two contents with the same time it keeps the same one, in whatever order they come.
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

/// Returns `true` if a copy is worth a write: it differs and is newer. A transaction may embed an old copy of its account.
///
/// If one of the two has no readable time, the copy counts as newer, because the pass is. Otherwise a time in an unknown format
/// would freeze the balance. Ambiguous copies are left to the list of accounts.
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
mod tests;
