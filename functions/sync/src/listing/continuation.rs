//! A listing over several messages: where it began, and what the next message has to know.

use domain::{Day, EpochMillis, Filter, ObjectId, Progress, Resource};
use store::{Checkpoint, FencingToken, FinishedListing, LinkChange, Pass, StoreError};

use crate::listing::findings::Findings;
use crate::listing::page_read::LastPage;
use crate::query;

/// Maximum number of messages of a listing that store ids. A longer listing does not mark missing records.
const MAX_CONTINUATION_TOKENS: usize = 1_000;

/// What a listing does after the pages that this message has read.
pub(crate) enum Next {
    /// Nothing: the list was read to its end, and compared.
    Done,
    /// A continuation reads the pages after this one.
    MorePages(LastPage),
    /// Every page was read. A continuation compares the stored ids after this one.
    MoreComparing { after: ObjectId },
}

/// Where a listing began, perhaps in an earlier message of the chain.
pub(crate) struct ListingState {
    began_at: EpochMillis,
    /// The fencing token of the first pass.
    pub(crate) token: FencingToken,
    pub(crate) is_first_load: bool,
    filter: Filter,
    since: Option<Day>,
    relistings: usize,
    /// The fencing tokens of the earlier messages whose ids are in the table. `None` if missing records are not marked.
    continuation_tokens: Option<Vec<FencingToken>>,
}

impl ListingState {
    /// Returns the state of a listing that begins with this pass.
    pub(crate) fn of_pass(pass: &Pass, filter: Filter, relistings: usize) -> Self {
        let since = match filter {
            Filter::Whole | Filter::Flow { .. } => None,
            // The filter has days only, and the day before the watermark may have got objects after it was read.
            Filter::SinceWatermark => pass.sync_state_before.watermark.map(Day::previous),
        };
        // Other resources embed accounts, so some may be stored before their first listing.
        let is_first_load =
            pass.sync_state_before.last_pass_at.is_none() && !std::ptr::eq(pass.resource, Resource::accounts());

        let mut state = Self {
            began_at: pass.began_at,
            token: pass.token,
            is_first_load,
            filter,
            since,
            relistings,
            continuation_tokens: None,
        };
        // On a first load no stored record can be missing.
        state.continuation_tokens = (state.is_whole() && !is_first_load).then(Vec::new);
        state
    }

    /// Returns the state of a listing that an earlier message began.
    pub(crate) fn of_progress(progress: &Progress, filter: Filter) -> Self {
        Self {
            began_at: progress.began_at,
            token: progress.token,
            filter,
            since: progress.since.as_deref().and_then(Day::parse),
            is_first_load: progress.is_first_load,
            relistings: progress.relistings,
            continuation_tokens: progress.legs.clone(),
        }
    }

    /// Returns `true` if the end of the listing marks the stored records that it lacks.
    pub(crate) fn finds_missing(&self) -> bool {
        self.continuation_tokens.is_some()
    }

    /// Returns the fingerprints of the ids that earlier messages stored in the table.
    pub(crate) async fn stored_ids(&self, pass: &Pass) -> Result<Vec<u64>, StoreError> {
        match self.continuation_tokens.as_deref() {
            None | Some([]) => Ok(Vec::new()),
            Some(tokens) => pass.seen_ids(self.token, tokens).await,
        }
    }

    /// Records that the ids of this pass are in the table.
    pub(crate) fn add_continuation_token(&mut self, pass: &Pass) {
        self.continuation_tokens =
            self.continuation_tokens.take().filter(|tokens| tokens.len() < MAX_CONTINUATION_TOKENS);
        if let Some(tokens) = &mut self.continuation_tokens {
            tokens.push(pass.token);
        }
    }

    /// Returns the query parameters of the list. An announced range is extended by a day: its last day may mean the midnight
    /// at which that day begins.
    pub(crate) fn filters(&self, resource: &Resource) -> Vec<(&'static str, String)> {
        let mut filters = query::omit(resource);
        filters.extend(self.since.map(|day| ("created_at__gte", day.to_string())));
        if let (Filter::Flow { flow, first, last }, Some(range)) = (self.filter, resource.flow_range) {
            filters.extend([("type", flow.as_str().to_owned()), (range, format!("{first},{}", last.next()))]);
        }
        filters
    }

    /// Returns `true` if the list has all objects of the link.
    fn is_whole(&self) -> bool {
        self.since.is_none() && !self.is_of_a_flow()
    }

    /// Returns `true` if the list has one direction only. It shows nothing about new objects of the other.
    fn is_of_a_flow(&self) -> bool {
        matches!(self.filter, Filter::Flow { .. })
    }

    /// Returns the checkpoint of a listing that was read to its end. A listing that moved does not count as one.
    pub(crate) fn checkpoint(&self, findings: &Findings) -> Checkpoint {
        let found = findings.found();
        // An object that Belvo cannot return by itself does not hold back the watermark, because after drift the
        // whole listing is repeated. Unread rows hold it back.
        let is_read = !findings.has_moved() && found.unread == 0;
        let finished_listing = FinishedListing { token: self.token, began_at: self.began_at, count: found.distinct };
        Checkpoint {
            watermark: (is_read && !self.is_of_a_flow()).then(|| Day::of(self.began_at)),
            // It covers no event about the objects that were not fetched.
            finished_listing: (self.is_whole() && is_read && !found.unasked).then_some(finished_listing),
            check: Some(findings.check()),
            link: LinkChange::default(),
        }
    }

    /// Returns what a continuation has to know: the last page that was written, or `compare_after`, the last id that
    /// was compared.
    pub(crate) fn progress(
        &self,
        findings: &Findings,
        page: LastPage,
        compare_after: Option<ObjectId>,
        page_size: u32,
    ) -> Progress {
        Progress {
            began_at: self.began_at,
            token: self.token,
            since: self.since.map(|day| day.to_string()),
            page: page.number,
            count: findings.listed_count(),
            digest: page.digest,
            relistings: self.relistings,
            found: findings.found(),
            legs: self.continuation_tokens.clone(),
            is_first_load: self.is_first_load,
            piece: Some(page_size),
            compared_to: compare_after.map(|id| id.to_string()),
            previous_row_sum: findings.previous_row_sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{AnnouncedTotals, Flow, ListingCounts};

    use super::*;

    fn checkpoint(filter: Filter) -> Checkpoint {
        let resource = Resource::of_webhook_type("INVOICES").unwrap();
        let progress = Progress {
            began_at: 1_700_000_000_000,
            token: 7,
            since: None,
            page: 1,
            count: None,
            digest: String::new(),
            relistings: 0,
            found: ListingCounts::default(),
            legs: None,
            is_first_load: false,
            piece: None,
            compared_to: None,
            previous_row_sum: None,
        };
        let mut findings = Findings::new(resource, &AnnouncedTotals::default(), None, None);
        findings.note_complete();
        ListingState::of_progress(&progress, filter).checkpoint(&findings)
    }

    #[test]
    fn a_listing_of_one_direction_claims_neither_a_whole_listing_nor_a_watermark() {
        let day = Day::parse("2021-04-05").unwrap();
        for flow in [Flow::Inflow, Flow::Outflow] {
            let of_a_flow = checkpoint(Filter::Flow { flow, first: day, last: day });
            assert_eq!((of_a_flow.watermark, of_a_flow.finished_listing), (None, None));
            assert!(of_a_flow.check.is_some(), "what was announced is compared all the same");
        }
        let whole = checkpoint(Filter::Whole);
        assert!(whole.watermark.is_some() && whole.finished_listing.is_some());
    }
}
