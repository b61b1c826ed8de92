//! Carries out `List`: reads a list, compares it with the table, and leaves a checkpoint.

use std::collections::HashSet;
use std::time::Instant;

use belvo::{Client, Listing};
use domain::{AnnouncedTotals, Filter, ObjectId, Progress, UPDATED, fingerprint, now};
use store::{Check, Checkpoint, Counts, Outcome, Pass};

use crate::by_id::{ObjectFetcher, OnBadObject};
use crate::error::{JobError, PlanError};
use crate::job::read_link::News;
use crate::job::{Job, Target};
use crate::listing::{
    Findings, Isolation, LastPage, ListProperties, ListingState, Mode, Next, PAGE_SIZE, Reader, Reading, Source,
    mark_missing,
};
use crate::outcome::JobOutcome;
use crate::write::add;

/// How often a list that moved while it was read is read again.
const RELISTINGS: usize = 2;
/// How often a message returns to the queue because Belvo lists fewer new objects than it announced.
const RETRIES_WHEN_FEWER: u32 = 2;
/// Maximum number of objects of one listing that are requested by their ids.
const MAX_RECHECKED: usize = 500;

/// Which list to read, and what it should have.
pub(super) struct Request<'a> {
    pub(super) filter: Filter,
    pub(super) announced: &'a AnnouncedTotals,
    /// Ids that the webhook named.
    pub(super) expected: &'a [ObjectId],
}

/// What this message has read of a list.
struct ListReading {
    pass: Pass,
    state: ListingState,
    findings: Findings,
    last_page: Option<LastPage>,
}

