//! What a listing found, and whether to believe it.
//!
//! Belvo pages by number and gives no snapshot: while we read, rows can move from one page to another. Four signs show
//! it: `count` differs between pages; a page says that another follows, or does not, at the wrong place; a later page is
//! gone; and the list has fewer rows than `count`, or rows that came with more than one answer. They are evidence, not proof.

use domain::{AnnouncedTotals, EmbeddedAccount, Flow, ListingCounts, ObjectId, Progress, Record, Resource};
use store::{Check, Counts, UpsertResult};

use crate::accounts::Accounts;
use crate::seen::{Row, Seen};

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

impl Tally {
    /// Of a listing that begins, or goes on.
    pub(crate) fn new(
        resource: &'static Resource,
        announced: &AnnouncedTotals,
        from: Option<&Progress>,
        previous_row_sum: Option<u64>,
    ) -> Self {
        Self {
            counts: Counts::default(),
            buried: Vec::new(),
            accounts: Accounts::default(),
            seen: Seen::default(),
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
        self.seen.added_to(self.found)
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
        self.seen.note_unreadable(page);
    }

    /// Rows that Belvo cannot give, and that are not isolated further.
    pub(crate) fn unread(&mut self, page: u64, rows: u64) {
        self.counts.unreadable += rows;
        self.seen.note_unread(page, rows);
    }

    /// A record was found, perhaps with its account. Gives what its row is.
    pub(crate) fn note(&mut self, place: Place, record: &Record, account: Option<EmbeddedAccount<'_>>) -> Row {
        if let Some(account) = account {
            self.accounts.note(account);
        }
        let flow = record.text("type").and_then(Flow::parse);
        self.seen.note(&record.id, place.page, place.answer, self.announced.counts(self.resource, record), flow)
    }

    /// What became of a record.
    pub(crate) fn stored(&mut self, id: ObjectId, upsert: UpsertResult) {
        match upsert {
            UpsertResult::Written => self.counts.written += 1,
            UpsertResult::Stale => self.counts.stale += 1,
            UpsertResult::Tombstoned { .. } => self.buried.push(id),
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

    fn tally(data: &str) -> Tally {
        let body = format!(
            r#"{{"webhook_type":"TRANSACTIONS","webhook_code":"historical_update","link_id":"l","data":{data}}}"#
        );
        let Plan::List { resource, announced, .. } = Plan::of(&Webhook::parse(body.as_bytes()).unwrap()) else {
            panic!("a listing")
        };
        Tally::new(resource, &announced, None, None)
    }

    fn found(tally: &mut Tally, id: &str, day: &str, kind: &str) {
        found_on(tally, 1, id, day, kind);
    }

    fn found_on(tally: &mut Tally, answer: u16, id: &str, day: &str, kind: &str) {
        let json = format!(r#"{{"id":"{id}","value_date":"{day}","type":"{kind}"}}"#);
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&json).unwrap();
        let place = Place { page: u64::from(answer), answer };
        tally.note(place, &Record::read(tally.resource, &raw).unwrap().0, None);
    }

    #[test]
    fn as_many_as_announced_inside_the_announced_days_are_verified() {
        let mut tally = tally(ANNOUNCED);
        tally.page(Some(3));
        found(&mut tally, "a", "2024-01-01", "INFLOW");
        found(&mut tally, "b", "2024-01-31", "OUTFLOW");
        found(&mut tally, "c", "2024-02-01", "OUTFLOW");
        assert_eq!((tally.check(), tally.found_so_far().distinct), (Check::Verified, 3));
    }

    #[test]
    fn fewer_of_one_kind_are_drift_though_the_total_is_there() {
        let mut tally = tally(ANNOUNCED);
        tally.page(Some(2));
        found(&mut tally, "a", "2024-01-01", "OUTFLOW");
        found(&mut tally, "b", "2024-01-31", "OUTFLOW");
        assert_eq!(tally.check(), Check::Drift);
    }

    #[test]
    fn without_an_announcement_nothing_is_verified() {
        assert_eq!(tally("{}").check(), Check::Unverified);
    }

    #[test]
    fn a_count_that_changes_means_that_the_list_moved_and_an_absent_one_does_not() {
        let mut changed = tally("{}");
        changed.page(Some(2));
        changed.page(None);
        assert!(!changed.moved());
        changed.page(Some(3));
        assert!(changed.moved());
    }

    #[test]
    fn a_row_that_comes_with_two_answers_means_that_the_list_moved() {
        let mut repeated = tally("{}");
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
        let mut doubled = tally(r#"{"total_transactions":2,"total_inflow_transactions":2}"#);
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
            let mut tally = Tally { previous_row_sum: previous, ..tally("{}") };
            tally.page(Some(3));
            for (answer, id) in (1..).zip(ids) {
                found_on(&mut tally, answer, id, "2024-01-01", "INFLOW");
            }
            tally.complete();
            tally
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
        let mut tally = tally("{}");
        tally.page(Some(5));
        tally.unread(1, 4);
        found(&mut tally, "a", "2024-01-01", "INFLOW");
        tally.complete();
        assert_eq!((tally.moved(), tally.check()), (false, Check::Drift));
    }

    #[test]
    fn pages_that_will_be_read_again_are_forgotten() {
        let mut tally = tally("{}");
        tally.page(Some(3));
        for (page, id) in [(1_u16, "a"), (2, "b"), (3, "c"), (3, "a")] {
            let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&format!(r#"{{"id":"{id}"}}"#)).unwrap();
            let place = Place { page: page.into(), answer: page };
            tally.note(place, &Record::read(tally.resource, &raw).unwrap().0, None);
        }
        tally.unreadable(3);
        tally.seen.forget_after(2);
        let ListingCounts { distinct, matching, unreadable, .. } = tally.found_so_far();
        assert_eq!((distinct, matching, unreadable), (2, 2, 0));
    }

    #[test]
    fn an_unreadable_object_is_no_move_but_drift() {
        let mut tally = tally("{}");
        tally.page(Some(1));
        tally.unreadable(1);
        tally.complete();
        assert!(!tally.moved());
        assert_eq!(tally.check(), Check::Drift);
    }
}
