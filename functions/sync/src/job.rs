//! One message, from its plan to its outcome.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use belvo::{Client, Error, Listing};
use domain::{
    AnnouncedTotals, DELETED, EpochMillis, Filter, LinkId, LinkStatus, Message, ObjectId, Plan, Progress, Resource,
    UPDATED, fingerprint, now,
};
use queue::Queue;
use runtime::EventLog;
use store::{Check, Checkpoint, Content, Counts, EventKey, LinkChange, Outcome, Pass, PassError, SyncState, Table};
use tokio::sync::OnceCell;

use crate::belvo_session::BelvoSession;
use crate::by_id::{ObjectFetcher, add, tombstone_all};
use crate::error::JobError;
use crate::job::link_status::status_of_refusal;
use crate::listing::continuation::{ListingPart, ListingState};
use crate::listing::findings::Findings;
use crate::listing::isolation::{FROM_ATTEMPT, Isolation};
use crate::listing::page_cap::PageCap;
use crate::listing::page_size::PAGE_SIZE;
use crate::listing::reader::{Reader, Reading};
use crate::outcome::JobOutcome;
use crate::telemetry::log_stopped_chain;

/// How often a list that moved while it was read is read again.
const RELISTINGS: usize = 2;
/// How often a message comes back because Belvo lists fewer new objects than it announced.
const RETRIES_WHEN_FEWER: u32 = 2;
/// Up to so many ids, asking for each is as cheap as asking whether `id__in` is allowed.
const FEW_IDS: usize = 2;
/// So many objects that were asked for one by one are not asked for again because Belvo refuses the next.
const MUCH_PROGRESS: usize = 20;
/// The most objects of one listing that are asked for by their ids.
const MAX_RECHECKED: usize = 500;
/// An event counts as covered when it was received so long before a listing began: hosts' clocks differ by less.
const CLOCK_MARGIN_MS: EpochMillis = 250;

/// The longest chain of continuations. The longest list that is read, 10,000 pages, needs some 150 legs at the default pace
/// of requests, and is read three times at most; a chain that is longer makes no progress. The bound takes the place of
/// Lambda's recursive loop detection, which would stop the function after about 16 rounds.
pub(crate) const MAX_CONTINUATIONS: u32 = 1_000;
const CHAIN_TOO_LONG: &str = "the chain of continuations is too long: the message went to the dead-letter queue";

const ERASED: &str = "the link was erased";
const DELETED_LINK: &str = "the link was deleted";

mod link_status;
mod mark_missing;

/// One message being worked on.
pub(crate) struct Job<'a> {
    pub(crate) message: &'a Message,
    pub(crate) session: &'a BelvoSession,
    pub(crate) table: &'a Table,
    pub(crate) queue: &'a Queue,
    pub(crate) dead_letters: &'a Queue,
    pub(crate) event_log: &'a EventLog,
    /// How often the message was received.
    pub(crate) attempt: u32,
    /// After this no page of a listing is begun.
    pub(crate) until: Instant,
    /// After this nothing is begun that the next listing can do as well.
    pub(crate) end: Instant,
    /// How long it may ask for objects one by one. The rest travels on in a message of its own, so that a long list makes
    /// progress whatever happens to one of its legs.
    pub(crate) leg: Duration,
}

