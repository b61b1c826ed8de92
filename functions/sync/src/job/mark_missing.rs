//! What a whole listing lacks: stored records that Belvo does not list any more. They get `missing_since` and keep their data,
//! because Belvo drops old data by itself.
//!
//! Every id that is stored is compared with every id that was listed, page by page of the table. What there is no time for
//! travels on in a message of its own, which begins where this one stopped.

use std::collections::HashSet;
use std::time::Instant;

use domain::{AnnouncedTotals, Filter, LinkId, ObjectId, Progress, Resource, fingerprint, now};
use store::{Checkpoint, EventKey, Outcome, Pass};

use crate::concurrency;
use crate::error::JobError;
use crate::job::{Job, PlanError};
use crate::listing::continuation::ListingState;
use crate::listing::findings::Findings;
use crate::listing::write_page::{WRITES_AT_ONCE, fence};
use crate::outcome::JobOutcome;

impl Job<'_> {
    /// Marks what a whole listing lacks, of which these are the fingerprints, from an id on. Gives the id from which to go on, when the time was too short.
    pub(crate) async fn mark_missing(
        &self,
        pass: &Pass,
        start: &ListingState,
        listed: &HashSet<u64>,
        mut after: Option<ObjectId>,
    ) -> Result<Option<ObjectId>, JobError> {
        loop {
            let (ids, rest) = self.table.live_ids(&pass.link, pass.resource, after.as_ref()).await?;
            let missing: Vec<_> = ids.iter().filter(|id| !listed.contains(&fingerprint(id))).collect();
            if !missing.is_empty() {
                fence(self.table, pass).await?;
            }
            let mark = |id| self.table.mark_missing(&pass.link, pass.resource, start.token, id, now());
            let marks = missing.into_iter().map(|id| async move { Ok(mark(id).await?) });
            concurrency::for_each(marks, WRITES_AT_ONCE, |_| ()).await?;
            match rest {
                Some(id) if Instant::now() < self.end => after = Some(id),
                rest => return Ok(rest),
            }
        }
    }

    /// Goes on comparing for a listing of which every page was read by earlier legs.
    pub(crate) async fn go_on_comparing(
        &self,
        event: &EventKey,
        link: &LinkId,
        resource: &'static Resource,
        listing: &Progress,
    ) -> Result<JobOutcome, PlanError> {
        let pass = self.table.begin_local_pass(link, resource, self.message.webhook_at(), now()).await?;
        // Read behind the fencing token: a listing that is finished later overtakes this pass.
        if pass.before.listed_at.is_some_and(|listed_at| listed_at > listing.token) {
            return Ok(JobOutcome::Covered);
        }
        let start = ListingState::of_progress(listing, Filter::Whole);
        let findings = Findings::new(resource, &AnnouncedTotals::default(), Some(listing), None);
        let after = listing.compared_to.as_deref().and_then(|id| ObjectId::parse(id).ok());
        let rest = match start.legs() {
            Some(_) => self.mark_missing(&pass, &start, &self.listed(&pass, &start, &findings).await?, after).await?,
            None => None,
        };
        let outcome = match rest {
            None => Outcome::Applied,
            rest => {
                let progress = Progress { compared_to: rest.map(|id| id.to_string()), ..listing.clone() };
                self.go_on_with(self.message.listing_continuation(progress, pass.token)).await?;
                Outcome::Continued
            }
        };
        self.finish(event, &pass, &Checkpoint::default(), outcome, findings.counts).await
    }
}