impl Job<'_> {
    pub(super) async fn list(&self, target: &Target<'_>, request: &Request<'_>) -> Result<JobOutcome, PlanError> {
        if let Some(progress) = self.message.listing.as_ref().filter(|progress| progress.compared_to.is_some()) {
            return self.continue_comparing(target, progress).await;
        }
        if self.is_covered(&self.table.sync_state(target.link, target.resource).await?) {
            return Ok(JobOutcome::Covered);
        }

        let belvo = self.session.client().await?;
        let mut reading = self.read_list(belvo, target, request).await?;
        let mut to_recheck = std::mem::take(&mut reading.findings.tombstoned);
        let (next, mut checkpoint) = match reading.last_page.take() {
            Some(page) => (Next::MorePages(page), Checkpoint::default()),
            None => self.compare(&reading, request, &mut to_recheck).await?,
        };
        if !matches!(next, Next::Done) {
            store_seen_ids(&mut reading).await?;
        }
        let accounts = std::mem::take(&mut reading.findings.accounts).store(&reading.pass).await?;
        add(&mut reading.findings.counts, accounts);

        let (pass, unfetched) = self.recheck(belvo, &reading.pass, &to_recheck, &mut reading.findings.counts).await?;
        let sent_continuation = self.mark_drift(&mut reading, &mut checkpoint, unfetched, request.expected).await?;
        checkpoint.link = self.read_back(&pass, News::Fetched).await?;

        let counts = reading.findings.counts;
        let continues = self.continue_listing(&reading, next, &pass).await?;
        let outcome = if sent_continuation || continues { Outcome::Continued } else { Outcome::Applied };
        self.finish(target, &pass, &checkpoint, outcome, counts).await
    }

    /// Reads the list, or continues it; again from the beginning when it moves. Each reading is a pass of its own.
    async fn read_list(
        &self,
        belvo: &Client,
        target: &Target<'_>,
        request: &Request<'_>,
    ) -> Result<ListReading, PlanError> {
        let mut progress = self.message.listing.as_ref();
        let mut relistings = progress.map_or(0, |progress| progress.relistings);
        let mut previous_row_sum = progress.and_then(|progress| progress.previous_row_sum);
        let properties = ListProperties::new();
        if let Some((progress, size)) = progress.and_then(|progress| Some((progress, progress.piece?))) {
            self.session.page_size().learn(size, progress.began_at, now());
        }

        loop {
            let pass = self.begin_pass(target).await?;
            let filter = request.filter.for_list(pass.resource);
            let state = match progress {
                Some(progress) => ListingState::of_progress(progress, filter),
                None => ListingState::of_pass(&pass, filter, relistings),
            };
            let mode = Mode {
                is_continuation: progress.is_some(),
                restarts_when_moved: relistings < RELISTINGS,
                skips_unchanged: !state.is_first_load || self.attempt > 1,
            };

            let findings = Findings::new(pass.resource, request.announced, progress, previous_row_sum);
            let reader = self.reader(belvo, &pass, &state, &properties, mode, findings);
            let Reading { findings, last_page } = reader.read(progress).await?;
            if !findings.has_moved() || !mode.restarts_when_moved {
                return Ok(ListReading { pass, state, findings, last_page });
            }

            previous_row_sum = findings.row_sum_to_confirm();
            progress = None;
            relistings += 1;
        }
    }

    fn reader<'a>(
        &'a self,
        belvo: &'a Client,
        pass: &'a Pass,
        state: &ListingState,
        properties: &'a ListProperties,
        mode: Mode,
        findings: Findings,
    ) -> Reader<'a> {
        let filters = state.filters(pass.resource);
        let list_request = Listing { path: pass.resource.path, link: pass.link.clone(), filters, page_size: PAGE_SIZE };
        let source = Source { belvo, list_request, page_size: self.session.page_size(), properties };
        let isolation = Isolation::new(self.attempt, self.deadlines.compare_deadline);
        Reader::new(source, pass, self.deadlines.page_deadline, isolation, mode, findings)
    }

    /// Compares a list that was read to its end with what was announced and with the table. Adds the expected ids that the list
    /// lacks to `to_recheck`.
    async fn compare(
        &self,
        reading: &ListReading,
        request: &Request<'_>,
        to_recheck: &mut Vec<ObjectId>,
    ) -> Result<(Next, Checkpoint), PlanError> {
        let ListReading { pass, state, findings, .. } = reading;
        let may_come_later = request.filter == Filter::SinceWatermark && self.attempt <= RETRIES_WHEN_FEWER;
        if may_come_later && findings.check() == Check::Drift {
            return Err(JobError::FewerThanAnnounced.into());
        }

        let checkpoint = state.checkpoint(findings);
        let is_whole = checkpoint.finished_listing.is_some() && findings.found().unreadable == 0;
        let finds_missing = is_whole && state.finds_missing();
        if !finds_missing && request.expected.is_empty() {
            return Ok((Next::Done, checkpoint));
        }

        let mut listed: HashSet<u64> = findings.seen_ids.fingerprints().collect();
        listed.extend(state.stored_ids(pass).await?);
        let mut rest = None;
        if finds_missing {
            rest = mark_missing(pass, state.token, &listed, None, self.deadlines.compare_deadline).await?;
        }
        to_recheck.extend(request.expected.iter().filter(|id| !listed.contains(&fingerprint(id))).cloned());
        Ok((rest.map_or(Next::Done, |after| Next::MoreComparing { after }), checkpoint))
    }

    /// Fetches by id, in a new pass: listed objects that have a tombstone (only a fetch restores them) and announced ids that
    /// the list lacks. If Belvo does not respond for all of them, the listing still counts. Returns the new pass, or the pass
    /// of the listing if there is nothing to fetch, and the ids that were not fetched.
    async fn recheck(
        &self,
        belvo: &Client,
        listing_pass: &Pass,
        to_recheck: &[ObjectId],
        counts: &mut Counts,
    ) -> Result<(Pass, Vec<ObjectId>), PlanError> {
        if to_recheck.is_empty() {
            return Ok((listing_pass.clone(), Vec::new()));
        }
        let pass = listing_pass.next_pass(now()).await?.ok_or(JobError::Overtaken)?;
        let (some, others) = to_recheck.split_at(to_recheck.len().min(MAX_RECHECKED));

        let objects = ObjectFetcher::new(belvo, &pass, some, OnBadObject::Fail).await?;
        let deadline = self.deadlines.compare_deadline.min(Instant::now() + self.deadlines.by_id_budget);
        let fetched = objects.fetch_each(some, deadline).await;
        add(counts, fetched.counts);
        match fetched.error {
            None | Some(JobError::Belvo(_)) => {}
            Some(error) => return Err(error.into()),
        }

        add(counts, objects.store_accounts().await?);
        Ok((pass, [fetched.left.as_slice(), others].concat()))
    }

    /// Marks the listing as drift if some ids were not fetched. Sends a continuation for those that the webhook named, and
    /// returns `true` if it did.
    async fn mark_drift(
        &self,
        reading: &mut ListReading,
        checkpoint: &mut Checkpoint,
        unfetched: Vec<ObjectId>,
        expected: &[ObjectId],
    ) -> Result<bool, JobError> {
        if unfetched.is_empty() {
            return Ok(false);
        }
        reading.findings.note_unfetched();
        checkpoint.check = checkpoint.check.map(|_| Check::Drift);
        checkpoint.finished_listing = None;

        let named: Vec<_> = unfetched.into_iter().filter(|id| expected.contains(id)).collect();
        if named.is_empty() {
            return Ok(false);
        }
        // With the token of the listing, so that its key differs from that of the listing's own continuation, which has the
        // token of the last pass.
        self.send_continuation(self.message.ids_continuation(UPDATED, &named, reading.pass.token)).await?;
        Ok(true)
    }

    /// Sends the continuation of the listing, if it needs one, and returns `true` then. `pass` is the last pass of this message.
    async fn continue_listing(&self, reading: &ListReading, next: Next, pass: &Pass) -> Result<bool, JobError> {
        let (page, compare_after) = match next {
            Next::Done => return Ok(false),
            Next::MorePages(page) => (page, None),
            Next::MoreComparing { after } => (LastPage::default(), Some(after)),
        };
        let progress =
            reading.state.progress(&reading.findings, page, compare_after, self.session.page_size().size(now()));
        self.send_continuation(self.message.listing_continuation(progress, pass.token)).await?;
        Ok(true)
    }

    /// Continues to compare the table with a list of which earlier messages have read every page.
    async fn continue_comparing(&self, target: &Target<'_>, progress: &Progress) -> Result<JobOutcome, PlanError> {
        let webhook_at = self.message.webhook_at();
        let pass = self.table.begin_local_pass(target.link, target.resource, webhook_at, now()).await?;
        // The state was read after the fencing token was taken: a listing that finishes later overtakes this pass.
        if pass.sync_state_before.listed_at.is_some_and(|listed_at| listed_at > progress.token) {
            return Ok(JobOutcome::Covered);
        }

        let state = ListingState::of_progress(progress, Filter::Whole);
        let mut rest = None;
        if state.finds_missing() {
            let listed = state.stored_ids(&pass).await?.into_iter().collect();
            let compare_after = progress.compared_to.as_deref().and_then(|id| ObjectId::parse(id).ok());
            rest = mark_missing(&pass, state.token, &listed, compare_after, self.deadlines.compare_deadline).await?;
        }

        let outcome = match rest {
            None => Outcome::Applied,
            Some(id) => {
                let progress = Progress { compared_to: Some(id.to_string()), ..progress.clone() };
                self.send_continuation(self.message.listing_continuation(progress, pass.token)).await?;
                Outcome::Continued
            }
        };
        self.finish(target, &pass, &Checkpoint::default(), outcome, Counts::default()).await
    }
}

/// Stores the ids that this message listed, for the message that finds what the list lacks.
async fn store_seen_ids(reading: &mut ListReading) -> Result<(), JobError> {
    if !reading.state.finds_missing() {
        return Ok(());
    }
    let seen_ids: Vec<u64> = reading.findings.seen_ids.fingerprints().collect();
    // If nothing was listed, there are no ids to store.
    if !seen_ids.is_empty() {
        reading.pass.store_seen_ids(reading.state.token, &seen_ids, now()).await?;
        reading.state.add_continuation_token(&reading.pass);
    }
    Ok(())
}
