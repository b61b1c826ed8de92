//! What a listing found, and whether to believe it.
//!
//! Belvo pages by number and gives no snapshot: while we read, rows can move from one page to another. Four signs show
//! it: `count` differs between pages; a page says that another follows, or does not, at the wrong place; a later page is
//! gone; and the list has fewer rows than `count`, or rows that came with more than one answer. They are evidence, not proof.

use domain::{AnnouncedTotals, EmbeddedAccount, Flow, ListingCounts, ObjectId, Progress, Record, Resource};
use store::{Check, Counts, UpsertResult};

use crate::embedded_accounts::EmbeddedAccounts;
use crate::listing::seen_ids::{Row, SeenIds};

/// What was found so far.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) counts: Counts,
    /// Tombstones that the listing met.
    pub(crate) tombstoned: Vec<ObjectId>,
    /// The accounts that the records embed.
    pub(crate) accounts: EmbeddedAccounts,
    /// What this leg of the listing has seen.
    pub(crate) seen_ids: SeenIds,
    resource: &'static Resource,
    announced: AnnouncedTotals,
    /// `count` of the first page that had one.
    listed: Option<u64>,
    /// What the legs before this one found; `moved` and `unasked` of this one too.
    found: ListingCounts,
    /// `row_sum` of the reading before this one, if it found too few ids.
    previous_row_sum: Option<u64>,
    /// The place behind the last row that was read.
    reached: u64,
    /// Does the list go on behind the end that `count` gives it?
    is_longer: bool,
    /// Answers of this leg, counted modulo 65,536.
    answers: u16,
    is_complete: bool,
    is_short: bool,
}

impl Findings {
    /// Of a listing that begins, or goes on.
    pub(crate) fn new(
        resource: &'static Resource,
        announced: &AnnouncedTotals,
        from: Option<&Progress>,
        previous_row_sum: Option<u64>,
    ) -> Self {
        Self {
            counts: Counts::default(),
            tombstoned: Vec::new(),
            accounts: EmbeddedAccounts::default(),
            seen_ids: SeenIds::default(),
            resource,
            announced: announced.clone(),
            listed: from.and_then(|progress| progress.count),
            found: from.map(|progress| progress.found).unwrap_or_default(),
            previous_row_sum,
            reached: 0,
            is_longer: false,
            answers: 0,
            is_complete: false,
            is_short: false,
        }
    }

