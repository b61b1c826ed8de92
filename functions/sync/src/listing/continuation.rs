//! A listing over several invocations: where it began, and what it hands on.

use domain::{Day, EpochMillis, Filter, Progress, Resource};
use store::{Checkpoint, FencingToken, FinishedListing, LinkChange, Pass};

use crate::listing::findings::Findings;
use crate::query;

/// A listing in more legs than this keeps no ids: it cannot tell what it lacks.
const MAX_PARTS: usize = 1_000;

/// What one invocation has read of a listing.
pub(crate) struct ListingPart {
    pub(crate) pass: Pass,
    pub(crate) findings: Findings,
    pub(crate) start: ListingState,
    pub(crate) rest: Option<(u64, String)>,
}

/// Where a listing began; perhaps in an earlier leg.
pub(crate) struct ListingState {
    began_at: EpochMillis,
    pub(crate) token: FencingToken,
    pub(crate) is_first_load: bool,
    /// What the list is asked for.
    filter: Filter,
    since: Option<Day>,
    relistings: usize,
    /// The earlier legs whose ids are in the table. None when nobody will ask what the list lacks.
    legs: Option<Vec<FencingToken>>,
}

impl ListingState {
    pub(crate) fn of_pass(pass: &Pass, filter: Filter, relistings: usize) -> Self {
        let since = match filter {
            Filter::Whole | Filter::Flow { .. } => None,
            // The filter knows days only, and the day before may still have got something after we looked.
            Filter::SinceWatermark => pass.before.watermark.map(Day::previous),
        };
        // EmbeddedAccounts may stand there all the same: other resources embed them.
        let is_first_load = pass.before.last_pass_at.is_none() && !std::ptr::eq(pass.resource, Resource::accounts());
        let mut start =
            Self { began_at: pass.began_at, token: pass.token, is_first_load, filter, since, relistings, legs: None };
        // What was never stored cannot be missing.
        start.legs = (start.is_whole() && !is_first_load).then(Vec::new);
        start
    }

    pub(crate) fn of_progress(progress: &Progress, filter: Filter) -> Self {
        Self {
            began_at: progress.began_at,
            token: progress.token,
            filter,
            since: progress.since.as_deref().and_then(Day::parse),
            is_first_load: progress.is_first_load,
            relistings: progress.relistings,
            legs: progress.legs.clone(),
        }
    }

    /// The earlier legs whose ids tell, together with those of the last leg, what the list lacks. None when that cannot be
    /// told.
    pub(crate) fn legs(&self) -> Option<&[FencingToken]> {
        self.legs.as_deref()
    }

    /// The ids of this leg are in the table.
    pub(crate) fn add_leg(&mut self, pass: &Pass) {
        self.legs = self.legs.take().filter(|legs| legs.len() < MAX_PARTS);
        if let Some(legs) = &mut self.legs {
            legs.push(pass.token);
        }
    }

    /// The filters of the list. Of an announced range a day more is asked for: its last day may mean the midnight with
    /// which it begins.
    pub(crate) fn filters(&self, resource: &Resource) -> Vec<(&'static str, String)> {
        let mut filters = query::omit(resource);
        filters.extend(self.since.map(|day| ("created_at__gte", day.to_string())));
        if let (Filter::Flow { flow, first, last }, Some(range)) = (self.filter, resource.flow_range) {
            filters.extend([("type", flow.as_str().to_owned()), (range, format!("{first},{}", last.next()))]);
        }
        filters
    }

    /// Is everything listed that the link has?
    fn is_whole(&self) -> bool {
        self.since.is_none() && !self.is_of_a_flow()
    }

    /// A listing of one direction says nothing of what else is new.
    fn is_of_a_flow(&self) -> bool {
        matches!(self.filter, Filter::Flow { .. })
    }

    /// What the finished listing leaves behind. One that moved does not count as a listing.
    pub(crate) fn checkpoint(&self, findings: &Findings) -> Checkpoint {
        // An object that Belvo cannot give by itself holds nothing back: a listing that is in doubt is repeated whole. Rows of
        // which nothing is known do.
        let is_read = !findings.moved() && findings.found_so_far().unread == 0;
        let listed =
            FinishedListing { token: self.token, began_at: self.began_at, count: findings.found_so_far().distinct };
        Checkpoint {
            watermark: (is_read && !self.is_of_a_flow()).then(|| Day::of(self.began_at)),
            // What it did not find out cannot be covered by it either.
            listing: (self.is_whole() && is_read && !findings.found_so_far().unasked).then_some(listed),
            check: Some(findings.check()),
            link: LinkChange::default(),
        }
    }

    /// What the next leg has to know; `page` is the last that was written.
    pub(crate) fn progress(&self, findings: &Findings, (page, digest): (u64, String), page_size: u32) -> Progress {
        Progress {
            began_at: self.began_at,
            token: self.token,
            since: self.since.map(|day| day.to_string()),
            page,
            count: findings.listed(),
            digest,
            relistings: self.relistings,
            found: findings.found_so_far(),
            legs: self.legs.clone(),
            is_first_load: self.is_first_load,
            piece: Some(page_size),
            compared_to: None,
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
        findings.complete();
        ListingState::of_progress(&progress, filter).checkpoint(&findings)
    }

    #[test]
    fn a_listing_of_one_direction_claims_neither_a_whole_listing_nor_a_watermark() {
        let day = Day::parse("2021-04-05").unwrap();
        for flow in [Flow::Inflow, Flow::Outflow] {
            let of_a_flow = checkpoint(Filter::Flow { flow, first: day, last: day });
            assert_eq!((of_a_flow.watermark, of_a_flow.listing), (None, None));
            assert!(of_a_flow.check.is_some(), "what was announced is compared all the same");
        }
        let whole = checkpoint(Filter::Whole);
        assert!(whole.watermark.is_some() && whole.listing.is_some());
    }
}
