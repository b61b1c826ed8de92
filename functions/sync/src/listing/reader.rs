//! Reading a whole list, or what is new of it.
//!
//! The first page says how many objects there are; the others are fetched and written side by side, a few at a time: while
//! some are written, others are on their way. Memory is bounded by the answers under way, not by the list. Where Belvo gives
//! no count, or another page follows the last one, pages are read one after the other until none follows.
//!
//! A list that is too long for one invocation is read in legs. A leg stops between two pages, and the next one reads the
//! last page again: only if that is unchanged, and the count too, does it go on; otherwise the listing begins anew. A leg
//! also stops before a page that Belvo does not give: what was read before it is kept.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use belvo::{Client, Error, Listing};
use domain::{AnnouncedTotals, Progress, now};
use store::{Pass, Table};
use tokio::sync::OnceCell;

use crate::concurrency;
use crate::error::JobError;
use crate::listing::findings::Findings;
use crate::listing::isolation::Isolation;
use crate::listing::page::{PageRead, Use};
use crate::listing::page_cap::PageCap;
use crate::listing::page_size::{AdaptivePageSize, PAGE_SIZE};

/// Pages that are fetched or written at once.
const PAGES_AT_ONCE: usize = 4;
/// In smaller pieces than this pages are read one after the other: side by side none would come to its end in time.
const SMALL_PAGE_SIZE: u32 = 250;
/// The same where the list gives fewer objects a page than this. Then it is the pace of requests that takes the time.
const SMALL_CAP: u32 = 100;
/// The longest list that is read: ten million objects.
pub(crate) const MAX_PAGES: u64 = 10_000;
/// So many pages in a row that Belvo cannot give are the end of a list without a count.
const MAX_GAPS: u32 = 3;
/// So many pages are not read again because Belvo asks for fewer requests.
const MUCH_PROGRESS: u64 = 20;

/// Reads one list for a pass.
pub(crate) struct Reader<'a> {
    pub(crate) belvo: &'a Client,
    pub(crate) table: &'a Table,
    pub(crate) pass: &'a Pass,
    pub(crate) listing: &'a Listing,
    /// After this no page is begun.
    pub(crate) until: Instant,
    /// How much Belvo can give at once.
    pub(crate) page_size: &'a AdaptivePageSize,
    /// How much this list gives at once.
    pub(crate) cap: &'a PageCap,
    pub(crate) isolation: Isolation,
    /// Whether Belvo gave the link, once that was asked.
    pub(crate) link_is_there: OnceCell<bool>,
    /// The smallest page that Belvo gave to this reader: its number and its size.
    pub(crate) given: Mutex<Option<(u64, u32)>>,
    /// Whether the log has a line about an odd `next` of this list.
    pub(crate) has_logged_next: &'a AtomicBool,
    /// Has an earlier leg read pages of the list?
    pub(crate) goes_on: bool,
    /// Is the list read again from the beginning when it moves?
    pub(crate) stops_when_moved: bool,
    /// Are records compared with what is stored, so that only what changed is written?
    pub(crate) compares: bool,
}

/// What a leg has read.
pub(crate) struct Reading {
    pub(crate) findings: Findings,
    /// The last page up to which all were written, and the digest of its ids; none when there is no other.
    pub(crate) rest: Option<(u64, String)>,
}

/// How far a reading has come.
struct Position {
    first: u64,
    /// The digests of the pages that were read.
    read: BTreeMap<u64, String>,
    /// Does a page follow the last one that was read?
    has_next: bool,
}

