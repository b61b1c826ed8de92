//! Reading one page of a list, in as many pieces as Belvo needs.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use belvo::{Error, Listing, Page};
use domain::{ObjectId, Record, now};
use tracing::warn;

use crate::error::JobError;
use crate::listing::findings::{Findings, Place};
use crate::listing::isolation::{Narrowed, Step};
use crate::listing::page_size::{PAGE_SIZE, Span};
use crate::listing::reader::{MAX_PAGES, Reader, lock};
use crate::listing::write_page::{digest, write_objects};

/// A count of more objects is no count to go by.
const MAX_OBJECTS: u64 = MAX_PAGES * PAGE_SIZE as u64;
/// So many answers in a row that equal the one before them are the end of a list that says that it goes on. Two can be equal
/// where a join doubles a row.
const MAX_REPEATS: u32 = 3;
/// The same of single objects that are asked for one by one to isolate a bad one: a join can make many rows of one.
const MAX_SINGLE_REPEATS: u32 = 20;

/// What is left of a page when its objects were dealt with.
#[derive(Debug)]
pub(crate) struct PageRead {
    /// How many objects the list has, if Belvo says so.
    pub(crate) count: Option<u64>,
    /// Does another page follow?
    pub(crate) has_next: bool,
    /// Of its ids; empty when objects were left out of it.
    pub(crate) digest: String,
}

/// What is done with the objects of a page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Write,
    /// They were written by an earlier leg.
    Compare,
}

/// How far a page was read.
struct Position {
    number: u64,
    begin: u64,
    end: u64,
    offset: u64,
    narrowed: Narrowed,
    count: Option<u64>,
    /// Does Belvo say that more follows? None behind an object that was left out.
    has_next: Option<bool>,
    ids: Vec<ObjectId>,
    /// Where the ids of the last answer begin.
    last_answer: Option<usize>,
    /// How many answers in a row had the same ids as the one before them.
    repeats: u32,
    is_isolated: bool,
}

impl Position {
    fn new(number: u64) -> Self {
        let page_size = u64::from(PAGE_SIZE);
        let (begin, end) = ((number - 1) * page_size, number * page_size);
        let narrowed = Narrowed::default();
        let (count, has_next, last_answer) = (None, None, None);
        Self {
            number,
            begin,
            end,
            offset: begin,
            narrowed,
            count,
            has_next,
            ids: Vec::new(),
            last_answer,
            repeats: 0,
            is_isolated: false,
        }
    }

    /// Is there more behind what was read? Where Belvo does not say, the length of the list decides.
    fn has_more(&self, end_of_list: Option<u64>) -> bool {
        self.has_next.unwrap_or_else(|| end_of_list.is_none_or(|end| self.offset < end))
    }

    /// Goes on behind what Belvo does not give.
    fn leave_out(&mut self, until: u64) {
        self.offset = until;
        self.has_next = None;
        self.is_isolated = true;
    }

    /// Keeps the ids of an answer with so many objects.
    fn keep(&mut self, ids: Vec<ObjectId>, objects: usize) {
        // ObjectFetcher without a usable id cannot be told apart.
        let can_tell = !ids.is_empty() || objects == 0;
        let is_same = can_tell && self.last_answer.is_some_and(|begin| self.ids[begin..] == ids);
        self.repeats = if is_same { self.repeats + 1 } else { 0 };
        self.last_answer = Some(self.ids.len());
        self.ids.extend(ids);
    }

    fn read(self, end_of_list: Option<u64>) -> PageRead {
        let digest = if self.is_isolated { String::new() } else { digest(self.ids.iter()) };
        PageRead { count: self.count, has_next: self.has_more(end_of_list), digest }
    }
}

