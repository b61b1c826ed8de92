//! A listing over several invocations: where it began, and what it hands on.

use domain::{Day, EpochMillis, Filter, Progress, Resource};
use store::{Checkpoint, LinkChange, Listed, Pass, Stamp};

use crate::query;
use crate::tally::Tally;

/// What one invocation has read of a listing.
pub(crate) struct Leg {
    pub(crate) pass: Pass,
    pub(crate) tally: Tally,
    pub(crate) start: Start,
    pub(crate) rest: Option<(u64, String)>,
}

/// Where a listing began; perhaps in an earlier leg.
pub(crate) struct Start {
    began_at: EpochMillis,
    stamp: Stamp,
    /// What the list is asked for.
    filter: Filter,
    since: Option<Day>,
    relistings: usize,
}

impl Start {
    pub(crate) fn of_pass(pass: &Pass, filter: Filter, relistings: usize) -> Self {
        let since = match filter {
            Filter::Whole | Filter::Flow { .. } => None,
            // The filter knows days only, and the day before may still have got something after we looked.
            Filter::SinceWatermark => pass.before.watermark.map(Day::previous),
        };
        Self { began_at: pass.began_at, stamp: pass.stamp, filter, since, relistings }
    }

    pub(crate) fn of_progress(progress: &Progress, filter: Filter) -> Self {
        Self {
            began_at: progress.began_at,
            stamp: progress.stamp,
            filter,
            since: progress.since.as_deref().and_then(Day::parse),
            relistings: progress.relistings,
        }
    }

    /// Did it begin in this pass?
    pub(crate) fn is_in(&self, pass: &Pass) -> bool {
        self.stamp == pass.stamp
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
    pub(crate) fn checkpoint(&self, tally: &Tally) -> Checkpoint {
        let listed = Listed { stamp: self.stamp, began_at: self.began_at, count: tally.found_so_far().distinct };
        Checkpoint {
            watermark: (!tally.moved() && !self.is_of_a_flow()).then(|| Day::of(self.began_at)),
            listed: (self.is_whole() && !tally.moved()).then_some(listed),
            check: Some(tally.check()),
            link: LinkChange::default(),
        }
    }

    pub(crate) fn progress(&self, tally: &Tally, (page, digest): (u64, String)) -> Progress {
        Progress {
            began_at: self.began_at,
            stamp: self.stamp,
            since: self.since.map(|day| day.to_string()),
            page,
            count: tally.listed(),
            digest,
            relistings: self.relistings,
            found: tally.found_so_far(),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Announced, Flow, LinkId};
    use store::{LinkState, SyncState};

    use super::*;

    fn checkpoint(filter: Filter) -> Checkpoint {
        let resource = Resource::of_webhook_type("INVOICES").unwrap();
        let pass = Pass {
            link: LinkId::parse("l").unwrap(),
            resource,
            stamp: 7,
            began_at: 1_700_000_000_000,
            before: SyncState::default(),
            known: LinkState::default(),
        };
        let mut tally = Tally::new(resource, &Announced::default(), None);
        tally.complete();
        Start::of_pass(&pass, filter, 0).checkpoint(&tally)
    }

    #[test]
    fn a_listing_of_one_direction_claims_neither_a_whole_listing_nor_a_watermark() {
        let day = Day::parse("2021-04-05").unwrap();
        for flow in [Flow::Inflow, Flow::Outflow] {
            let of_a_flow = checkpoint(Filter::Flow { flow, first: day, last: day });
            assert_eq!((of_a_flow.watermark, of_a_flow.listed), (None, None));
            assert!(of_a_flow.check.is_some(), "what was announced is compared all the same");
        }
        let whole = checkpoint(Filter::Whole);
        assert!(whole.watermark.is_some() && whole.listed.is_some());
    }
}
