//! What a listing found, and whether to believe it.
//!
//! Belvo pages by number and gives no snapshot: while we read, rows can move from one page to another. Two signs show
//! it: `count` differs between pages, and fewer distinct ids than `count` were seen. They are evidence, not proof.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use domain::{Announced, EmbeddedAccount, ObjectId, Record, Resource};
use store::{Check, Counts, Upsert};

use crate::accounts::Accounts;

/// What was found so far. Memory: eight bytes an object, and the announced filters.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    /// Tombstones that the listing met.
    pub(crate) buried: Vec<ObjectId>,
    /// The accounts that the records embed.
    pub(crate) accounts: Accounts,
    resource: &'static Resource,
    announced: Announced,
    /// `count` of the first page.
    listed: u64,
    distinct: HashSet<u64>,
    matching: u64,
    inflows: u64,
    outflows: u64,
    moved: bool,
}

impl Tally {
    pub(crate) fn new(resource: &'static Resource, announced: &Announced) -> Self {
        Self {
            counts: Counts::default(),
            buried: Vec::new(),
            accounts: Accounts::default(),
            resource,
            announced: announced.clone(),
            listed: 0,
            distinct: HashSet::new(),
            matching: 0,
            inflows: 0,
            outflows: 0,
            moved: false,
        }
    }

    /// A page came, the first or another.
    pub(crate) fn page(&mut self, count: u64) {
        if self.counts.pages == 0 {
            self.listed = count;
        }
        self.counts.pages += 1;
        self.moved |= count != self.listed;
    }

    /// A page that should be there is not, or one that should not be there is.
    pub(crate) fn note_move(&mut self) {
        self.moved = true;
    }

    /// An object that cannot be read as a record. It is counted and the listing goes on: one bad object must not hold
    /// back all others.
    pub(crate) fn unreadable(&mut self) {
        self.counts.unreadable += 1;
    }

    /// A record was found, perhaps with its account.
    pub(crate) fn found(&mut self, record: &Record, account: Option<EmbeddedAccount<'_>>) {
        if let Some(account) = account {
            self.accounts.note(account);
        }
        if !self.distinct.insert(fingerprint(&record.id)) || !self.is_announced_day(record) {
            return;
        }
        self.matching += 1;
        match record.text("type") {
            Some("INFLOW") => self.inflows += 1,
            Some("OUTFLOW") => self.outflows += 1,
            _ => {}
        }
    }

    /// What became of a record.
    pub(crate) fn stored(&mut self, id: ObjectId, upsert: Upsert) {
        match upsert {
            Upsert::Written => self.counts.written += 1,
            Upsert::Stale => self.counts.stale += 1,
            Upsert::Buried { .. } => self.buried.push(id),
        }
    }

    /// Did the list move while it was read?
    pub(crate) fn moved(&self) -> bool {
        let seen = self.distinct.len() as u64 + self.counts.unreadable;
        self.moved || seen < self.listed
    }

    /// Was this object found?
    pub(crate) fn has(&self, id: &ObjectId) -> bool {
        self.distinct.contains(&fingerprint(id))
    }

    /// How many distinct objects were found.
    pub(crate) fn distinct(&self) -> u64 {
        self.distinct.len() as u64
    }

    /// Does what was found agree with what was announced?
    pub(crate) fn check(&self) -> Check {
        let Announced { total, inflows, outflows, .. } = self.announced;
        let fewer = |announced: Option<u64>, found| announced.is_some_and(|announced| found < announced);
        let missing = fewer(total, self.matching) || fewer(inflows, self.inflows) || fewer(outflows, self.outflows);
        match total.or(inflows).or(outflows) {
            _ if self.moved() || self.counts.unreadable > 0 || missing => Check::Drift,
            Some(_) => Check::Verified,
            None => Check::Unverified,
        }
    }

    fn is_announced_day(&self, record: &Record) -> bool {
        let Some(((first, last), date)) = self.announced.days.zip(self.resource.date) else {
            return true;
        };
        record.day(date).is_some_and(|day| (first..=last).contains(&day))
    }
}

/// Eight bytes that stand for an id. Two of a million ids fall together once in tens of millions of listings.
fn fingerprint(id: &ObjectId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use domain::{Plan, Webhook};

    use super::*;

    const ANNOUNCED: &str = r#"{"total_transactions":2,"total_inflow_transactions":1,"total_outflow_transactions":1,
        "first_transaction_date":"2024-01-01","last_transaction_date":"2024-01-31"}"#;

    fn tally(data: &str) -> Tally {
        let body = format!(r#"{{"webhook_type":"TRANSACTIONS","webhook_code":"historical_update","data":{data}}}"#);
        let Plan::List { resource, announced, .. } = Plan::of(&Webhook::parse(body.as_bytes()).unwrap()) else {
            panic!("a listing")
        };
        Tally::new(resource, &announced)
    }

    fn found(tally: &mut Tally, id: &str, day: &str, kind: &str) {
        let json = format!(r#"{{"id":"{id}","value_date":"{day}","type":"{kind}"}}"#);
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&json).unwrap();
        tally.found(&Record::read(tally.resource, &raw).unwrap().0, None);
    }

    #[test]
    fn as_many_as_announced_inside_the_announced_days_are_verified() {
        let mut tally = tally(ANNOUNCED);
        tally.page(3);
        found(&mut tally, "a", "2024-01-01", "INFLOW");
        found(&mut tally, "b", "2024-01-31", "OUTFLOW");
        found(&mut tally, "c", "2024-02-01", "OUTFLOW");
        assert_eq!((tally.check(), tally.distinct()), (Check::Verified, 3));
    }

    #[test]
    fn fewer_of_one_kind_are_drift_though_the_total_is_there() {
        let mut tally = tally(ANNOUNCED);
        tally.page(2);
        found(&mut tally, "a", "2024-01-01", "OUTFLOW");
        found(&mut tally, "b", "2024-01-31", "OUTFLOW");
        assert_eq!(tally.check(), Check::Drift);
    }

    #[test]
    fn without_an_announcement_nothing_is_verified() {
        assert_eq!(tally("{}").check(), Check::Unverified);
    }

    #[test]
    fn a_count_that_changes_or_an_id_that_comes_twice_means_that_the_list_moved() {
        let mut changed = tally("{}");
        changed.page(2);
        changed.page(3);
        assert!(changed.moved());
        let mut repeated = tally("{}");
        repeated.page(2);
        found(&mut repeated, "a", "2024-01-01", "INFLOW");
        found(&mut repeated, "a", "2024-01-01", "INFLOW");
        assert!(repeated.moved());
        assert_eq!(repeated.check(), Check::Drift);
    }

    #[test]
    fn an_unreadable_object_is_no_move_but_drift() {
        let mut tally = tally("{}");
        tally.page(1);
        tally.unreadable();
        assert!(!tally.moved());
        assert_eq!(tally.check(), Check::Drift);
    }
}
