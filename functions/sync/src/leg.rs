//! A listing over several invocations: where it began, and what it hands on.

use domain::{Day, EpochMillis, Filter, Progress};
use store::{Checkpoint, Listed, Pass, Stamp};

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
    pub(crate) since: Option<Day>,
    relistings: usize,
}

impl Start {
    pub(crate) fn of_pass(pass: &Pass, filter: Filter, relistings: usize) -> Self {
        let since = match filter {
            Filter::Whole => None,
            // The filter knows days only, and the day before may still have got something after we looked.
            Filter::SinceWatermark => pass.before.watermark.map(Day::previous),
        };
        Self { began_at: pass.began_at, stamp: pass.stamp, since, relistings }
    }

    pub(crate) fn of_progress(progress: &Progress) -> Self {
        Self {
            began_at: progress.began_at,
            stamp: progress.stamp,
            since: progress.since.as_deref().and_then(Day::parse),
            relistings: progress.relistings,
        }
    }

    /// Did it begin in this pass?
    pub(crate) fn is_in(&self, pass: &Pass) -> bool {
        self.stamp == pass.stamp
    }

    /// What the finished listing leaves behind. One that moved does not count as a listing.
    pub(crate) fn checkpoint(&self, tally: &Tally) -> Checkpoint {
        let listed = Listed { stamp: self.stamp, began_at: self.began_at, count: tally.found_so_far().distinct };
        Checkpoint {
            watermark: (!tally.moved()).then(|| Day::of(self.began_at)),
            listed: (self.since.is_none() && !tally.moved()).then_some(listed),
            check: Some(tally.check()),
            belvo_answered: true,
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
