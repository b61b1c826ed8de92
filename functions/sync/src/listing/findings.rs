//! What a listing found, and whether it is complete.
//!
//! Belvo pages by number and takes no snapshot: while a list is read, rows can move from one page to another. Four signs show
//! it: `count` differs between pages; a page says at the wrong place that another follows, or that none does; a later page
//! is gone; or the list has fewer rows than `count`, or rows that came with two responses. They are evidence, not proof.

use domain::{AnnouncedTotals, EmbeddedAccount, Flow, ListingCounts, ObjectId, Progress, Record, Resource};
use store::{Check, Counts, UpsertResult};

use crate::embedded_accounts::EmbeddedAccounts;
use crate::listing::seen_ids::{Row, SeenIds};

/// What this message and the earlier messages of its chain found of a list.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) counts: Counts,
    /// Listed objects that have a tombstone.
    pub(crate) tombstoned: Vec<ObjectId>,
    /// The accounts that the records embed.
    pub(crate) accounts: EmbeddedAccounts,
    /// The ids that this message found.
    pub(crate) seen_ids: SeenIds,
    resource: &'static Resource,
    announced: AnnouncedTotals,
    /// `count` of the first page that had one.
    listed_count: Option<u64>,
    /// What earlier messages found; `moved` and `unasked` also of this message.
    found_before: ListingCounts,
    /// `row_sum` of the previous reading, if it found too few ids.
    previous_row_sum: Option<u64>,
    /// The offset after the last row that was read.
    end_of_rows: u64,
    /// Whether the list continues after the end that `count` shows.
    is_longer_than_count: bool,
    /// Responses to this message, counted modulo 65,536.
    responses: u16,
    is_complete: bool,
    is_short: bool,
}

/// The place of a row: its page of the list, and its response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) page: u64,
    pub(crate) response: u16,
}

impl Findings {
    /// Returns the findings of a listing that begins, or that continues from `progress`.
    pub(crate) fn new(
        resource: &'static Resource,
        announced: &AnnouncedTotals,
        progress: Option<&Progress>,
        previous_row_sum: Option<u64>,
    ) -> Self {
        Self {
            counts: Counts::default(),
            tombstoned: Vec::new(),
            accounts: EmbeddedAccounts::default(),
            seen_ids: SeenIds::default(),
            resource,
            announced: announced.clone(),
            listed_count: progress.and_then(|progress| progress.count),
            found_before: progress.map(|progress| progress.found).unwrap_or_default(),
            previous_row_sum,
            end_of_rows: 0,
            is_longer_than_count: false,
            responses: 0,
            is_complete: false,
            is_short: false,
        }
    }

    /// Records a response. Returns its number.
    pub(crate) fn note_response(&mut self, count: Option<u64>) -> u16 {
        self.counts.pages += 1;
        if let Some(count) = count {
            self.found_before.moved |= *self.listed_count.get_or_insert(count) != count;
        }
        self.responses = self.responses.wrapping_add(1);
        self.responses
    }

    /// Records a sign that the list moved.
    pub(crate) fn note_move(&mut self) {
        self.found_before.moved = true;
    }

    /// Records that the list ended before its last page.
    pub(crate) fn note_short(&mut self) {
        self.found_before.moved = true;
        self.is_short = true;
    }

    /// Returns `true` if the list ended before its last page.
    pub(crate) fn is_short(&self) -> bool {
        self.is_short
    }

    /// Records that some objects to recheck were not fetched.
    pub(crate) fn note_unfetched(&mut self) {
        self.found_before.unasked = true;
    }

    /// Records that every page was read.
    pub(crate) fn note_complete(&mut self) {
        self.is_complete = true;
    }

    /// Returns what all messages of the listing found.
    pub(crate) fn found(&self) -> ListingCounts {
        self.seen_ids.added_to(self.found_before)
    }

    /// Returns how many objects the list has, if Belvo says so.
    pub(crate) fn listed_count(&self) -> Option<u64> {
        self.listed_count
    }

