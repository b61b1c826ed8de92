//! The checkpoint of a listing, which a continuation carries.

use serde::{Deserialize, Serialize};

use crate::EpochMillis;

/// The maximum of page numbers and of counts of objects. It exceeds every real list, and prevents overflows of `u64` in sums
/// and products.
pub(super) const MAX_COUNT: u64 = 1_000_000_000_000;

/// The checkpoint of a listing that did not fit into an invocation.
///
/// The sync function resumes the listing only if the last page that it read is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// When the listing began, by the clock of its host.
    pub began_at: EpochMillis,
    /// The fencing token of the listing's first pass. Messages keep the name that version 0.1 gave the member.
    #[serde(rename = "stamp")]
    pub token: EpochMillis,
    /// The first day of the filter `created_at__gte`. `None` for a whole listing.
    pub since: Option<String>,
    /// The number of the last page that was written, counted from 1.
    pub page: u64,
    /// The number of objects in the list. `None` if Belvo's response had no count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The SHA-256 of the ids of that page. Empty if objects of the page were left out: then it is not compared.
    pub digest: String,
    /// The number of restarts because the list changed.
    pub relistings: usize,
    /// The counts so far.
    pub found: ListingCounts,
    /// The fencing tokens of the passes whose ids are in the table. The last pass compares those ids with the stored records,
    /// to find missing objects. `None` if the ids are incomplete, which prevents the comparison.
    #[serde(default)]
    pub legs: Option<Vec<EpochMillis>>,
    /// Whether the table had no records of the resource when the listing began.
    #[serde(default)]
    pub is_first_load: bool,
    /// The page size that succeeded last.
    #[serde(default)]
    pub piece: Option<u32>,
    /// The last stored id that was compared with the list. Set once every page was read.
    #[serde(default)]
    pub compared_to: Option<String>,
    /// The `row_sum` before the last restart, if that listing reached the end of the list and found too few ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_row_sum: Option<u64>,
}

/// The counts of a listing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingCounts {
    /// Objects with different ids.
    pub distinct: u64,
    /// Distinct objects that the webhook's totals count.
    pub matching: u64,
    /// Inflows among the matching objects.
    pub inflows: u64,
    /// Outflows among the matching objects.
    pub outflows: u64,
    /// Objects that are not valid records.
    pub unreadable: u64,
    /// Rows that repeat an id of the same response.
    #[serde(default)]
    pub doubled: u64,
    /// Rows that repeat an id of another response.
    #[serde(default)]
    pub repeated: u64,
    /// Rows that Belvo failed to return, and that smaller pages did not isolate to single objects.
    #[serde(default)]
    pub unread: u64,
    /// The wrapping sum of the fingerprints of all rows. Two listings with the same sum have read the same rows.
    #[serde(default)]
    pub row_sum: u64,
    /// Whether the list changed during the listing, so that the counts may be incomplete.
    pub moved: bool,
    /// Whether the listing contained tombstoned ids that the sync function did not verify with Belvo.
    #[serde(default)]
    pub unasked: bool,
}

impl Progress {
    /// Returns `true` if the numbers are within their bounds.
    pub(super) fn is_countable(&self) -> bool {
        let ListingCounts { distinct, matching, inflows, outflows, unreadable, doubled, repeated, unread, .. } =
            self.found;
        let found = [distinct, matching, inflows, outflows, unreadable, doubled, repeated, unread];
        let mut counts = found.into_iter().chain(self.count).chain([self.page]);
        // A listing whose pages are all read has no current page.
        let is_placed = self.page > 0 || self.compared_to.is_some();
        is_placed && self.relistings < 1_000 && counts.all(|count| count <= MAX_COUNT)
    }
}
