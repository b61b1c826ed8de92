//! Reading a whole list, or what is new of it.
//!
//! The first page says how many objects there are. The others are read and written concurrently, a few at a time. The responses
//! under way bound the memory, not the list. Where Belvo gives no count, or another page follows the last one, pages are read
//! one after the other until none follows.
//!
//! A list that is too long for one message is read by a chain of messages. Each stops between two pages, and the next reads
//! the last page again. It continues only if that page and the count are unchanged; otherwise the listing begins again. A
//! message also stops before a page that Belvo does not return, and keeps the pages before it.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use belvo::{Client, Error, Listing};
use domain::{Progress, now};
use store::Pass;
use tokio::sync::OnceCell;

use crate::concurrency;
use crate::error::{JobError, keeps_progress};
use crate::listing::findings::Findings;
use crate::listing::isolation::Isolation;
use crate::listing::page_cap::PageCap;
use crate::listing::page_read::{LastPage, MAX_PAGES, PageRead, Use};
use crate::listing::page_size::{AdaptivePageSize, PAGE_SIZE};

/// Maximum number of pages that are read or written concurrently.
const PAGES_AT_ONCE: usize = 4;
/// With a smaller page size pages are read one after the other: concurrently none would end in time.
const SMALL_PAGE_SIZE: u32 = 250;
/// The same where the list returns fewer objects a page. Then the rate of requests takes the time.
const SMALL_CAP: u32 = 100;
/// Number of consecutive pages without objects, because Belvo cannot return them, at which a list without a count ends.
const MAX_GAPS: u32 = 3;

/// Reads one list in one pass.
pub(crate) struct Reader<'a> {
    pub(super) source: Source<'a>,
    pub(super) pass: &'a Pass,
    page_deadline: Instant,
    pub(super) isolation: Isolation,
    pub(super) mode: Mode,
    /// Whether Belvo returned the link, once it was requested.
    pub(super) link_exists: OnceCell<bool>,
    /// The smallest page that Belvo returned to this reader: its number and its size.
    pub(super) smallest_page: Mutex<Option<(u64, u32)>>,
    findings: Mutex<Findings>,
}

/// A list, and what is known of how Belvo returns it.
pub(crate) struct Source<'a> {
    pub(crate) belvo: &'a Client,
    pub(crate) list_request: Listing,
    pub(crate) page_size: &'a AdaptivePageSize,
    pub(crate) properties: &'a ListProperties,
}

/// What repeated readings of one list share.
pub(crate) struct ListProperties {
    pub(super) cap: PageCap,
    /// Whether a warning about an odd `next` of this list was logged.
    pub(super) has_logged_next: AtomicBool,
}

/// How a list is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    /// Whether an earlier message has read pages of the list.
    pub(crate) is_continuation: bool,
    /// Whether the listing begins again when the list moves, and this reading stops then.
    pub(crate) restarts_when_moved: bool,
    /// Whether records are compared with the stored ones, so that only what changed is written.
    pub(crate) skips_unchanged: bool,
}

/// What a message has read of a list.
pub(crate) struct Reading {
    pub(crate) findings: Findings,
    /// The last page that was written, if the list continues after it.
    pub(crate) last_page: Option<LastPage>,
}