impl Job<'_> {
    /// Does what the message asks for.
    pub(crate) async fn run(&self) -> Result<JobOutcome, JobError> {
        let ended = self.ended_link().await?;
        // Of a link that is no more not even for a moment: streams and backups would keep it.
        let content = if ended.is_some() { Content::Withheld } else { Content::Kept };
        let event = self.table.begin_event(self.message, content, now()).await?;
        let plan = self.message.plan();
        let ended = match ended {
            // Not what erases it once more, or goes on with its removal.
            Some(reason) if !matches!(plan, Plan::EraseLink | Plan::LinkDeleted) => Ok(JobOutcome::NoLink(reason)),
            _ => self.try_to_carry_out(&event, &plan).await,
        };
        let ended = match ended {
            // What is deleted is not announced again: such a message waits.
            Err(JobError::Belvo(error @ Error::LinkRefused { .. })) if !matches!(plan, Plan::Delete { .. }) => {
                self.refused_link(&error).await?
            }
            ended => ended?,
        };
        // A pass that was finished has ended its event itself, together with its checkpoint.
        if !matches!(ended, JobOutcome::Finished { .. }) {
            self.table.end_event(&event, ended.outcome(), ended.reason()).await?;
        }
        if matches!(ended, JobOutcome::NoLink(_)) {
            self.table.remove_event_data(&event).await?;
        }
        // Last: a request is completed when what it asked for is stored. If this fails, the message comes back.
        if ended.is_done() {
            self.table.complete_request(self.message, ended.finished(), now()).await?;
        }
        Ok(ended)
    }

    /// Why the message's link is no more, if it is.
    async fn ended_link(&self) -> Result<Option<&'static str>, JobError> {
        let Some(link) = self.message.webhook.link_id() else { return Ok(None) };
        Ok(match self.table.link(link).await?.status {
            Some(LinkStatus::Erased) => Some(ERASED),
            Some(LinkStatus::Deleted) => Some(DELETED_LINK),
            _ => None,
        })
    }

    /// Belvo's refusing our key may mean that there is a newer one.
    async fn try_to_carry_out(&self, event: &EventKey, plan: &Plan) -> Result<JobOutcome, JobError> {
        match self.carry_out(event, plan).await {
            Err(JobError::Belvo(Error::Unauthorized)) => {
                self.session.renew().await?;
                self.carry_out(event, plan).await
            }
            result => result,
        }
    }

    /// Leaves the reason of a failure where people look for it. That this fails too changes nothing. That another pass was
    /// quicker is no reason to look for.
    pub(crate) async fn note(&self, failure: &JobError) {
        if matches!(failure, JobError::Overtaken) {
            return;
        }
        let webhook = &self.message.webhook;
        if let (Some(link), Some(resource)) = (webhook.link_id(), Resource::of_webhook_type(webhook.webhook_type())) {
            let _ = self.table.record_failure(link, resource, failure.kind()).await;
        }
    }

    async fn carry_out(&self, event: &EventKey, plan: &Plan) -> Result<JobOutcome, JobError> {
        let Some(link) = self.message.webhook.link_id() else { return Ok(JobOutcome::Unknown) };
        let applied = match plan {
            Plan::Unknown => return Ok(JobOutcome::Unknown),
            Plan::Record(reason) => return Ok(JobOutcome::Recorded(reason)),
            Plan::Refused(reason) => return Ok(JobOutcome::Refused(reason)),
            Plan::LinkStatus => self.link_status(link).await,
            Plan::Consent(consent) => self.consent(link, *consent).await,
            Plan::LinkDeleted => self.link_deleted(link).await,
            Plan::EraseLink => self.erase_link(link).await,
            Plan::List { resource, filter, announced } => {
                self.list(event, link, resource, *filter, announced, &[]).await
            }
            Plan::Get { resource, ids } => self.get(event, link, resource, ids).await,
            Plan::Delete { resource, ids } => self.delete(event, link, resource, ids).await,
        };
        match applied {
            Err(PlanError::LinkEnded(reason)) => Ok(JobOutcome::NoLink(reason)),
            Err(PlanError::Failed(JobError::Belvo(Error::NotFound { confirmed }))) => {
                Err(self.not_found(link, confirmed).await?)
            }
            Err(PlanError::Failed(failure)) => Err(failure),
            Ok(ended) => Ok(ended),
        }
    }

    async fn list(
        &self,
        event: &EventKey,
        link: &LinkId,
        resource: &'static Resource,
        filter: Filter,
        announced: &AnnouncedTotals,
        expected: &[ObjectId],
    ) -> Result<JobOutcome, PlanError> {
        if let Some(listing) = self.message.listing.as_ref().filter(|listing| listing.compared_to.is_some()) {
            return self.go_on_comparing(event, link, resource, listing).await;
        }
        if self.is_covered(&self.table.sync_state(link, resource).await?) {
            return Ok(JobOutcome::Covered);
        }
        let belvo = self.session.client().await?;
        let ListingPart { pass, mut findings, mut start, rest } =
            self.read_list(belvo, link, resource, filter, announced).await?;
        let may_come_later = filter == Filter::SinceWatermark && self.attempt <= RETRIES_WHEN_FEWER;
        if rest.is_none() && may_come_later && findings.check() == Check::Drift {
            return Err(JobError::FewerThanAnnounced.into());
        }
        let mut checkpoint = match &rest {
            None => start.checkpoint(&findings),
            Some(_) => Checkpoint::default(),
        };
        let is_whole = checkpoint.listing.is_some() && findings.found_so_far().unreadable == 0;
        // On a first load nothing was stored that could be missing.
        let compares = is_whole && start.legs().is_some();
        let mut compared_to = None;
        let mut doubtful = std::mem::take(&mut findings.tombstoned);
        if rest.is_none() && (compares || !expected.is_empty()) {
            let listed = self.listed(&pass, &start, &findings).await?;
            if compares {
                compared_to = self.mark_missing(&pass, &start, &listed, None).await?.map(|id| id.to_string());
            }
            doubtful.extend(expected.iter().filter(|id| !listed.contains(&fingerprint(id))).cloned());
        }
        let goes_on = rest.is_some() || compared_to.is_some();
        if goes_on && start.legs().is_some() {
            let seen: Vec<u64> = findings.seen_ids.fingerprints().collect();
            // Nothing was listed, so there are no ids to store.
            if !seen.is_empty() {
                self.table.store_seen_ids(&pass, start.token, &seen, now()).await?;
                start.add_leg(&pass);
            }
        }
        let accounts = std::mem::take(&mut findings.accounts);
        add(&mut findings.counts, accounts.store(self.table, &pass).await?);
        let mut outcome = Outcome::Applied;
        let token_of_listing = pass.token;
        let (pass, unasked) = self.recheck(belvo, pass, &doubtful, &mut findings.counts).await?;
        if !unasked.is_empty() {
            findings.note_unasked();
            checkpoint.check = checkpoint.check.map(|_| Check::Drift);
            checkpoint.listing = None;
            let of_webhook: Vec<_> = unasked.into_iter().filter(|id| expected.contains(id)).collect();
            if !of_webhook.is_empty() {
                // The fencing token of the listing: a continuation of the listing itself carries that of the pass behind it.
                self.go_on_with(self.message.continuation(UPDATED, &of_webhook, token_of_listing)).await?;
                outcome = Outcome::Continued;
            }
        }
        checkpoint.link = self.read_back(&pass, true).await?;
        if goes_on {
            let progress = Progress {
                compared_to,
                ..start.progress(&findings, rest.unwrap_or_default(), self.session.page_size().size(now()))
            };
            self.go_on_with(self.message.listing_continuation(progress, pass.token)).await?;
            outcome = Outcome::Continued;
        }
        self.finish(event, &pass, &checkpoint, outcome, findings.counts).await
    }

    /// Fingerprints of all ids that the listing has seen, in this leg and in earlier ones whose ids are in the table.
    pub(crate) async fn listed(
        &self,
        pass: &Pass,
        start: &ListingState,
        findings: &Findings,
    ) -> Result<HashSet<u64>, JobError> {
        let mut listed: HashSet<u64> = findings.seen_ids.fingerprints().collect();
        if let Some(legs) = start.legs().filter(|legs| !legs.is_empty()) {
            listed.extend(self.table.seen_ids(&pass.link, pass.resource, start.token, legs).await?);
        }
        Ok(listed)
    }

    /// Reads the list, or goes on with it; again from the beginning when it moved meanwhile. Each reading is a pass of its
    /// own.
    async fn read_list(
        &self,
        belvo: &Client,
        link: &LinkId,
        resource: &'static Resource,
        filter: Filter,
        announced: &AnnouncedTotals,
    ) -> Result<ListingPart, PlanError> {
        let mut from = self.message.listing.as_ref();
        let mut relistings = from.map_or(0, |progress| progress.relistings);
        let mut previous_row_sum = from.and_then(|progress| progress.previous_row_sum);
        let (cap, has_logged_next) = (PageCap::new(), AtomicBool::new(false));
        if let Some((progress, size)) = from.and_then(|progress| Some((progress, progress.piece?))) {
            self.session.page_size().learn(size, progress.began_at, now());
        }
        loop {
            let pass = self.begin_pass(link, resource).await?;
            let (resource, filter) = (pass.resource, filter.for_list(pass.resource));
            let start = match from {
                Some(progress) => ListingState::of_progress(progress, filter),
                None => ListingState::of_pass(&pass, filter, relistings),
            };
            let filters = start.filters(resource);
            let listing = Listing { path: resource.path, link: link.clone(), filters, page_size: PAGE_SIZE };
            let may_begin_anew = relistings < RELISTINGS;
            let reader = Reader {
                belvo,
                table: self.table,
                pass: &pass,
                listing: &listing,
                until: self.until,
                page_size: self.session.page_size(),
                cap: &cap,
                isolation: Isolation::new(self.attempt, self.end),
                link_is_there: OnceCell::new(),
                given: Mutex::default(),
                has_logged_next: &has_logged_next,
                goes_on: from.is_some(),
                stops_when_moved: may_begin_anew,
                compares: !start.is_first_load || self.attempt > 1,
            };
            let Reading { findings, rest } = reader.read(announced, from, previous_row_sum).await?;
            if !findings.moved() || !may_begin_anew {
                return Ok(ListingPart { pass, findings, start, rest });
            }
            previous_row_sum = findings.row_sum_to_confirm();
            from = None;
            relistings += 1;
        }
    }

    /// Asks for objects by their ids of which a listing leaves doubt, in a pass of its own: the tombstones that it met, which
    /// only that brings back, and what should have been listed and was not. When Belvo does not answer for all of them, the
    /// listing stands all the same. Gives the ids that were not asked for.
    async fn recheck(
        &self,
        belvo: &Client,
        listing: Pass,
        doubtful: &[ObjectId],
        counts: &mut Counts,
    ) -> Result<(Pass, Vec<ObjectId>), PlanError> {
        if doubtful.is_empty() {
            return Ok((listing, Vec::new()));
        }
        let pass = self.table.follow_pass(&listing, now()).await?.ok_or(JobError::Overtaken)?;
        let (some, others) = doubtful.split_at(doubtful.len().min(MAX_RECHECKED));
        let objects = ObjectFetcher::prepare(belvo, self.table, &pass, some).await?;
        // As many as there is time for.
        let fetched = objects.fetch_each(some, self.end.min(Instant::now() + self.leg)).await;
        add(counts, fetched.counts);
        match fetched.failure {
            None | Some(JobError::Belvo(_)) => {}
            Some(failure) => return Err(failure.into()),
        }
        add(counts, objects.store_accounts().await?);
        Ok((pass, [fetched.left.as_slice(), others].concat()))
    }

    async fn get(
        &self,
        event: &EventKey,
        link: &LinkId,
        resource: &'static Resource,
        ids: &[ObjectId],
    ) -> Result<JobOutcome, PlanError> {
        let state = self.table.sync_state(link, resource).await?;
        let nothing = AnnouncedTotals::default();
        if self.message.listing.is_some() {
            return Box::pin(self.list(event, link, resource, Filter::Whole, &nothing, ids)).await;
        }
        if self.is_covered(&state) {
            return Ok(JobOutcome::Covered);
        }
        let belvo = self.session.client().await?;
        let pass = self.begin_pass(link, resource).await?;
        let mut objects = ObjectFetcher::prepare(belvo, self.table, &pass, ids).await?;
        objects.leaves_out = self.attempt >= FROM_ATTEMPT;
        let mut counts = Counts::default();
        let mut left = ids.to_vec();
        if pass.resource.filters_by_id && ids.len() > FEW_IDS && self.session.allows_id_in(now()) {
            let listed = objects.fetch_listed(ids).await?;
            if listed.gave_up {
                self.session.note_id_in_failed(now());
            }
            counts = listed.counts;
            left = listed.left;
        }
        let pages = state.count.map(|count| count.div_ceil(PAGE_SIZE.into()));
        // A continuation has the ids that a list left over: another list would leave them over again.
        let may_list = self.message.continuations == 0;
        if may_list && pages.is_some_and(|pages| left.len() as u64 > pages.max(FEW_IDS as u64)) {
            // One list is cheaper than that many objects.
            return Box::pin(self.list(event, link, resource, Filter::Whole, &nothing, ids)).await;
        }
        let (more, outcome) = self.fetch_leg(&objects, &pass, UPDATED, &left).await?;
        add(&mut counts, more);
        add(&mut counts, objects.store_accounts().await?);
        let link = if ids.is_empty() { LinkChange::default() } else { self.read_back(&pass, false).await? };
        // What was left out is looked for by a whole listing.
        let check = (counts.unreadable > 0).then_some(Check::Drift);
        let checkpoint = Checkpoint { link, check, ..Checkpoint::default() };
        self.finish(event, &pass, &checkpoint, outcome, counts).await
    }

    async fn delete(
        &self,
        event: &EventKey,
        link: &LinkId,
        resource: &'static Resource,
        ids: &[ObjectId],
    ) -> Result<JobOutcome, PlanError> {
        let mut pass = self.table.begin_local_pass(link, resource, self.message.webhook_at(), now()).await?;
        // What was looked at after the announcement may have come back since: then each id is asked for.
        let last_look = pass.before.last_pass_at;
        let seen_since = last_look.is_some_and(|look| look + CLOCK_MARGIN_MS >= self.message.received_at);
        let (counts, outcome) = if seen_since {
            self.table.record_pass_start(&pass).await?;
            pass.resource = self.at_institution(&pass).await?;
            let objects = ObjectFetcher::prepare(self.session.client().await?, self.table, &pass, ids).await?;
            self.fetch_leg(&objects, &pass, DELETED, ids).await?
        } else {
            (tombstone_all(self.table, &pass, ids).await?, Outcome::Applied)
        };
        let has_answer = seen_since && !ids.is_empty();
        let link = if has_answer { self.read_back(&pass, false).await? } else { LinkChange::default() };
        let checkpoint = Checkpoint { link, ..Checkpoint::default() };
        self.finish(event, &pass, &checkpoint, outcome, counts).await
    }

    /// Asks for objects one by one for a while, and sends a message for those that are left. When Belvo fails before the
    /// first one, so does this.
    async fn fetch_leg(
        &self,
        objects: &ObjectFetcher<'_>,
        pass: &Pass,
        prefix: &str,
        ids: &[ObjectId],
    ) -> Result<(Counts, Outcome), JobError> {
        let fetched = objects.fetch_each(ids, Instant::now() + self.leg).await;
        let done = ids.len() - fetched.left.len();
        match fetched.failure {
            None => {}
            // Whoever asks for fewer requests gets a rest, unless that would undo much.
            Some(JobError::Belvo(Error::RateLimited { .. } | Error::RefusedByEdge)) if done >= MUCH_PROGRESS => {}
            Some(failure @ JobError::Belvo(Error::RateLimited { .. } | Error::RefusedByEdge)) => return Err(failure),
            Some(JobError::Belvo(_)) if done > 0 => {}
            Some(failure) => return Err(failure),
        }
        let mut outcome = Outcome::Applied;
        if !fetched.left.is_empty() {
            outcome = Outcome::Continued;
            // Before this event ends: if that fails, the message comes back and both are done again, which is harmless.
            self.go_on_with(self.message.continuation(prefix, &fetched.left, pass.token)).await?;
        }
        Ok((fetched.counts, outcome))
    }

    /// Sends a continuation to the link's queue; at the end of a chain that is too long, to the dead-letter queue, with a
    /// line of its own in the log and the reason in the message's event item.
    pub(crate) async fn go_on_with(&self, continuation: Message) -> Result<(), JobError> {
        if continuation.continuations <= MAX_CONTINUATIONS {
            return Ok(self.queue.send(&[continuation]).await?);
        }
        let continuation = continuation.as_start_of_chain();
        let event = self.table.begin_event(&continuation, Content::Kept, now()).await?;
        self.table.end_event(&event, Outcome::Refused, Some(CHAIN_TOO_LONG)).await?;
        self.dead_letters.send(std::slice::from_ref(&continuation)).await?;
        log_stopped_chain(self.event_log, &continuation);
        Ok(())
    }

    async fn begin_pass(&self, link: &LinkId, resource: &'static Resource) -> Result<Pass, PlanError> {
        let mut pass = self.table.begin_pass(link, resource, self.message.webhook_at(), now()).await?;
        pass.resource = self.at_institution(&pass).await?;
        Ok(pass)
    }

    pub(crate) async fn finish(
        &self,
        event: &EventKey,
        pass: &Pass,
        checkpoint: &Checkpoint,
        outcome: Outcome,
        counts: Counts,
    ) -> Result<JobOutcome, PlanError> {
        if self.table.finish(pass, checkpoint, event, outcome, counts, now()).await? {
            let was_in_doubt = pass.before.drifts > 0;
            Ok(JobOutcome::Finished { outcome, counts, check: checkpoint.check, was_in_doubt })
        } else {
            Err(JobError::Overtaken.into())
        }
    }

    /// Was the event received before the last finished whole listing began?
    fn is_covered(&self, state: &SyncState) -> bool {
        state.listing_began_at.is_some_and(|began_at| self.message.received_at + CLOCK_MARGIN_MS < began_at)
    }

    /// A list or an object is "not found": is it the link itself? Nothing is deleted for it, and the message is not
    /// acknowledged either: with credentials for another of Belvo's environments it looks the same.
    async fn not_found(&self, link: &LinkId, confirmed: bool) -> Result<JobError, JobError> {
        if self.session.client().await?.link_exists(link).await? {
            return Ok(Error::NotFound { confirmed }.into());
        }
        self.table.set_link_status(link, LinkStatus::Gone).await?;
        Ok(JobError::LinkGone)
    }

    /// The link cannot be read before its user acts. There will be a webhook when that has happened.
    async fn refused_link(&self, error: &Error) -> Result<JobOutcome, JobError> {
        if let (Some(link), Some(status)) = (self.message.webhook.link_id(), status_of_refusal(error)) {
            self.table.set_link_status(link, status).await?;
        }
        Ok(JobOutcome::Refused("Belvo cannot use the link before the user acts"))
    }
}

/// Why a plan was not carried out.
pub(crate) enum PlanError {
    /// The link is no more; nothing is stored for it again.
    LinkEnded(&'static str),
    /// Anything after which the message comes back.
    Failed(JobError),
}

impl<F: Into<JobError>> From<F> for PlanError {
    fn from(failure: F) -> Self {
        Self::Failed(failure.into())
    }
}

impl From<PassError> for PlanError {
    fn from(refused: PassError) -> Self {
        match refused {
            PassError::Erased => Self::LinkEnded(ERASED),
            PassError::Deleted => Self::LinkEnded(DELETED_LINK),
            PassError::Store(err) => Self::Failed(err.into()),
        }
    }
}