    /// A page came, or a piece of one. Gives the number of the answer.
    pub(crate) fn page(&mut self, count: Option<u64>) -> u16 {
        self.counts.pages += 1;
        if let Some(count) = count {
            self.found.moved |= *self.listed.get_or_insert(count) != count;
        }
        self.answers = self.answers.wrapping_add(1);
        self.answers
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
    pub(crate) fn found_so_far(&self) -> ListingCounts {
        self.seen_ids.added_to(self.found)
    }

    /// How many objects the list has, if Belvo says so.
    pub(crate) fn listed(&self) -> Option<u64> {
        self.listed
    }

    /// An answer ended at this place of the list.
    pub(crate) fn reach(&mut self, end: u64, has_next: bool) {
        self.reached = self.reached.max(end);
        self.is_longer |= self.listed.is_some_and(|listed| listed < end || (listed == end && has_next));
    }

    /// Was as much read as `count` says that there is?
    pub(crate) fn has_reached_count(&self) -> bool {
        self.listed.is_some_and(|listed| self.reached >= listed)
    }

    /// Where the list ends, as far as `count` agrees with what was read.
    pub(crate) fn end(&self) -> Option<u64> {
        self.listed.filter(|_| !self.is_longer)
    }

    /// `row_sum` of the reading before this one, if it found too few ids.
    pub(crate) fn previous_row_sum(&self) -> Option<u64> {
        self.previous_row_sum
    }

    /// An object that cannot be read as a record. It is counted and the listing goes on: one bad object must not hold
    /// back all others.
    pub(crate) fn unreadable(&mut self, page: u64) {
        self.counts.unreadable += 1;
        self.seen_ids.note_unreadable(page);
    }

    /// Rows that Belvo cannot give, and that are not isolated further.
    pub(crate) fn unread(&mut self, page: u64, rows: u64) {
        self.counts.unreadable += rows;
        self.seen_ids.note_unread(page, rows);
    }

    /// A record was found, perhaps with its account. Gives what its row is.
    pub(crate) fn note(&mut self, place: Place, record: &Record, account: Option<EmbeddedAccount<'_>>) -> Row {
        if let Some(account) = account {
            self.accounts.note(account);
        }
        let flow = record.text("type").and_then(Flow::parse);
        self.seen_ids.note(&record.id, place.page, place.answer, self.announced.counts(self.resource, record), flow)
    }

    /// What became of a record.
    pub(crate) fn stored(&mut self, id: ObjectId, upsert: UpsertResult) {
        match upsert {
            UpsertResult::Written => self.counts.written += 1,
            UpsertResult::Stale => self.counts.stale += 1,
            UpsertResult::Tombstoned { .. } => self.tombstoned.push(id),
        }
    }

    /// Does something show, before every page was read, that the list moved?
    pub(crate) fn shows_a_move(&self) -> bool {
        self.found.moved
    }

    /// Did the list move while it was read?
    pub(crate) fn moved(&self) -> bool {
        self.found.moved || self.lacks_rows()
    }

    /// `row_sum` of a reading that reached the end of the list and found too few ids: a second reading with the same rows
    /// shows that the list does not move.
    pub(crate) fn row_sum_to_confirm(&self) -> Option<u64> {
        (!self.found.moved && self.lacks_rows()).then(|| self.found_so_far().row_sum)
    }

    /// Are there fewer rows than `count`, so that some moved to a page that was read before? A row that came with more
    /// than one answer is such a sign, unless the reading before this one has seen the same rows.
    fn lacks_rows(&self) -> bool {
        let ListingCounts { distinct, unreadable, unread, doubled, repeated, row_sum, .. } = self.found_so_far();
        let rows = distinct + doubled + unreadable + unread;
        let lacks = |listed| rows < listed && !(rows + repeated == listed && self.previous_row_sum == Some(row_sum));
        self.is_complete && self.listed.is_some_and(lacks)
    }

    /// Does what was found agree with what was announced?
    pub(crate) fn check(&self) -> Check {
        let AnnouncedTotals { total, inflows, outflows, .. } = self.announced;
        let fewer = |announced: Option<u64>, found| announced.is_some_and(|announced| found < announced);
        let found = self.found_so_far();
        let missing = fewer(total, found.matching) || fewer(inflows, found.inflows) || fewer(outflows, found.outflows);
        let is_whole = !self.moved() && !found.unasked && found.unreadable == 0 && found.unread == 0;
        match total.or(inflows).or(outflows) {
            _ if !is_whole || missing => Check::Drift,
            Some(_) => Check::Verified,
            None => Check::Unverified,
        }
    }
}

/// Where a row stands: on which page of the list, and in which answer of Belvo's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) page: u64,
    pub(crate) answer: u16,
}

#[cfg(test)]
mod tests {
    use domain::{Plan, Webhook};

    use super::*;

