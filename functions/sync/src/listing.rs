//! Reading a whole list, or what is new of it.
//!
//! The first page says how many objects there are; the others are fetched and written side by side, a few at a time: while
//! some are written, others are on their way. Memory is bounded by the answers under way, not by the list.
//!
//! A list that is too long for one invocation is read in legs. A leg stops between two pages, and the next one reads the
//! last page again: only if that is unchanged, and the count too, does it go on; otherwise the listing begins anew. A leg
//! also stops before a page that Belvo does not give: what was read before it is kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use belvo::{Client, Error, Listing, Page};
use domain::{Announced, ObjectId, Progress, Record, now};
use store::{Pass, Table};

use crate::failure::Failure;
use crate::joined;
use crate::piece::{PAGE_SIZE, Piece};
use crate::tally::Tally;
use crate::writing::{digest, write_objects};

/// Pages that are fetched or written at once.
const PAGES_AT_ONCE: usize = 4;
/// In smaller pieces than this pages are read one after the other: side by side none would come to its end in time.
const SMALL_PIECE: u32 = 250;
/// The longest list that is read: ten million objects.
const MAX_PAGES: u64 = 10_000;
/// So many pages are not read again because Belvo asks for fewer requests.
const MUCH_PROGRESS: u64 = 20;

/// What is read, and as what.
pub(crate) struct Reader<'a> {
    pub(crate) belvo: &'a Client,
    pub(crate) table: &'a Table,
    pub(crate) pass: &'a Pass,
    pub(crate) listing: &'a Listing,
    /// After this no page is begun, but for one of each leg.
    pub(crate) until: Instant,
    /// How many objects Belvo can give at once.
    pub(crate) piece: &'a Piece,
    /// Is the list begun anew when it has moved? Otherwise it is read to its end all the same.
    pub(crate) stops_when_moved: bool,
    /// Is it worth asking what stands in the table before writing to it?
    pub(crate) compares: bool,
}

/// What a leg has read.
pub(crate) struct Reading {
    pub(crate) tally: Tally,
    /// The last page up to which all were written, and the digest of its ids; none when there is no other.
    pub(crate) rest: Option<(u64, String)>,
}

/// What is left of a page when its objects were dealt with.
struct PageRead {
    count: u64,
    has_next: bool,
    digest: String,
}

/// What is done with the objects of a page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Write,
    /// They were written by an earlier leg.
    Compare,
}