/// How far a reading has come.
struct Position {
    first: u64,
    /// The digests of the pages that were read.
    read: BTreeMap<u64, String>,
    /// Whether a page follows the last one that was read.
    has_next: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        source: Source<'a>,
        pass: &'a Pass,
        page_deadline: Instant,
        isolation: Isolation,
        mode: Mode,
        findings: Findings,
    ) -> Self {
        Self {
            source,
            pass,
            page_deadline,
            isolation,
            mode,
            link_exists: OnceCell::new(),
            smallest_page: Mutex::default(),
            findings: Mutex::new(findings),
        }
    }

    /// Reads the pages from the beginning, or from where an earlier message stopped, and writes their records.
    pub(crate) async fn read(self, progress: Option<&Progress>) -> Result<Reading, JobError> {
        let Some(mut position) = self.begin(progress).await? else {
            self.findings().note_move();
            return Ok(Reading { findings: self.into_findings(), last_page: None });
        };

        let pages = self.findings().listed_count().map(|count| count.div_ceil(u64::from(PAGE_SIZE)).max(1));
        if progress.is_none() {
            self.compare_with_count(&position, pages);
        }
        // If `count` exceeds MAX_PAGES, ignore it and read page after page.
        let last = pages.filter(|last| position.has_next && *last <= MAX_PAGES).unwrap_or(position.first);

        let result = self.read_pages(&mut position, last, pages.is_some()).await;
        let reached = position.reached();
        result.or_else(|error| if is_kept_before(&error, reached - position.first) { Ok(()) } else { Err(error) })?;
        Ok(self.conclude(position, last))
    }

    /// Reads the first page, or the page at which an earlier message stopped. Returns `None` if that page has changed.
    async fn begin(&self, progress: Option<&Progress>) -> Result<Option<Position>, JobError> {
        let (first, how) = progress.map_or((1, Use::Write), |progress| (progress.page, Use::Digest));
        // An empty digest: there is nothing to compare with, so this page is not read again.
        if progress.is_some_and(|progress| progress.digest.is_empty()) {
            return Ok(Some(Position { first, read: BTreeMap::from([(first, String::new())]), has_next: true }));
        }

        let Some(page) = self.page(first, how).await? else { return Ok(None) };
        if progress.is_some_and(|progress| page.differs_from(progress)) {
            if self.mode.restarts_when_moved {
                return Ok(None);
            }
            self.findings().note_move();
        }
        Ok(Some(Position { first, read: BTreeMap::from([(first, page.digest)]), has_next: page.has_next }))
    }

    /// Records a move if the first page and the count disagree about further pages.
    fn compare_with_count(&self, position: &Position, pages: Option<u64>) {
        let mut findings = self.findings();
        // A first page can be longer than its page size.
        let is_all = !position.has_next && findings.has_reached_count();
        if !is_all && pages.is_some_and(|pages| position.has_next != (pages > 1)) {
            findings.note_move();
        }
    }

    async fn read_pages(&self, position: &mut Position, last: u64, has_count: bool) -> Result<(), JobError> {
        self.read_counted(position, last).await?;
        self.read_uncounted(position, last, has_count).await
    }

    /// Reads the pages up to `last`, which `count` announces, a few at a time.
    async fn read_counted(&self, position: &mut Position, last: u64) -> Result<(), JobError> {
        // No page follows a 404.
        let is_over = || self.must_restart() || self.findings().is_short();
        let may_begin = |begun: usize| (begun == 0 || Instant::now() < self.page_deadline) && !is_over();

        let numbers = (position.first + 1..=last).enumerate().take_while(|(begun, _)| may_begin(*begun));
        let pages = numbers.map(|(_, number)| async move {
            let page = self.page(number, Use::Write).await?;
            match &page {
                // A page after the last one shows that the list became longer, an early last one that it became shorter.
                Some(page) if page.has_next != (number < last) => self.findings().note_move(),
                Some(_) => {}
                None => self.findings().note_short(),
            }
            Ok((number, page))
        });

        let is_slow =
            self.source.page_size.size(now()) < SMALL_PAGE_SIZE || self.source.properties.cap.size() < SMALL_CAP;
        let at_once = if is_slow { 1 } else { PAGES_AT_ONCE };
        concurrency::for_each(pages, at_once, |(number, page)| position.take(number, page, last)).await
    }

    /// Reads the pages after `last`, one after the other, while one follows and shows something new. If Belvo gave a count, any
    /// page read here shows that the list moved.
    async fn read_uncounted(&self, position: &mut Position, last: u64, has_count: bool) -> Result<(), JobError> {
        let mut begun = usize::from(last > position.first);
        let mut gaps = 0;
        while position.reached() >= last && position.has_next_after(position.reached()) && !self.must_restart() {
            if begun > 0 && Instant::now() >= self.page_deadline {
                return Ok(());
            }
            begun += 1;
            let number = position.reached() + 1;
            if number > MAX_PAGES {
                return Err(JobError::TooManyPages);
            }

            let seen = self.findings().seen_ids.len();
            let page = self.page(number, Use::Write).await?;
            let shows_nothing_new = self.findings().seen_ids.len() == seen;

            // A page that Belvo could not return may hold something new.
            let is_gap = shows_nothing_new && page.as_ref().is_some_and(|page| page.digest.is_empty());
            gaps = if is_gap { gaps + 1 } else { 0 };
            // The list ends at a page that does not exist or shows nothing new. A few consecutive gaps do not end it.
            let is_end = page.is_none() || (shows_nothing_new && !(1..MAX_GAPS).contains(&gaps));
            // The page before said that this one follows, so such an end shows a move. Not a 404 after a gap: there Belvo did
            // not say what follows.
            if has_count || (is_end && !(page.is_none() && position.is_gap(number - 1))) {
                self.findings().note_move();
            }

            if is_end {
                position.has_next = false;
            } else {
                position.take(number, page, number);
            }
        }
        Ok(())
    }

    /// Returns what was read. A list that moved and is read again has no last page, nor has one that was read to its end.
    fn conclude(self, mut position: Position, last: u64) -> Reading {
        let reached = position.reached();
        let is_at_end = reached >= last && !position.has_next_after(reached);
        let must_restart = self.must_restart();
        let mut findings = self.into_findings();
        if is_at_end || must_restart || findings.is_short() {
            findings.note_complete();
            return Reading { findings, last_page: None };
        }

        findings.seen_ids.forget_after(reached);
        let digest = position.read.remove(&reached).unwrap_or_default();
        Reading { findings, last_page: Some(LastPage { number: reached, digest }) }
    }

    /// Returns `true` if the reading stops because the list moved, and the listing begins again.
    fn must_restart(&self) -> bool {
        self.mode.restarts_when_moved && self.findings().shows_a_move()
    }

    pub(super) fn findings(&self) -> MutexGuard<'_, Findings> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn into_findings(self) -> Findings {
        self.findings.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ListProperties {
    pub(crate) fn new() -> Self {
        Self { cap: PageCap::new(), has_logged_next: AtomicBool::new(false) }
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

    /// Returns the page up to which all were read.
    fn reached(&self) -> u64 {
        let is_next = |(read, number): &(&u64, u64)| *read == number;
        self.read.keys().zip(self.first..).take_while(is_next).last().map_or(self.first, |(_, number)| number)
    }

    /// Returns `true` if objects of this page were left out.
    fn is_gap(&self, number: u64) -> bool {
        self.read.get(&number).is_some_and(String::is_empty)
    }

    /// Returns `true` if this page is the last one that was read, and another follows.
    fn has_next_after(&self, number: u64) -> bool {
        self.has_next && self.read.keys().next_back() == Some(&number)
    }
}

/// Returns `true` if the pages read before this error are kept. An error that concerns the whole list discards them.
fn is_kept_before(error: &JobError, pages: u64) -> bool {
    match error {
        JobError::Belvo(Error::Unauthorized | Error::NotFound { .. } | Error::LinkRefused { .. }) => false,
        JobError::Belvo(error) => keeps_progress(error, pages),
        _ => false,
    }
}