    /// Records the offset after the rows of a response, and whether another page follows.
    pub(crate) fn note_end_of_rows(&mut self, end: u64, has_next: bool) {
        self.end_of_rows = self.end_of_rows.max(end);
        self.is_longer_than_count |= self.listed_count.is_some_and(|count| count < end || (count == end && has_next));
    }

    /// Returns `true` if as many rows were read as `count` says.
    pub(crate) fn has_reached_count(&self) -> bool {
        self.listed_count.is_some_and(|count| self.end_of_rows >= count)
    }

    /// Returns the offset of the list's end, if `count` agrees with the rows that were read.
    pub(crate) fn end_of_list(&self) -> Option<u64> {
        self.listed_count.filter(|_| !self.is_longer_than_count)
    }

    /// Returns `row_sum` of the previous reading, if it found too few ids.
    pub(crate) fn previous_row_sum(&self) -> Option<u64> {
        self.previous_row_sum
    }

    /// Counts an object that is no record, and leaves it out: one bad object must not hold back the others.
    pub(crate) fn note_unreadable(&mut self, page: u64) {
        self.counts.unreadable += 1;
        self.seen_ids.note_unreadable(page);
    }

    /// Counts rows that Belvo cannot return, and that are not isolated further.
    pub(crate) fn note_unread(&mut self, page: u64, rows: u64) {
        self.counts.unreadable += rows;
        self.seen_ids.note_unread(page, rows);
    }

    /// Records a record and its embedded account. Returns how its row relates to earlier rows.
    pub(crate) fn note_record(&mut self, place: Place, record: &Record, account: Option<EmbeddedAccount<'_>>) -> Row {
        if let Some(account) = account {
            self.accounts.note(account);
        }
        let flow = record.text("type").and_then(Flow::parse);
        self.seen_ids.note(&record.id, place.page, place.response, self.announced.counts(self.resource, record), flow)
    }

    /// Records the result of writing a record.
    pub(crate) fn note_upsert(&mut self, id: ObjectId, result: UpsertResult) {
        match result {
            UpsertResult::Written => self.counts.written += 1,
            UpsertResult::Stale => self.counts.stale += 1,
            UpsertResult::Tombstoned { .. } => self.tombstoned.push(id),
        }
    }

    /// Returns `true` if a sign shows, before every page was read, that the list moved.
    pub(crate) fn shows_a_move(&self) -> bool {
        self.found_before.moved
    }

    /// Returns `true` if the list moved while it was read.
    pub(crate) fn has_moved(&self) -> bool {
        self.found_before.moved || self.lacks_rows()
    }

    /// Returns `row_sum` if the reading reached the end of the list and found too few ids. A second reading with the same
    /// rows shows that the list does not move.
    pub(crate) fn row_sum_to_confirm(&self) -> Option<u64> {
        (!self.found_before.moved && self.lacks_rows()).then(|| self.found().row_sum)
    }

    /// Returns `true` if there are fewer rows than `count`: some moved to a page that was read before. A row that came with
    /// two responses is such a sign too, unless the previous reading had the same rows.
    fn lacks_rows(&self) -> bool {
        let ListingCounts { distinct, unreadable, unread, doubled, repeated, row_sum, .. } = self.found();
        let rows = distinct + doubled + unreadable + unread;
        let lacks = |count| rows < count && !(rows + repeated == count && self.previous_row_sum == Some(row_sum));
        self.is_complete && self.listed_count.is_some_and(lacks)
    }

    /// Compares what was found with what the webhook announced.
    pub(crate) fn check(&self) -> Check {
        let AnnouncedTotals { total, inflows, outflows, .. } = self.announced;
        let found = self.found();
        let is_fewer = |announced: Option<u64>, found| announced.is_some_and(|announced| found < announced);

        let lacks_announced =
            is_fewer(total, found.matching) || is_fewer(inflows, found.inflows) || is_fewer(outflows, found.outflows);
        let is_whole = !self.has_moved() && !found.unasked && found.unreadable == 0 && found.unread == 0;
        match total.or(inflows).or(outflows) {
            _ if !is_whole || lacks_announced => Check::Drift,
            Some(_) => Check::Verified,
            None => Check::Unverified,
        }
    }
}

#[cfg(test)]
mod tests;
