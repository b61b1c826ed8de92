//! Reading a whole list, or what is new of it.
//!
//! The first page says how many objects there are; the others are fetched and written side by side, a few at a time: while
//! some are written, others are on their way. Memory is bounded by the pages under way, not by the list.
//!
//! A list that is too long for one invocation is read in legs. A leg stops between two pages, and the next one reads the
//! last page again: only if that is unchanged, and the count too, does it go on; otherwise the listing begins anew.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use belvo::{Client, Error, Listing, Page};
use domain::{Announced, Progress, Record};
use store::{Pass, Table};

use crate::failure::Failure;
use crate::joined;
use crate::tally::Tally;
use crate::writing::{digest, write_page};

/// Objects a page; Belvo's largest.
pub(crate) const PAGE_SIZE: u32 = 1_000;
/// What is asked for instead when Belvo takes too long for a page. Each divides the one before it, so that pages keep their
/// place in the list.
const PIECE_SIZES: [u32; 7] = [PAGE_SIZE, 500, 250, 125, 25, 5, 1];
/// Pages that are fetched or written at once.
const PAGES_AT_ONCE: usize = 4;
/// The longest list that is read: ten million objects.
const MAX_PAGES: u64 = 10_000;

/// What is read, and as what.
pub(crate) struct Reader<'a> {
    pub(crate) belvo: &'a Client,
    pub(crate) table: &'a Table,
    pub(crate) pass: &'a Pass,
    pub(crate) listing: &'a Listing,
    /// After this no page is begun, but for one of each leg.
    pub(crate) until: Instant,
    /// How many objects Belvo has lately been able to give at once.
    pub(crate) piece: &'a AtomicU32,
    /// Is the list begun anew when it has moved? Otherwise it is read to its end all the same.
    pub(crate) stops_when_moved: bool,
}

/// What a leg has read.
pub(crate) struct Reading {
    pub(crate) tally: Tally,
    /// The last page that was written, and the digest of its ids; none when there is no other.
    pub(crate) rest: Option<(u64, String)>,
}

impl Reader<'_> {
    /// Reads the pages of a list, from the beginning or from where an earlier leg stopped, and writes their records.
    pub(crate) async fn read(&self, announced: &Announced, from: Option<&Progress>) -> Result<Reading, Failure> {
        let tally = Mutex::new(Tally::new(self.pass.resource, announced, from));
        let first = from.map_or(1, |progress| progress.page);
        let page = self.page(first, &tally).await?;
        let Some(page) = page else { return Ok(moved(tally)) };
        if from.is_some_and(|progress| !self.is_unchanged(&page, progress)) {
            if self.stops_when_moved {
                return Ok(moved(tally));
            }
            tally.lock().unwrap_or_else(PoisonError::into_inner).note_move();
        }
        let last = page.count.div_ceil(u64::from(PAGE_SIZE)).max(1);
        if last > MAX_PAGES {
            return Err(Failure::TooManyPages);
        }
        let reached = Mutex::new((first, String::new()));
        if from.is_none() {
            self.take(&page, 1, last, &tally, &reached).await?;
        }
        drop(page);
        let has_moved = || tally.lock().unwrap_or_else(PoisonError::into_inner).moved();
        let goes_on =
            |begun: usize| (begun == 0 || Instant::now() < self.until) && !(self.stops_when_moved && has_moved());
        let pages = (first + 1..=last).enumerate().take_while(|(begun, _)| goes_on(*begun)).map(|(_, number)| {
            let (tally, reached) = (&tally, &reached);
            async move {
                match self.page(number, tally).await? {
                    Some(page) => self.take(&page, number, last, tally, reached).await?,
                    None => tally.lock().unwrap_or_else(PoisonError::into_inner).note_short(),
                }
                Ok(())
            }
        });
        joined::all(pages, PAGES_AT_ONCE, |()| ()).await?;
        let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        let reached = reached.into_inner().unwrap_or_else(PoisonError::into_inner);
        // A page that was gone is not reached. A list that moved has no rest when it is begun anew.
        let is_void = self.stops_when_moved && tally.moved();
        let rest = (reached.0 < last && !is_void && !tally.is_short()).then_some(reached);
        if rest.is_none() {
            tally.complete();
        }
        Ok(Reading { tally, rest })
    }

    /// One page of a thousand objects, in as many pieces as Belvo needs. None when it is not there (any more).
    async fn page(&self, number: u64, tally: &Mutex<Tally>) -> Result<Option<Page>, Failure> {
        let page_size = u64::from(PAGE_SIZE);
        let (begin, end) = ((number - 1) * page_size, number * page_size);
        let mut whole: Option<Page> = None;
        let mut offset = begin;
        while offset < end && whole.as_ref().is_none_or(|page| page.has_next) {
            let piece = self.piece.load(Ordering::Relaxed);
            let listing = Listing { page_size: piece, ..self.listing.clone() };
            match self.belvo.page(&listing, offset / u64::from(piece) + 1).await {
                Ok(page) => {
                    tally.lock().unwrap_or_else(PoisonError::into_inner).page(page.count);
                    offset += u64::from(piece);
                    whole = Some(join(whole, page));
                }
                Err(error) if error.asks_for_less() && smaller(piece).is_some() => {
                    // Others may have come to the same end; the smallest counts.
                    self.piece.fetch_min(smaller(piece).unwrap_or(1), Ordering::Relaxed);
                }
                Err(Error::NotFound { .. }) if offset > 0 => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(whole)
    }

    /// Writes a page. A page behind the last one means that the list became longer.
    async fn take(
        &self,
        page: &Page,
        number: u64,
        last: u64,
        tally: &Mutex<Tally>,
        reached: &Mutex<(u64, String)>,
    ) -> Result<(), Failure> {
        if page.has_next != (number < last) {
            tally.lock().unwrap_or_else(PoisonError::into_inner).note_move();
        }
        let digest = write_page(self.table, self.pass, &page.objects, tally).await?;
        let mut reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
        if number >= reached.0 {
            *reached = (number, digest);
        }
        Ok(())
    }

    /// Is this the page at which the leg before stopped, in the list that it was?
    fn is_unchanged(&self, page: &Page, progress: &Progress) -> bool {
        let ids = page.objects.iter().filter_map(|raw| Record::read(self.pass.resource, raw).ok());
        let ids: Vec<_> = ids.map(|(record, _)| record.id).collect();
        page.count == progress.count && digest(ids.iter()) == progress.digest
    }
}

fn moved(tally: Mutex<Tally>) -> Reading {
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.note_move();
    Reading { tally, rest: None }
}

/// The next smaller size of a piece.
fn smaller(piece: u32) -> Option<u32> {
    PIECE_SIZES.into_iter().find(|size| *size < piece)
}

/// Two neighbouring pieces of a page.
fn join(whole: Option<Page>, mut piece: Page) -> Page {
    let Some(mut whole) = whole else { return piece };
    whole.objects.append(&mut piece.objects);
    Page { has_next: piece.has_next, ..whole }
}
