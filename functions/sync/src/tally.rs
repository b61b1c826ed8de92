//! What a listing found, and whether to believe it.
//!
//! Belvo pages by number and gives no snapshot: while we read, rows can move from one page to another. Two signs show
//! it: `count` differs between pages, and fewer distinct ids than `count` were seen. They are evidence, not proof.

use domain::{Announced, EmbeddedAccount, Flow, Found, ObjectId, Progress, Record, Resource};
use store::{Check, Counts, Upsert};

use crate::accounts::Accounts;
use crate::seen::Seen;

/// What was found so far.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    /// Tombstones that the listing met.
    pub(crate) buried: Vec<ObjectId>,
    /// The accounts that the records embed.
    pub(crate) accounts: Accounts,
    /// What this leg of the listing has seen.
    pub(crate) seen: Seen,
    resource: &'static Resource,
    announced: Announced,
    /// `count` of the first page.
    listed: Option<u64>,
    /// What the legs before this one found; `moved` and `unasked` of this one too.
    found: Found,
    is_complete: bool,
    is_short: bool,
}

impl Tally {
    /// Of a listing that begins, or goes on.
    pub(crate) fn new(resource: &'static Resource, announced: &Announced, from: Option<&Progress>) -> Self {
        Self {
            counts: Counts::default(),
            buried: Vec::new(),
            accounts: Accounts::default(),
            seen: Seen::default(),
            resource,
            announced: announced.clone(),
            listed: from.map(|progress| progress.count),
            found: from.map(|progress| progress.found).unwrap_or_default(),
            is_complete: false,
            is_short: false,
        }
    }

    /// A page came, or a piece of one.
    pub(crate) fn page(&mut self, count: u64) {
        self.counts.pages += 1;
        self.found.moved |= *self.listed.get_or_insert(count) != count;
    }

    /// Something shows that the list moved.
    pub(crate) fn note_move(&mut self) {
        self.found.moved = true;
    }

    /// The list ended before its last page.
    pub(crate) fn note_short(&mut self) {
        self.found.moved = true;
        self.is_short = true;
    }

    /// Did the list end before its last page?
    pub(crate) fn is_short(&self) -> bool {
        self.is_short
    }

    /// Some tombstones that were met could not be asked for.
    pub(crate) fn note_unasked(&mut self) {
        self.found.unasked = true;
    }

    /// Every page was read.
    pub(crate) fn complete(&mut self) {
        self.is_complete = true;
    }

    /// What all legs have found.
    pub(crate) fn found_so_far(&self) -> Found {
        self.seen.added_to(self.found)
    }

    /// How many objects the list has.
    pub(crate) fn listed(&self) -> u64 {
        self.listed.unwrap_or_default()
    }

    /// An object that cannot be read as a record. It is counted and the listing goes on: one bad object must not hold
    /// back all others.
    pub(crate) fn unreadable(&mut self, page: u64) {
        self.counts.unreadable += 1;
        self.seen.note_unreadable(page);
    }

    /// A record was found, perhaps with its account.
    pub(crate) fn note(&mut self, page: u64, record: &Record, account: Option<EmbeddedAccount<'_>>) {
        if let Some(account) = account {
            self.accounts.note(account);
        }
        let flow = record.text("type").and_then(Flow::parse);
        self.seen.note(&record.id, page, self.announced.counts(self.resource, record), flow);
    }

    /// What became of a record.
    pub(crate) fn stored(&mut self, id: ObjectId, upsert: Upsert) {
        match upsert {
            Upsert::Written => self.counts.written += 1,
            Upsert::Stale => self.counts.stale += 1,
            Upsert::Buried { .. } => self.buried.push(id),
        }
    }

    /// Does something show, before every page was read, that the list moved?
    pub(crate) fn shows_a_move(&self) -> bool {
        self.found.moved
    }

    /// Did the list move while it was read?
    pub(crate) fn moved(&self) -> bool {
        let Found { distinct, unreadable, moved, .. } = self.found_so_far();
        moved || (self.is_complete && distinct + unreadable < self.listed())
    }

    /// Does what was found agree with what was announced?
    pub(crate) fn check(&self) -> Check {
        let Announced { total, inflows, outflows, .. } = self.announced;
        let fewer = |announced: Option<u64>, found| announced.is_some_and(|announced| found < announced);
        let found = self.found_so_far();
        let missing = fewer(total, found.matching) || fewer(inflows, found.inflows) || fewer(outflows, found.outflows);
        match total.or(inflows).or(outflows) {
            _ if self.moved() || found.unasked || found.unreadable > 0 || missing => Check::Drift,
            Some(_) => Check::Verified,
            None => Check::Unverified,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Plan, Webhook};

    use super::*;

    const ANNOUNCED: &str = r#"{"total_transactions":2,"total_inflow_transactions":1,"total_outflow_transactions":1,
        "first_transaction_date":"2024-01-01","last_transaction_date":"2024-01-31"}"#;

    fn tally(data: &str) -> Tally {
        let body = format!(
            r#"{{"webhook_type":"TRANSACTIONS","webhook_code":"historical_update","link_id":"l","data":{data}}}"#
        );
        let Plan::List { resource, announced, .. } = Plan::of(&Webhook::parse(body.as_bytes()).unwrap()) else {
            panic!("a listing")
        };
        Tally::new(resource, &announced, None)
    }

    fn found(tally: &mut Tally, id: &str, day: &str, kind: &str) {
        let json = format!(r#"{{"id":"{id}","value_date":"{day}","type":"{kind}"}}"#);
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&json).unwrap();
        tally.note(1, &Record::read(tally.resource, &raw).unwrap().0, None);
    }

    #[test]
    fn as_many_as_announced_inside_the_announced_days_are_verified() {
        let mut tally = tally(ANNOUNCED);
        tally.page(3);
        found(&mut tally, "a", "2024-01-01", "INFLOW");
        found(&mut tally, "b", "2024-01-31", "OUTFLOW");
        found(&mut tally, "c", "2024-02-01", "OUTFLOW");
        assert_eq!((tally.check(), tally.found_so_far().distinct), (Check::Verified, 3));
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
        assert!(!repeated.moved(), "more may come");
        repeated.complete();
        assert!(repeated.moved());
        assert_eq!(repeated.check(), Check::Drift);
    }

    #[test]
    fn pages_that_will_be_read_again_are_forgotten() {
        let mut tally = tally("{}");
        tally.page(3);
        for (page, id) in [(1, "a"), (2, "b"), (3, "c"), (3, "a")] {
            let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&format!(r#"{{"id":"{id}"}}"#)).unwrap();
            tally.note(page, &Record::read(tally.resource, &raw).unwrap().0, None);
        }
        tally.unreadable(3);
        tally.seen.forget_after(2);
        let Found { distinct, matching, unreadable, .. } = tally.found_so_far();
        assert_eq!((distinct, matching, unreadable), (2, 2, 0));
    }

    #[test]
    fn an_unreadable_object_is_no_move_but_drift() {
        let mut tally = tally("{}");
        tally.page(1);
        tally.unreadable(1);
        tally.complete();
        assert!(!tally.moved());
        assert_eq!(tally.check(), Check::Drift);
    }
}