impl Reader<'_> {
    /// Reads the pages of a list, from the beginning or from where an earlier leg stopped, and writes their records.
    pub(crate) async fn read(&self, announced: &Announced, from: Option<&Progress>) -> Result<Reading, Failure> {
        let tally = Mutex::new(Tally::new(self.pass.resource, announced, from));
        let first = from.map_or(1, |progress| progress.page);
        let how = if from.is_some() { Use::Compare } else { Use::Write };
        let Some(page) = self.page(first, how, &tally).await? else { return Ok(moved(tally)) };
        if from.is_some_and(|progress| page.count != progress.count || page.digest != progress.digest) {
            if self.stops_when_moved {
                return Ok(moved(tally));
            }
            lock(&tally).note_move();
        }
        let last = page.count.div_ceil(u64::from(PAGE_SIZE)).max(1);
        if last > MAX_PAGES {
            return Err(Failure::TooManyPages);
        }
        if from.is_none() {
            notice_a_move(&page, 1, last, &tally);
        }
        let goes_on = |begun: usize| {
            (begun == 0 || Instant::now() < self.until) && !(self.stops_when_moved && lock(&tally).shows_a_move())
        };
        let pages = (first + 1..=last).enumerate().take_while(|(begun, _)| goes_on(*begun)).map(|(_, number)| {
            let tally = &tally;
            async move {
                let page = self.page(number, Use::Write, tally).await?;
                match &page {
                    Some(page) => notice_a_move(page, number, last, tally),
                    None => lock(tally).note_short(),
                }
                Ok((number, page))
            }
        });
        let at_once = if self.piece.size(now()) < SMALL_PIECE { 1 } else { PAGES_AT_ONCE };
        let mut read = BTreeMap::from([(first, page.digest)]);
        let take = |(number, page): (u64, Option<PageRead>)| read.extend(page.map(|page| (number, page.digest)));
        let result = joined::all(pages, at_once, take).await;
        let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        let reached = contiguous(first, &read);
        result.or_else(|failure| if is_worth_keeping(&failure, reached - first) { Ok(()) } else { Err(failure) })?;
        // A list that moved has no rest when it is begun anew, and none behind its end.
        let is_void = self.stops_when_moved && tally.shows_a_move();
        if reached >= last || is_void || tally.is_short() {
            tally.complete();
            return Ok(Reading { tally, rest: None });
        }
        tally.seen.forget_after(reached);
        let digest = read.remove(&reached).unwrap_or_default();
        Ok(Reading { tally, rest: Some((reached, digest)) })
    }

    /// One page of a thousand objects, in as many pieces as Belvo needs; each is dealt with before the next is asked for.
    /// None when the page is not there (any more).
    async fn page(&self, number: u64, how: Use, tally: &Mutex<Tally>) -> Result<Option<PageRead>, Failure> {
        let page_size = u64::from(PAGE_SIZE);
        let (begin, end) = ((number - 1) * page_size, number * page_size);
        let mut read: Option<PageRead> = None;
        let mut ids = Vec::new();
        let mut offset = begin;
        while offset < end && read.as_ref().is_none_or(|page| page.has_next) {
            let piece = self.piece.size_at(offset, now());
            let listing = Listing { page_size: piece, ..self.listing.clone() };
            match self.belvo.page(&listing, offset / u64::from(piece) + 1).await {
                Ok(page) => {
                    lock(tally).page(page.count);
                    offset += u64::from(piece);
                    read = Some(PageRead { count: page.count, has_next: page.has_next, digest: String::new() });
                    ids.extend(self.deal_with(number, page, how, tally).await?);
                }
                Err(error) if error.asks_for_less() && self.piece.shrink(piece, now()) => {}
                Err(Error::NotFound { .. }) if offset > 0 => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(read.map(|page| PageRead { digest: digest(ids.iter()), ..page }))
    }

    /// Gives the ids of the objects, in their order.
    async fn deal_with(
        &self,
        number: u64,
        page: Page,
        how: Use,
        tally: &Mutex<Tally>,
    ) -> Result<Vec<ObjectId>, Failure> {
        match how {
            Use::Write => write_objects(self.table, self.pass, number, page.objects, self.compares, tally).await,
            Use::Compare => {
                let records = page.objects.iter().filter_map(|raw| Record::read(self.pass.resource, raw).ok());
                Ok(records.map(|(record, _)| record.id).collect())
            }
        }
    }
}

/// A page behind the last one means that the list became longer, and an early last one that it became shorter.
fn notice_a_move(page: &PageRead, number: u64, last: u64, tally: &Mutex<Tally>) {
    if page.has_next != (number < last) {
        lock(tally).note_move();
    }
}

/// Up to which page all were read.
fn contiguous(first: u64, read: &BTreeMap<u64, String>) -> u64 {
    read.keys().zip(first..).take_while(|(read, number)| *read == number).last().map_or(first, |(_, number)| number)
}

/// Is a leg that read so many pages more than it had to kept, though then a page failed? Whoever asks for fewer requests
/// gets a rest, unless that would undo much.
fn is_worth_keeping(failure: &Failure, pages: u64) -> bool {
    match failure {
        Failure::Belvo(Error::RateLimited { .. } | Error::RefusedByEdge) => pages >= MUCH_PROGRESS,
        Failure::Belvo(Error::Unauthorized | Error::NotFound { .. } | Error::LinkRefused { .. }) => false,
        Failure::Belvo(_) => pages > 0,
        _ => false,
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

fn moved(tally: Mutex<Tally>) -> Reading {
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.note_move();
    Reading { tally, rest: None }
}