impl Reader<'_> {
    /// One page of a thousand objects, in as many pieces as Belvo needs; each is dealt with before the next is asked for.
    /// None when the page is not there (any more).
    pub(crate) async fn page(
        &self,
        number: u64,
        how: Use,
        findings: &Mutex<Findings>,
    ) -> Result<Option<PageRead>, JobError> {
        let mut page = Position::new(number);
        while page.offset < page.end && page.has_more(lock(findings).end()) {
            let most = self.page_size.size_in(self.list(), page.offset, now()).min(self.cap.size());
            // What stands behind the page is the next one's: the digest and the end of this one would not be its own.
            let most = most.min(u32::try_from(page.end - page.offset).unwrap_or(PAGE_SIZE));
            let size = page.narrowed.size_at(page.offset, most);
            if size < most && page.narrowed.end().is_some() {
                self.isolation.note_request();
            }
            let listing = Listing { page_size: size, ..self.listing.clone() };
            match self.belvo.page(&listing, page.offset / u64::from(size) + 1).await {
                Ok(answer) => self.take(answer, size, how, &mut page, findings).await?,
                Err(Error::NotFound { .. }) if page.offset > page.begin => {
                    // Behind an object that was left out, the list may simply end.
                    if !page.is_isolated {
                        lock(findings).note_move();
                    }
                    page.has_next = Some(false);
                }
                Err(Error::NotFound { .. }) if page.offset > 0 => return Ok(None),
                Err(error) => self.isolate(error, size, &mut page, findings).await?,
            }
        }
        let end = lock(findings).end();
        Ok(Some(page.read(end)))
    }

    /// Deals with an answer, and moves on behind what it holds.
    async fn take(
        &self,
        mut answer: Page,
        size: u32,
        how: Use,
        page: &mut Position,
        findings: &Mutex<Findings>,
    ) -> Result<(), JobError> {
        if answer.has_odd_next && !self.has_logged_next.swap(true, Relaxed) {
            warn!(link_id = %self.pass.link, "the next page that Belvo names is not on Belvo; only its presence counts");
        }
        let number = page.offset / u64::from(size) + 1;
        let listed = lock(findings).listed();
        // In the last reading `count` goes before a `next` that names no page: the next answer tells which of them is right.
        let is_full = page.offset == 0 || answer.objects.len() as u64 >= u64::from(size);
        if !self.stops_when_moved && is_full {
            let end = page.offset + answer.objects.len() as u64;
            answer.has_next |= listed.or(answer.count).is_some_and(|count| end < count && count <= MAX_OBJECTS);
        }
        let actual = self.cap.learn(size, number, listed, &answer);
        if actual.is_some() && page.offset > 0 {
            // By the size that the list really has, this number is another part of it.
            return Ok(());
        }
        // The number is the same: only a first page was given in another size.
        self.note_given(number, actual.unwrap_or(size));
        let place_of_first = page.offset;
        let place = Place { page: page.number, answer: lock(findings).page(answer.count) };
        page.count = answer.count;
        page.has_next = Some(answer.has_next);
        page.offset += u64::from(actual.unwrap_or(size));
        let objects = answer.objects.len();
        lock(findings).reach(place_of_first + objects as u64, answer.has_next);
        let ids = match how {
            Use::Write => write_objects(self.table, self.pass, place, answer.objects, self.compares, findings).await?,
            Use::Compare => {
                let records = answer.objects.iter().filter_map(|raw| Record::read(self.pass.resource, raw).ok());
                records.map(|(record, _)| record.id).collect()
            }
        };
        page.keep(ids, objects);
        let are_single = size == 1 && page.narrowed.end().is_some();
        let most = if are_single { MAX_SINGLE_REPEATS } else { MAX_REPEATS };
        if answer.has_next && page.repeats >= most {
            // The list says that it goes on, and only repeats itself.
            lock(findings).note_move();
            page.has_next = Some(false);
        }
        Ok(())
    }

    /// Goes on after a piece that Belvo did not give, in smaller pieces or behind it. Fails when the error is not about
    /// what is in it.
    async fn isolate(
        &self,
        error: Error,
        size: u32,
        page: &mut Position,
        findings: &Mutex<Findings>,
    ) -> Result<(), JobError> {
        if !self.isolation.may_concern_objects(&error) {
            return Err(error.into());
        }
        if error == Error::TimedOut {
            self.page_size.note_timeout(Span { list: self.list(), begin: page.offset, size }, now());
        }
        let has_read = lock(findings).counts.pages > 0;
        let step = self.isolation.step(&error, size, has_read, self.goes_on, Instant::now());
        // A larger answer than we take, or one that takes long, is about what is in it. Any other may be Belvo's fault.
        let is_about_size = matches!(error, Error::TooLarge(_) | Error::TimedOut);
        if step == Step::Fail || !(has_read || is_about_size || self.gives_the_link().await) {
            return Err(error.into());
        }
        let may_pass = matches!(error, Error::Unavailable(_) | Error::Unreachable(_) | Error::Refused { .. });
        if may_pass && matches!(step, Step::LeaveOut | Step::GiveUp) && !self.gives_again().await {
            return Err(error.into());
        }
        match step {
            Step::Narrow(to) => page.narrowed.narrow(page.offset, size, to),
            Step::LeaveOut => {
                lock(findings).unreadable(page.number);
                page.leave_out(page.offset + 1);
            }
            Step::GiveUp => {
                let failed = page.narrowed.end().unwrap_or(page.offset + u64::from(size));
                leave_out_rest(page, failed, findings);
            }
            Step::EndPage | Step::Fail => leave_out_rest(page, page.end, findings),
        }
        Ok(())
    }

    /// Does Belvo answer at all? Before any page of the list was read, the link shows it.
    async fn gives_the_link(&self) -> bool {
        let ask = || self.belvo.link_exists(&self.pass.link);
        self.link_is_there.get_or_try_init(ask).await.is_ok_and(|exists| *exists)
    }

    fn note_given(&self, number: u64, size: u32) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.is_none_or(|(_, smallest)| size < smallest) {
            *given = Some((number, size));
        }
    }

    /// Does Belvo still give what it gave before? Otherwise it gives nothing, for a while, and no object is at fault.
    async fn gives_again(&self) -> bool {
        let given = *self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((number, size)) = given else { return true };
        self.belvo.page(&Listing { page_size: size, ..self.listing.clone() }, number).await.is_ok()
    }

    /// A number that stands for the list.
    fn list(&self) -> u64 {
        let Listing { path, link, filters, .. } = self.listing;
        let mut hasher = DefaultHasher::new();
        (path, link.as_str(), filters).hash(&mut hasher);
        hasher.finish()
    }
}

/// Goes on behind rows that Belvo did not give, up to this place.
fn leave_out_rest(page: &mut Position, until: u64, findings: &Mutex<Findings>) {
    let mut findings = lock(findings);
    let end = findings.end().map_or(until, |end| until.min(end));
    findings.unread(page.number, end.saturating_sub(page.offset));
    page.leave_out(until);
}