    const ANNOUNCED: &str = r#"{"total_transactions":2,"total_inflow_transactions":1,"total_outflow_transactions":1,
        "first_transaction_date":"2024-01-01","last_transaction_date":"2024-01-31"}"#;

    fn findings(data: &str) -> Findings {
        let body = format!(
            r#"{{"webhook_type":"TRANSACTIONS","webhook_code":"historical_update","link_id":"l","data":{data}}}"#
        );
        let Plan::List { resource, announced, .. } = Plan::of(&Webhook::parse(body.as_bytes()).unwrap()) else {
            panic!("a listing")
        };
        Findings::new(resource, &announced, None, None)
    }

    fn found(findings: &mut Findings, id: &str, day: &str, kind: &str) {
        found_on(findings, 1, id, day, kind);
    }

    fn found_on(findings: &mut Findings, answer: u16, id: &str, day: &str, kind: &str) {
        let json = format!(r#"{{"id":"{id}","value_date":"{day}","type":"{kind}"}}"#);
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&json).unwrap();
        let place = Place { page: u64::from(answer), answer };
        findings.note(place, &Record::read(findings.resource, &raw).unwrap().0, None);
    }

    #[test]
    fn as_many_as_announced_inside_the_announced_days_are_verified() {
        let mut findings = findings(ANNOUNCED);
        findings.page(Some(3));
        found(&mut findings, "a", "2024-01-01", "INFLOW");
        found(&mut findings, "b", "2024-01-31", "OUTFLOW");
        found(&mut findings, "c", "2024-02-01", "OUTFLOW");
        assert_eq!((findings.check(), findings.found_so_far().distinct), (Check::Verified, 3));
    }

    #[test]
    fn fewer_of_one_kind_are_drift_though_the_total_is_there() {
        let mut findings = findings(ANNOUNCED);
        findings.page(Some(2));
        found(&mut findings, "a", "2024-01-01", "OUTFLOW");
        found(&mut findings, "b", "2024-01-31", "OUTFLOW");
        assert_eq!(findings.check(), Check::Drift);
    }

    #[test]
    fn without_an_announcement_nothing_is_verified() {
        assert_eq!(findings("{}").check(), Check::Unverified);
    }

    #[test]
    fn a_count_that_changes_means_that_the_list_moved_and_an_absent_one_does_not() {
        let mut changed = findings("{}");
        changed.page(Some(2));
        changed.page(None);
        assert!(!changed.moved());
        changed.page(Some(3));
        assert!(changed.moved());
    }

    #[test]
    fn a_row_that_comes_with_two_answers_means_that_the_list_moved() {
        let mut repeated = findings("{}");
        repeated.page(Some(2));
        found_on(&mut repeated, 1, "a", "2024-01-01", "INFLOW");
        found_on(&mut repeated, 2, "a", "2024-01-01", "INFLOW");
        assert!(!repeated.moved(), "more may come");
        repeated.complete();
        assert!(repeated.moved());
        assert_eq!(repeated.check(), Check::Drift);
    }

    #[test]
    fn a_row_that_stands_twice_in_one_answer_is_no_move_and_counts_as_a_row() {
        let mut doubled = findings(r#"{"total_transactions":2,"total_inflow_transactions":2}"#);
        doubled.page(Some(2));
        found(&mut doubled, "a", "2024-01-01", "INFLOW");
        found(&mut doubled, "a", "2024-01-01", "INFLOW");
        doubled.complete();
        assert_eq!((doubled.moved(), doubled.check()), (false, Check::Verified));
        assert_eq!(doubled.found_so_far().distinct, 1);
    }

    #[test]
    fn a_second_reading_with_the_same_rows_shows_that_the_list_does_not_move() {
        let reading = |ids: &[&str], previous| {
            let mut findings = Findings { previous_row_sum: previous, ..findings("{}") };
            findings.page(Some(3));
            for (answer, id) in (1..).zip(ids) {
                found_on(&mut findings, answer, id, "2024-01-01", "INFLOW");
            }
            findings.complete();
            findings
        };
        let first = reading(&["a", "b", "a"], None);
        let row_sum = first.row_sum_to_confirm();
        assert!(first.moved() && row_sum.is_some());
        assert!(!reading(&["b", "a", "a"], row_sum).moved(), "the same rows in another order");
        assert!(reading(&["a", "b", "b"], row_sum).moved(), "other rows");
        assert!(reading(&["a", "b"], row_sum).moved(), "fewer rows");
    }

    #[test]
    fn what_belvo_could_not_give_is_no_move_but_drift() {
        let mut findings = findings("{}");
        findings.page(Some(5));
        findings.unread(1, 4);
        found(&mut findings, "a", "2024-01-01", "INFLOW");
        findings.complete();
        assert_eq!((findings.moved(), findings.check()), (false, Check::Drift));
    }

    #[test]
    fn pages_that_will_be_read_again_are_forgotten() {
        let mut findings = findings("{}");
        findings.page(Some(3));
        for (page, id) in [(1_u16, "a"), (2, "b"), (3, "c"), (3, "a")] {
            let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&format!(r#"{{"id":"{id}"}}"#)).unwrap();
            let place = Place { page: page.into(), answer: page };
            findings.note(place, &Record::read(findings.resource, &raw).unwrap().0, None);
        }
        findings.unreadable(3);
        findings.seen_ids.forget_after(2);
        let ListingCounts { distinct, matching, unreadable, .. } = findings.found_so_far();
        assert_eq!((distinct, matching, unreadable), (2, 2, 0));
    }

    #[test]
    fn an_unreadable_object_is_no_move_but_drift() {
        let mut findings = findings("{}");
        findings.page(Some(1));
        findings.unreadable(1);
        findings.complete();
        assert!(!findings.moved());
        assert_eq!(findings.check(), Check::Drift);
    }
}
