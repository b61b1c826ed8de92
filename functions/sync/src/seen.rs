//! Which objects a listing has seen, and on which page.
//!
//! An object is known by a fingerprint of its id. A listing in legs keeps the fingerprints of each leg in the table, so that
//! its last leg can tell what the whole list lacks; that is why they are the same on every host and in every release.

use std::collections::HashMap;

use domain::{Flow, Found, ObjectId, fingerprint};

/// What one leg of a listing has seen. Memory: some 20 bytes an object, and no leg sees more than Belvo gives in a minute.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    objects: HashMap<u64, Sighting>,
    /// The pages of objects that could not be read.
    unreadable: Vec<u64>,
}

/// One object, as far as the totals of a webhook ask.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    page: u16,
    matches: bool,
    flow: Option<Flow>,
}

impl Seen {
    /// An object stands on a page. One that stands on several counts once, on the first of them.
    pub(crate) fn note(&mut self, id: &ObjectId, page: u64, matches: bool, flow: Option<Flow>) {
        let page = u16::try_from(page).unwrap_or(u16::MAX);
        let sighting = self.objects.entry(fingerprint(id)).or_insert(Sighting { page, matches, flow });
        sighting.page = sighting.page.min(page);
    }

    /// Something on a page cannot be read as an object.
    pub(crate) fn note_unreadable(&mut self, page: u64) {
        self.unreadable.push(page);
    }

    /// Forgets what stands on later pages: they will be read again.
    pub(crate) fn forget_after(&mut self, page: u64) {
        self.objects.retain(|_, sighting| u64::from(sighting.page) <= page);
        self.unreadable.retain(|stands| *stands <= page);
    }

    pub(crate) fn has(&self, id: &ObjectId) -> bool {
        self.objects.contains_key(&fingerprint(id))
    }

    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = u64> {
        self.objects.keys().copied()
    }

    /// What was found before, and this.
    pub(crate) fn added_to(&self, before: Found) -> Found {
        let mut found = before;
        found.distinct += self.objects.len() as u64;
        found.unreadable += self.unreadable.len() as u64;
        for sighting in self.objects.values().filter(|sighting| sighting.matches) {
            found.matching += 1;
            found.inflows += u64::from(sighting.flow == Some(Flow::Inflow));
            found.outflows += u64::from(sighting.flow == Some(Flow::Outflow));
        }
        found
    }
}
