//! Which objects a listing has seen, and on which page.
//!
//! An object is known by a fingerprint of its id. A listing in legs keeps the fingerprints of each leg in the table, so that
//! its last leg can tell what the whole list lacks; that is why they are the same on every host and in every release.

use std::collections::{BTreeMap, HashMap};

use domain::{Flow, ListingCounts, ObjectId, fingerprint};

/// What one leg of a listing has seen. Memory: some 20 bytes an object, and no leg sees more than Belvo gives in a minute.
#[derive(Debug, Default)]
pub(crate) struct SeenIds {
    objects: HashMap<u64, Sighting>,
    pages: BTreeMap<u64, Rows>,
}

/// One object, as far as the totals of a webhook ask.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    page: u16,
    matches: bool,
    flow: Option<Flow>,
    /// The answer that it came in first; answers of a leg are counted modulo 65,536.
    answer: u16,
    /// How many rows of that answer it takes.
    rows: u16,
}

/// What the rows of one page are, beside objects that were seen for the first time.
#[derive(Debug, Default, Clone, Copy)]
struct Rows {
    unreadable: u64,
    unread: u64,
    doubled: u64,
    repeated: u64,
    sum: u64,
}

/// How a row relates to the rows before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// Its id was not seen before in this leg.
    New,
    /// Its id stands on an earlier row of the same answer. An answer is one snapshot, so this is no sign that the list
    /// moved: a join doubles rows.
    Doubled,
    /// Its id came with another answer.
    Repeated,
}

impl SeenIds {
    /// A row of an answer, which stands on a page. An object that stands on several pages counts on the first of them.
    pub(crate) fn note(&mut self, id: &ObjectId, page: u64, answer: u16, matches: bool, flow: Option<Flow>) -> Row {
        let fingerprint = fingerprint(id);
        let rows = self.pages.entry(page).or_default();
        rows.sum = rows.sum.wrapping_add(fingerprint);
        let short_page = u16::try_from(page).unwrap_or(u16::MAX);
        let Some(sighting) = self.objects.get_mut(&fingerprint) else {
            self.objects.insert(fingerprint, Sighting { page: short_page, matches, flow, answer, rows: 1 });
            return Row::New;
        };
        sighting.page = sighting.page.min(short_page);
        if sighting.answer == answer {
            rows.doubled += 1;
            sighting.rows = sighting.rows.saturating_add(1);
            return Row::Doubled;
        }
        rows.repeated += 1;
        Row::Repeated
    }

    /// Something on a page cannot be read as an object.
    pub(crate) fn note_unreadable(&mut self, page: u64) {
        self.pages.entry(page).or_default().unreadable += 1;
    }

    /// Belvo could not give so many rows of a page.
    pub(crate) fn note_unread(&mut self, page: u64, rows: u64) {
        self.pages.entry(page).or_default().unread += rows;
    }

    /// Forgets what stands on later pages: they will be read again.
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

    /// What was found before, and this.
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
        // Belvo's totals come from the same rows: an object that stands twice in them counts twice.
        for Sighting { flow, rows, .. } in self.objects.values().filter(|sighting| sighting.matches) {
            let rows = u64::from(*rows);
            found.matching += rows;
            found.inflows += if *flow == Some(Flow::Inflow) { rows } else { 0 };
            found.outflows += if *flow == Some(Flow::Outflow) { rows } else { 0 };
        }
        found
    }
}