impl Reader<'_> {
    /// Reads the pages of a list, from the beginning or from where an earlier leg stopped, and writes their records.
    /// `previous_row_sum` is what an earlier reading of the same list leaves to confirm.
    pub(crate) async fn read(
        &self,
        announced: &AnnouncedTotals,
        from: Option<&Progress>,
        previous_row_sum: Option<u64>,
    ) -> Result<Reading, JobError> {
        let findings = Mutex::new(Findings::new(self.pass.resource, announced, from, previous_row_sum));
        let Some(mut position) = self.begin(from, &findings).await? else { return Ok(moved(findings)) };
        let listed = lock(&findings).listed().map(|count| count.div_ceil(u64::from(PAGE_SIZE)).max(1));
        // A count of more pages than are read is no count to go by.
        let last = listed.filter(|last| position.has_next && *last <= MAX_PAGES).unwrap_or(position.first);
        // A first page can be longer than it was asked for.
        let is_all = !position.has_next && lock(&findings).has_reached_count();
        if from.is_none() && !is_all && listed.is_some_and(|listed| position.has_next != (listed > 1)) {
            lock(&findings).note_move();
        }
        let mut result = self.read_counted(&mut position, last, &findings).await;
        if result.is_ok() {
            result = self.read_on(&mut position, last, listed.is_some(), &findings).await;
        }
        let mut findings = findings.into_inner().unwrap_or_else(PoisonError::into_inner);
        let reached = position.reached();
        result.or_else(
            |failure| if is_worth_keeping(&failure, reached - position.first) { Ok(()) } else { Err(failure) },
        )?;
        // A list that moved has no rest when it is begun anew, and none behind its end.
        let is_void = self.stops_when_moved && findings.shows_a_move();
        let is_at_end = reached >= last && !position.has_next_behind(reached);
        if is_at_end || is_void || findings.is_short() {
            findings.complete();
            return Ok(Reading { findings, rest: None });
        }
        findings.seen_ids.forget_after(reached);
        let digest = position.read.remove(&reached).unwrap_or_default();
        Ok(Reading { findings, rest: Some((reached, digest)) })
    }

    /// Reads the first page, or the page at which an earlier leg stopped. None when that page is not as it was.
    async fn begin(&self, from: Option<&Progress>, findings: &Mutex<Findings>) -> Result<Option<Position>, JobError> {
        let (first, how) = from.map_or((1, Use::Write), |progress| (progress.page, Use::Compare));
        if from.is_some_and(|progress| progress.digest.is_empty()) {
            return Ok(Some(Position { first, read: BTreeMap::from([(first, String::new())]), has_next: true }));
        }
        let Some(page) = self.page(first, how, findings).await? else { return Ok(None) };
        if let Some(progress) = from
            && (page.digest != progress.digest || page.count.zip(progress.count).is_some_and(|(now, then)| now != then))
        {
            if self.stops_when_moved {
                return Ok(None);
            }
            lock(findings).note_move();
        }
        Ok(Some(Position { first, read: BTreeMap::from([(first, page.digest)]), has_next: page.has_next }))
    }

    /// Reads the pages that `count` announces, a few at a time.
    async fn read_counted(
        &self,
        position: &mut Position,
        last: u64,
        findings: &Mutex<Findings>,
    ) -> Result<(), JobError> {
        // Behind a page that is not there, there is none.
        let is_over = || self.is_void(findings) || lock(findings).is_short();
        let goes_on = |begun: usize| (begun == 0 || Instant::now() < self.until) && !is_over();
        let numbers = (position.first + 1..=last).enumerate().take_while(|(begun, _)| goes_on(*begun));
        let pages = numbers.map(|(_, number)| async move {
            let page = self.page(number, Use::Write, findings).await?;
            match &page {
                // A page behind the last one means that the list became longer, and an early last one that it became shorter.
                Some(page) if page.has_next != (number < last) => lock(findings).note_move(),
                Some(_) => {}
                None => lock(findings).note_short(),
            }
            Ok((number, page))
        });
        let is_slow = self.page_size.size(now()) < SMALL_PAGE_SIZE || self.cap.size() < SMALL_CAP;
        let at_once = if is_slow { 1 } else { PAGES_AT_ONCE };
        concurrency::for_each(pages, at_once, |(number, page)| position.take(number, page, last)).await
    }

    /// Reads the pages behind those that `count` announces, one after the other, as long as one follows and shows something
    /// new. `has_count`: the list is longer than Belvo says.
    async fn read_on(
        &self,
        position: &mut Position,
        last: u64,
        has_count: bool,
        findings: &Mutex<Findings>,
    ) -> Result<(), JobError> {
        let mut begun = usize::from(last > position.first);
        let mut gaps = 0;
        while position.reached() >= last && position.has_next_behind(position.reached()) && !self.is_void(findings) {
            if begun > 0 && Instant::now() >= self.until {
                return Ok(());
            }
            begun += 1;
            let number = position.reached() + 1;
            if number > MAX_PAGES {
                return Err(JobError::TooManyPages);
            }
            let seen = lock(findings).seen_ids.len();
            let is_behind_gap = position.is_gap(number - 1);
            let page = self.page(number, Use::Write, findings).await?;
            let shows_nothing_new = lock(findings).seen_ids.len() == seen;
            // Of a page that Belvo could not give, it is not known whether it holds anything new.
            let is_gap = shows_nothing_new && page.as_ref().is_some_and(|page| page.digest.is_empty());
            gaps = if is_gap { gaps + 1 } else { 0 };
            let is_end = page.is_none() || (shows_nothing_new && !(1..MAX_GAPS).contains(&gaps));
            if has_count || (is_end && !(page.is_none() && is_behind_gap)) {
                lock(findings).note_move();
            }
            if is_end {
                position.has_next = false;
            } else {
                position.take(number, page, number);
            }
        }
        Ok(())
    }

    /// Does the reading stop because the list moved?
    fn is_void(&self, findings: &Mutex<Findings>) -> bool {
        self.stops_when_moved && lock(findings).shows_a_move()
    }
}

impl Position {
    fn take(&mut self, number: u64, page: Option<PageRead>, last: u64) {
        let Some(page) = page else { return };
        if number >= last {
            self.has_next = page.has_next;
        }
        self.read.insert(number, page.digest);
    }

    /// The page up to which all were read.
    fn reached(&self) -> u64 {
        let is_next = |(read, number): &(&u64, u64)| *read == number;
        self.read.keys().zip(self.first..).take_while(is_next).last().map_or(self.first, |(_, number)| number)
    }

    /// Was something left out of this page?
    fn is_gap(&self, number: u64) -> bool {
        self.read.get(&number).is_some_and(String::is_empty)
    }

    /// Does a page follow the last one that was read, which has this number?
    fn has_next_behind(&self, number: u64) -> bool {
        self.has_next && self.read.keys().next_back() == Some(&number)
    }
}

/// Whether to keep the pages that a leg read before an error. Back off when rate limited, unless that would discard a lot of
/// progress.
fn is_worth_keeping(failure: &JobError, pages: u64) -> bool {
    match failure {
        JobError::Belvo(Error::RateLimited { .. } | Error::RefusedByEdge) => pages >= MUCH_PROGRESS,
        JobError::Belvo(Error::Unauthorized | Error::NotFound { .. } | Error::LinkRefused { .. }) => false,
        JobError::Belvo(_) => pages > 0,
        _ => false,
    }
}

pub(crate) fn lock(findings: &Mutex<Findings>) -> MutexGuard<'_, Findings> {
    findings.lock().unwrap_or_else(PoisonError::into_inner)
}

fn moved(findings: Mutex<Findings>) -> Reading {
    let mut findings = findings.into_inner().unwrap_or_else(PoisonError::into_inner);
    findings.note_move();
    Reading { findings, rest: None }
}
