//! A listing over several invocations: where it began, and what it hands on.

use domain::{Day, EpochMillis, Filter, Progress};
use store::{Checkpoint, Listed, Pass, Stamp};

use crate::tally::Tally;

/// A listing in more legs than this keeps no ids: it cannot tell what it lacks.
const MAX_LEGS: usize = 1_000;

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
    pub(crate) stamp: Stamp,
    pub(crate) since: Option<Day>,
    pub(crate) is_first_load: bool,
    relistings: usize,
    /// The earlier legs whose ids are in the table. None when nobody will ask what the list lacks.
    legs: Option<Vec<Stamp>>,
}

impl Start {
    pub(crate) fn of_pass(pass: &Pass, filter: Filter, relistings: usize) -> Self {
        let since = match filter {
            Filter::Whole => None,
            // The filter knows days only, and the day before may still have got something after we looked.
            Filter::SinceWatermark => pass.before.watermark.map(Day::previous),
        };
        let is_first_load = pass.before.last_pass_at.is_none();
        // What was never stored cannot be missing.
        let legs = (since.is_none() && !is_first_load).then(Vec::new);
        Self { began_at: pass.began_at, stamp: pass.stamp, since, is_first_load, relistings, legs }
    }

    pub(crate) fn of_progress(progress: &Progress) -> Self {
        Self {
            began_at: progress.began_at,
            stamp: progress.stamp,
            since: progress.since.as_deref().and_then(Day::parse),
            is_first_load: progress.is_first_load,
            relistings: progress.relistings,
            legs: progress.legs.clone(),
        }
    }

    /// The earlier legs whose ids tell, together with those of the last leg, what the list lacks. None when that cannot be
    /// told.
    pub(crate) fn legs(&self) -> Option<&[Stamp]> {
        self.legs.as_deref()
    }

    /// The ids of this leg are in the table.
    pub(crate) fn add_leg(&mut self, pass: &Pass) {
        self.legs = self.legs.take().filter(|legs| legs.len() < MAX_LEGS);
        if let Some(legs) = &mut self.legs {
            legs.push(pass.stamp);
        }
    }

    /// What the finished listing leaves behind. One that moved does not count as a listing.
    pub(crate) fn checkpoint(&self, tally: &Tally) -> Checkpoint {
        let listed = Listed { stamp: self.stamp, began_at: self.began_at, count: tally.found_so_far().distinct };
        Checkpoint {
            watermark: (!tally.moved()).then(|| Day::of(self.began_at)),
            // What it did not find out cannot be covered by it either.
            listed: (self.since.is_none() && !tally.moved() && !tally.found_so_far().unasked).then_some(listed),
            check: Some(tally.check()),
            belvo_answered: true,
        }
    }

    /// What the next leg has to know; `page` is the last that was written.
    pub(crate) fn progress(&self, tally: &Tally, (page, digest): (u64, String), piece: u32) -> Progress {
        Progress {
            began_at: self.began_at,
            stamp: self.stamp,
            since: self.since.map(|day| day.to_string()),
            page,
            count: tally.listed(),
            digest,
            relistings: self.relistings,
            found: tally.found_so_far(),
            legs: self.legs.clone(),
            is_first_load: self.is_first_load,
            piece: Some(piece),
            compared_to: None,
        }
    }
}
