//! Which objects a listing has seen, and on which page.
//!
//! An object is represented by a fingerprint of its id. Each message of a listing stores its fingerprints in the table, so that
//! the last message can tell which stored records the list lacks. So they are the same on every host and in every release.

use std::collections::{BTreeMap, HashMap};

use domain::{Flow, ListingCounts, ObjectId, fingerprint};

/// What one message has seen of a list. Memory: about 20 bytes an object, for as many objects as Belvo returns in a minute.
#[derive(Debug, Default)]
pub(crate) struct SeenIds {
    objects: HashMap<u64, Sighting>,
    pages: BTreeMap<u64, Rows>,
}

/// One object, as far as the totals of a webhook count it.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    page: u16,
    matches: bool,
    flow: Option<Flow>,
    /// The number of the first response with the object, modulo 65,536.
    response: u16,
    /// The number of its rows in that response.
    rows: u16,
}

/// The rows of one page, other than those that show an object for the first time.
#[derive(Debug, Default, Clone, Copy)]
struct Rows {
    unreadable: u64,
    unread: u64,
    doubled: u64,
    repeated: u64,
    sum: u64,
}

/// How a row relates to earlier rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// This message has not seen its id before.
    New,
    /// Its id is in an earlier row of the same response. A response is one snapshot, so the list did not move: a join
    /// doubles rows.
    Doubled,
    /// Its id came with another response.
    Repeated,
}

impl SeenIds {
    /// Records a row of a response, on a page of the list. An object on several pages counts on the first of them.
    pub(crate) fn note(&mut self, id: &ObjectId, page: u64, response: u16, matches: bool, flow: Option<Flow>) -> Row {
        let fingerprint = fingerprint(id);
        let rows = self.pages.entry(page).or_default();
        rows.sum = rows.sum.wrapping_add(fingerprint);

        let short_page = u16::try_from(page).unwrap_or(u16::MAX);
        let Some(sighting) = self.objects.get_mut(&fingerprint) else {
            self.objects.insert(fingerprint, Sighting { page: short_page, matches, flow, response, rows: 1 });
            return Row::New;
        };

        sighting.page = sighting.page.min(short_page);
        if sighting.response == response {
            rows.doubled += 1;
            sighting.rows = sighting.rows.saturating_add(1);
            return Row::Doubled;
        }
        rows.repeated += 1;
        Row::Repeated
    }

    /// Counts an object of a page that cannot be read.
    pub(crate) fn note_unreadable(&mut self, page: u64) {
        self.pages.entry(page).or_default().unreadable += 1;
    }

    /// Counts rows of a page that Belvo cannot return.
    pub(crate) fn note_unread(&mut self, page: u64, rows: u64) {
        self.pages.entry(page).or_default().unread += rows;
    }

    /// Forgets later pages: the next message reads them again.
    pub(crate) fn forget_after(&mut self, page: u64) {
        self.objects.retain(|_, sighting| u64::from(sighting.page) <= page);
        self.pages.retain(|number, _| *number <= page);
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = u64> {
        self.objects.keys().copied()
    }

    /// Returns the sum of what was found before, and of this.
    pub(crate) fn added_to(&self, before: ListingCounts) -> ListingCounts {
        let mut found = before;
        found.distinct += self.objects.len() as u64;
        for rows in self.pages.values() {
            found.unreadable += rows.unreadable;
            found.unread += rows.unread;
            found.doubled += rows.doubled;
            found.repeated += rows.repeated;
            found.row_sum = found.row_sum.wrapping_add(rows.sum);
        }

        // Belvo's totals count rows: an object in two rows counts twice.
        for Sighting { flow, rows, .. } in self.objects.values().filter(|sighting| sighting.matches) {
            let rows = u64::from(*rows);
            found.matching += rows;
            found.inflows += if *flow == Some(Flow::Inflow) { rows } else { 0 };
            found.outflows += if *flow == Some(Flow::Outflow) { rows } else { 0 };
        }
        found
    }
}
