//! Reading one page of a list, in as many requests as Belvo needs.

use std::sync::atomic::Ordering::Relaxed;

use belvo::{Error, Listing, Page};
use domain::{ObjectId, Record, now};
use tracing::warn;

use crate::error::JobError;
use crate::listing::findings::Place;
use crate::listing::isolation::Narrowed;
use crate::listing::page_read::{MAX_PAGES, PageRead, Use};
use crate::listing::page_size::PAGE_SIZE;
use crate::listing::reader::Reader;
use crate::listing::write_page::digest;

/// A larger `count` is not used.
const MAX_OBJECTS: u64 = MAX_PAGES * PAGE_SIZE as u64;
/// Number of consecutive responses equal to the one before them at which a list ends that says that it continues. Two can be
/// equal where a join doubles a row.
const MAX_REPEATS: u32 = 3;
/// The same for responses with one object, while a bad object is isolated: a join can make many rows of one object.
const MAX_SINGLE_REPEATS: u32 = 20;

/// How far a page was read. Offsets count the objects of the list.
pub(super) struct Position {
    pub(super) number: u64,
    pub(super) begin: u64,
    pub(super) end: u64,
    pub(super) offset: u64,
    pub(super) narrowed: Narrowed,
    count: Option<u64>,
    /// Whether Belvo says that more follows. `None` after an object that was left out.
    has_next: Option<bool>,
    ids: Vec<ObjectId>,
    /// Where the ids of the last response begin.
    last_response: Option<usize>,
    /// How many consecutive responses had the ids of the one before them.
    repeats: u32,
    has_left_out: bool,
}

impl Position {
    fn new(number: u64) -> Self {
        let page_size = u64::from(PAGE_SIZE);
        let begin = (number - 1) * page_size;
        Self {
            number,
            begin,
            end: begin + page_size,
            offset: begin,
            narrowed: Narrowed::default(),
            count: None,
            has_next: None,
            ids: Vec::new(),
            last_response: None,
            repeats: 0,
            has_left_out: false,
        }
    }

    /// Returns `true` if the list continues at the offset. Where Belvo does not say, the length of the list decides.
    fn has_more(&self, end_of_list: Option<u64>) -> bool {
        self.has_next.unwrap_or_else(|| end_of_list.is_none_or(|end| self.offset < end))
    }

    /// Continues after objects that Belvo does not return.
    pub(super) fn leave_out(&mut self, until: u64) {
        self.offset = until;
        self.has_next = None;
        self.has_left_out = true;
    }

    /// Keeps the ids of a response with this number of objects.
    fn keep(&mut self, ids: Vec<ObjectId>, objects: usize) {
        // Objects without a usable id cannot be told apart.
        let is_comparable = !ids.is_empty() || objects == 0;
        let is_same = is_comparable && self.last_response.is_some_and(|begin| self.ids[begin..] == ids);
        self.repeats = if is_same { self.repeats + 1 } else { 0 };
        self.last_response = Some(self.ids.len());
        self.ids.extend(ids);
    }

    /// Returns `true` if the last responses, of this page size, show that the list only repeats itself.
    fn repeats_itself(&self, size: u32) -> bool {
        let is_single = size == 1 && self.narrowed.end().is_some();
        self.repeats >= if is_single { MAX_SINGLE_REPEATS } else { MAX_REPEATS }
    }

    fn finish(self, end_of_list: Option<u64>) -> PageRead {
        let digest = if self.has_left_out { String::new() } else { digest(&self.ids) };
        PageRead { count: self.count, has_next: self.has_more(end_of_list), digest }
    }
}

impl Reader<'_> {
    /// Reads a page of 1,000 objects, and writes each response before the next request. Returns `None` if the page does not
    /// exist (any more).
    pub(super) async fn page(&self, number: u64, how: Use) -> Result<Option<PageRead>, JobError> {
        let mut page = Position::new(number);
        while page.offset < page.end && page.has_more(self.findings().end_of_list()) {
            let size = self.size_of_request(&mut page);
            let list_request = Listing { page_size: size, ..self.source.list_request.clone() };
            match self.source.belvo.page(&list_request, page.offset / u64::from(size) + 1).await {
                Ok(response) => self.take(response, size, how, &mut page).await?,
                Err(Error::NotFound { .. }) if page.offset > page.begin => {
                    // After an object that was left out the list may simply end.
                    if !page.has_left_out {
                        self.findings().note_move();
                    }
                    page.has_next = Some(false);
                }
                Err(Error::NotFound { .. }) if page.offset > 0 => return Ok(None),
                Err(error) => self.isolate(error, size, &mut page).await?,
            }
        }
        let end_of_list = self.findings().end_of_list();
        Ok(Some(page.finish(end_of_list)))
    }

    /// Returns the page size of the next request.
    fn size_of_request(&self, page: &mut Position) -> u32 {
        let known = self.source.page_size.size_in(self.list_id(), page.offset, now());
        // Objects after this page belong to the next one: they would change the digest and the end of this one.
        let rest_of_page = u32::try_from(page.end - page.offset).unwrap_or(PAGE_SIZE);
        let most = known.min(self.source.properties.cap.size()).min(rest_of_page);

        let size = page.narrowed.size_at(page.offset, most);
        if size < most && page.narrowed.end().is_some() {
            self.isolation.note_request();
        }
        size
    }

    /// Uses the objects of a response, and moves the offset after them.
    async fn take(&self, mut response: Page, size: u32, how: Use, page: &mut Position) -> Result<(), JobError> {
        self.log_odd_next(&response);
        self.continue_until_count(&mut response, size, page.offset);

        let number = page.offset / u64::from(size) + 1;
        let smaller = self.source.properties.cap.learn(size, number, self.findings().listed_count(), &response);
        if smaller.is_some() && page.offset > 0 {
            // In pages of the size that the list really has, this number is another part of the list.
            return Ok(());
        }
        // A first page has the same number in every page size.
        let size_returned = smaller.unwrap_or(size);
        self.note_returned(number, size_returned);

        let (offset, objects) = (page.offset, response.objects.len());
        let place = Place { page: page.number, response: self.findings().note_response(response.count) };
        page.count = response.count;
        page.has_next = Some(response.has_next);
        page.offset += u64::from(size_returned);
        self.findings().note_end_of_rows(offset + objects as u64, response.has_next);

        let ids = match how {
            Use::Write => self.write_objects(place, response.objects).await?,
            Use::Digest => {
                let records = response.objects.iter().filter_map(|raw| Record::read(self.pass.resource, raw).ok());
                records.map(|(record, _)| record.id).collect()
            }
        };
        page.keep(ids, objects);
        if response.has_next && page.repeats_itself(size) {
            self.findings().note_move();
            page.has_next = Some(false);
        }
        Ok(())
    }

    /// Warns once for each list if `next` leads away from Belvo.
    fn log_odd_next(&self, response: &Page) {
        if response.has_foreign_next && !self.source.properties.has_logged_next.swap(true, Relaxed) {
            warn!(link_id = %self.pass.link, "the next page that Belvo names is not on Belvo; only its presence counts");
        }
    }

    /// Lets `count` outweigh a `next` that names no page, in the last reading: the next response shows which is right.
    fn continue_until_count(&self, response: &mut Page, size: u32, offset: u64) {
        let objects = response.objects.len() as u64;
        let is_full = offset == 0 || objects >= u64::from(size);
        if !self.mode.restarts_when_moved && is_full {
            let count = self.findings().listed_count().or(response.count);
            let continues = count.is_some_and(|count| offset + objects < count && count <= MAX_OBJECTS);
            response.has_next |= continues;
        }
    }
}
