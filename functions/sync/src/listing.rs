//! Reading a whole list, or what is new of it.
//!
//! The first page says how many there are; the others are fetched and written side by side, a few at a time: while some
//! are written, others are on their way. Memory is bounded by the pages under way, not by the list.

use std::sync::{Mutex, PoisonError};

use belvo::{Client, Error, Listing, Page};
use domain::Announced;
use store::{Pass, Table};

use crate::failure::Failure;
use crate::joined;
use crate::tally::Tally;
use crate::writing::write_page;

/// Objects a page; Belvo's largest.
pub(crate) const PAGE_SIZE: u32 = 1_000;
/// Pages that are fetched or written at once.
const PAGES_AT_ONCE: usize = 4;
/// The longest list that is read: ten million objects.
const MAX_PAGES: u64 = 10_000;

/// Reads every page of a list and writes its records.
pub(crate) async fn read(
    belvo: &Client,
    table: &Table,
    pass: &Pass,
    listing: &Listing,
    announced: &Announced,
) -> Result<Tally, Failure> {
    let tally = Mutex::new(Tally::new(pass.resource, announced));
    let first = belvo.page(listing, 1).await?;
    let last = last_page(&first, listing.page_size);
    if last > MAX_PAGES {
        return Err(Failure::TooManyPages);
    }
    take(table, pass, &first, 1, last, &tally).await?;
    drop(first);
    let pages = (2..=last).map(|number| {
        let tally = &tally;
        async move {
            match fetch(belvo, listing, number).await? {
                Some(page) => take(table, pass, &page, number, last, tally).await?,
                None => tally.lock().unwrap_or_else(PoisonError::into_inner).note_move(),
            }
            Ok(())
        }
    });
    joined::all(pages, PAGES_AT_ONCE, |()| ()).await?;
    Ok(tally.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The number of the last page. Should Belvo give smaller pages than it was asked for, the first one shows their size.
fn last_page(first: &Page, asked: u32) -> u64 {
    let given = first.objects.len() as u64;
    let size = if first.has_next && given > 0 { given } else { u64::from(asked) };
    first.count.div_ceil(size).max(1)
}

/// A page after the first. That it is not there any more means that the list became shorter.
async fn fetch(belvo: &Client, listing: &Listing, number: u64) -> Result<Option<Page>, Failure> {
    match belvo.page(listing, number).await {
        Ok(page) => Ok(Some(page)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Counts a page and writes it. A page behind the last one means that the list became longer.
async fn take(
    table: &Table,
    pass: &Pass,
    page: &Page,
    number: u64,
    last: u64,
    tally: &Mutex<Tally>,
) -> Result<(), Failure> {
    {
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.page(page.count);
        if page.has_next != (number < last) {
            tally.note_move();
        }
    }
    write_page(table, pass, &page.objects, tally).await
}
