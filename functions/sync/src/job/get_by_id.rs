//! Carries out `Get`: reads the announced objects by their ids.

use std::time::Instant;

use domain::{AnnouncedTotals, Filter, ObjectId, UPDATED, now};
use store::{Check, Checkpoint, Counts, LinkChange, Outcome, Pass, SyncState};

use crate::by_id::{ObjectFetcher, OnBadObject};
use crate::error::{JobError, PlanError, keeps_progress};
use crate::job::read_link::News;
use crate::job::{Job, Target, list};
use crate::listing::{ISOLATE_FROM_ATTEMPT, PAGE_SIZE};
use crate::outcome::JobOutcome;
use crate::write::add;

/// Number of ids up to which requesting each costs no more than trying `id__in`.
const FEW_IDS: usize = 2;

impl Job<'_> {
    /// Reads the objects with `id__in`, with one whole list, or one by one, whichever needs the fewest requests.
    pub(super) async fn get_by_id(&self, target: &Target<'_>, ids: &[ObjectId]) -> Result<JobOutcome, PlanError> {
        let state = self.table.sync_state(target.link, target.resource).await?;
        if self.message.listing.is_some() {
            return self.list_instead(target, ids).await;
        }
        if self.is_covered(&state) {
            return Ok(JobOutcome::Covered);
        }

        let belvo = self.session.client().await?;
        let pass = self.begin_pass(target).await?;
        let on_bad_object =
            if self.attempt >= ISOLATE_FROM_ATTEMPT { OnBadObject::LeaveOut } else { OnBadObject::Fail };
        let objects = ObjectFetcher::new(belvo, &pass, ids, on_bad_object).await?;

        let (mut counts, left) = self.try_id_in(&objects, &pass, ids).await?;
        if self.is_list_cheaper(&state, left.len()) {
            return self.list_instead(target, ids).await;
        }
        let (more, outcome) = self.fetch_or_continue(&objects, &pass, &left, UPDATED).await?;
        add(&mut counts, more);
        add(&mut counts, objects.store_accounts().await?);

        let link = if ids.is_empty() { LinkChange::default() } else { self.read_back(&pass, News::None).await? };
        // After drift the whole listing is repeated. It finds the objects that were left out.
        let check = (counts.unreadable > 0).then_some(Check::Drift);
        let checkpoint = Checkpoint { link, check, ..Checkpoint::default() };
        self.finish(target, &pass, &checkpoint, outcome, counts).await
    }

    /// Reads the objects with `id__in`, if that may work. Returns the ids that remain.
    async fn try_id_in(
        &self,
        objects: &ObjectFetcher<'_>,
        pass: &Pass,
        ids: &[ObjectId],
    ) -> Result<(Counts, Vec<ObjectId>), JobError> {
        if !pass.resource.filters_by_id || ids.len() <= FEW_IDS || !self.session.may_use_id_in(now()) {
            return Ok((Counts::default(), ids.to_vec()));
        }
        let listed = objects.fetch_with_id_in(ids).await?;
        if listed.is_filter_refused {
            self.session.record_id_in_failure(now());
        }
        Ok((listed.counts, listed.left))
    }

    /// Returns `true` if a whole list has fewer pages than ids remain. The ids of a continuation are those that such a list
    /// left over, so another list would not help.
    fn is_list_cheaper(&self, state: &SyncState, ids_left: usize) -> bool {
        let pages = state.count.map(|count| count.div_ceil(PAGE_SIZE.into()));
        self.message.continuations == 0 && pages.is_some_and(|pages| ids_left as u64 > pages.max(FEW_IDS as u64))
    }

    /// Reads the whole list, and then requests the ids that it lacks.
    async fn list_instead(&self, target: &Target<'_>, ids: &[ObjectId]) -> Result<JobOutcome, PlanError> {
        let request = list::Request { filter: Filter::Whole, announced: &AnnouncedTotals::default(), expected: ids };
        Box::pin(self.list(target, &request)).await
    }

    /// Requests objects one by one for a while, and sends a continuation for the others. `list_name` is the beginning of the
    /// name of its list of ids. Returns Belvo's error if it leaves too little progress.
    pub(super) async fn fetch_or_continue(
        &self,
        objects: &ObjectFetcher<'_>,
        pass: &Pass,
        ids: &[ObjectId],
        list_name: &str,
    ) -> Result<(Counts, Outcome), JobError> {
        let fetched = objects.fetch_each(ids, Instant::now() + self.deadlines.by_id_budget).await;
        let done = (ids.len() - fetched.left.len()) as u64;
        match fetched.error {
            None => {}
            Some(JobError::Belvo(error)) if keeps_progress(&error, done) => {}
            Some(error) => return Err(error),
        }

        if fetched.left.is_empty() {
            return Ok((fetched.counts, Outcome::Applied));
        }
        self.send_continuation(self.message.ids_continuation(list_name, &fetched.left, pass.token)).await?;
        Ok((fetched.counts, Outcome::Continued))
    }
}
