//! One message, from its plan to its outcome.

use belvo::{Client, Listing};
use domain::{Announced, Day, Filter, LinkId, Message, ObjectId, Plan, Resource, now};
use store::{Check, Checkpoint, Counts, EventKey, LinkStatus, Listed, Outcome, Pass, PassRefused, SyncState, Table};

use crate::access::Access;
use crate::failure::Failure;
use crate::listing::{self, PAGE_SIZE};
use crate::objects::{Objects, add, bury_all};
use crate::tally::Tally;

/// How often a list that moved while it was read is read again.
const RELISTINGS: usize = 2;
/// How often a message comes back because Belvo lists fewer new objects than it announced.
const RETRIES_WHEN_FEWER: u32 = 2;
/// Up to so many ids, asking for each is as cheap as asking whether `id__in` is allowed.
const FEW_IDS: usize = 2;
/// The most tombstones of one listing that are asked for again. The next listing meets the others.
const MAX_RECHECKED: usize = 200;

/// One message being worked on.
pub(crate) struct Job<'a> {
    pub(crate) message: &'a Message,
    pub(crate) access: &'a Access,
    pub(crate) table: &'a Table,
    /// How often the message was received.
    pub(crate) attempt: u32,
}

/// How a job ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Done.
    Applied { counts: Counts, check: Option<Check> },
    /// A whole listing that began later has done it.
    Covered,
    /// Nothing that this release knows.
    Unknown,
    /// It cannot be done, and no retry changes that.
    Refused(&'static str),
}

impl Ended {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Applied { .. } => Outcome::Applied,
            Self::Covered => Outcome::Covered,
            Self::Unknown => Outcome::Unknown,
            Self::Refused(_) => Outcome::Refused,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        match self {
            Self::Applied { counts, .. } => *counts,
            _ => Counts::default(),
        }
    }

    pub(crate) fn check(&self) -> Option<Check> {
        match self {
            Self::Applied { check, .. } => *check,
            _ => None,
        }
    }

    fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Refused(reason) => Some(reason),
            _ => None,
        }
    }
}

impl Job<'_> {
    /// Does what the message asks for.
    pub(crate) async fn run(&self) -> Result<Ended, Failure> {
        let event = self.table.begin_event(self.message, now()).await?;
        let result = match self.carry_out(&event).await {
            Err(Failure::Belvo(belvo::Error::Unauthorized)) => {
                self.access.renew().await?;
                self.carry_out(&event).await
            }
            result => result,
        };
        match result {
            // A pass that was finished has ended its event itself, together with its checkpoint.
            Ok(ended @ Ended::Applied { .. }) => Ok(ended),
            Ok(ended) => {
                self.table.end_event(&event, ended.outcome(), ended.reason()).await?;
                Ok(ended)
            }
            Err(Failure::Belvo(belvo::Error::LinkRefused { code })) => self.end_refused(&event, &code).await,
            Err(failure) => {
                self.note(&failure).await;
                Err(failure)
            }
        }
    }

    async fn carry_out(&self, event: &EventKey) -> Result<Ended, Failure> {
        let Some(link) = self.message.webhook.link_id() else {
            return Ok(Ended::Unknown);
        };
        let applied = match Plan::of(&self.message.webhook) {
            Plan::Unknown => return Ok(Ended::Unknown),
            Plan::Refused(reason) => return Ok(Ended::Refused(reason)),
            Plan::List {
                resource,
                filter,
                announced,
            } => self.list(event, link, resource, filter, &announced).await,
            Plan::Get { resource, ids } => self.get(event, link, resource, &ids).await,
            Plan::Delete { resource, ids } => self.delete(event, link, resource, &ids).await,
        };
        match applied {
            Err(Stopped::Erased) => Ok(Ended::Refused("the link was erased")),
            Err(Stopped::Failed(Failure::Belvo(belvo::Error::NotFound { .. }))) => self.not_found(link).await,
            Err(Stopped::Failed(failure)) => Err(failure),
            Ok(ended) => Ok(ended),
        }
    }

    async fn list(
        &self,
        event: &EventKey,
        link: &LinkId,
        resource: &'static Resource,
        filter: Filter,
        announced: &Announced,
    ) -> Result<Ended, Stopped> {
        if self.is_covered(&self.table.sync_state(link, resource).await?) {
            return Ok(Ended::Covered);
        }
        let belvo = self.access.client().await?;
        let (pass, tally, whole) = self.read_list(belvo, link, resource, filter, announced).await?;
        if !whole && tally.check() == Check::Drift && self.attempt <= RETRIES_WHEN_FEWER {
            return Err(Failure::FewerThanAnnounced.into());
        }
        let listed = Listed {
            stamp: pass.stamp,
            began_at: pass.began_at,
            count: tally.distinct(),
        };
        let checkpoint = Checkpoint {
            watermark: (!tally.moved()).then(|| Day::of(pass.began_at)),
            listed: (whole && !tally.moved()).then_some(listed),
            check: Some(tally.check()),
        };
        let mut counts = tally.counts;
        let pass = self.recheck(belvo, pass, &tally.buried, &mut counts).await?;
        self.finish(event, &pass, &checkpoint, counts).await
    }

    /// Reads the list, again when it moved meanwhile. Each reading is a pass of its own.
    async fn read_list(
        &self,
        belvo: &Client,
        link: &LinkId,
        resource: &'static Resource,
        filter: Filter,
        announced: &Announced,
    ) -> Result<(Pass, Tally, bool), Stopped> {
        let mut relistings = 0;
        loop {
            let pass = self.begin_pass(link, resource).await?;
            let since = match filter {
                Filter::Whole => None,
                // The filter knows days only, and the day before may still have got something after we looked.
                Filter::SinceWatermark => pass.before.watermark.map(Day::previous),
            };
            let filters = since
                .map(|day| ("created_at__gte", day.to_string()))
                .into_iter()
                .collect();
            let listing = Listing {
                path: resource.path,
                link: link.clone(),
                filters,
                page_size: PAGE_SIZE,
            };
            let tally = listing::read(belvo, self.table, &pass, &listing, announced).await?;
            if !tally.moved() || relistings == RELISTINGS {
                return Ok((pass, tally, since.is_none()));
            }
            relistings += 1;
        }
    }

    /// Asks for the tombstones that a listing met by their ids, in a pass of its own: only that brings them back.
    async fn recheck(
        &self,
        belvo: &Client,
        listing: Pass,
        buried: &[ObjectId],
        counts: &mut Counts,
    ) -> Result<Pass, Stopped> {
        if buried.is_empty() {
            return Ok(listing);
        }
        let pass = self.begin_pass(&listing.link, listing.resource).await?;
        let some = &buried[..buried.len().min(MAX_RECHECKED)];
        add(counts, Objects::new(belvo, self.table, &pass).fetch_each(some).await?);
        Ok(pass)
    }

    async fn get(
        &self,
        event: &EventKey,
        link: &LinkId,
        resource: &'static Resource,
        ids: &[ObjectId],
    ) -> Result<Ended, Stopped> {
        let belvo = self.access.client().await?;
        let pass = self.begin_pass(link, resource).await?;
        let objects = Objects::new(belvo, self.table, &pass);
        let worth_listing = ids.len() > FEW_IDS && self.access.allows_id_in(now());
        let listed = if worth_listing {
            objects.fetch_listed(ids).await?
        } else {
            None
        };
        if worth_listing && listed.is_none() {
            self.access.note_id_in_failed(now());
        }
        let (mut counts, left) = listed.unwrap_or_else(|| (Counts::default(), ids.to_vec()));
        add(&mut counts, objects.fetch_each(&left).await?);
        self.finish(event, &pass, &Checkpoint::default(), counts).await
    }

    async fn delete(
        &self,
        event: &EventKey,
        link: &LinkId,
        resource: &'static Resource,
        ids: &[ObjectId],
    ) -> Result<Ended, Stopped> {
        let pass = self.begin_pass(link, resource).await?;
        let seen_since = pass
            .before
            .last_pass_at
            .is_some_and(|last| last >= self.message.received_at);
        // What was looked at after the announcement may have come back since: then each id is asked for.
        let counts = if seen_since {
            Objects::new(self.access.client().await?, self.table, &pass)
                .fetch_each(ids)
                .await?
        } else {
            bury_all(self.table, &pass, ids).await?
        };
        self.finish(event, &pass, &Checkpoint::default(), counts).await
    }

    async fn begin_pass(&self, link: &LinkId, resource: &'static Resource) -> Result<Pass, Stopped> {
        Ok(self
            .table
            .begin_pass(link, resource, self.message.webhook.external_id(), now())
            .await?)
    }

    async fn finish(
        &self,
        event: &EventKey,
        pass: &Pass,
        checkpoint: &Checkpoint,
        counts: Counts,
    ) -> Result<Ended, Stopped> {
        if self.table.finish(pass, checkpoint, event, counts, now()).await? {
            Ok(Ended::Applied {
                counts,
                check: checkpoint.check,
            })
        } else {
            Err(Failure::Overtaken.into())
        }
    }

    /// Was the event received before the last finished whole listing began?
    fn is_covered(&self, state: &SyncState) -> bool {
        state
            .listing_began_at
            .is_some_and(|began_at| self.message.received_at < began_at)
    }

    /// A list or an object is "not found": is it the link itself? Even then nothing is deleted.
    async fn not_found(&self, link: &LinkId) -> Result<Ended, Failure> {
        if self.access.client().await?.link_exists(link).await? {
            return Err(belvo::Error::NotFound { confirmed: true }.into());
        }
        self.table.set_link_status(link, LinkStatus::Gone).await?;
        Ok(Ended::Refused("Belvo does not have the link"))
    }

    async fn end_refused(&self, event: &EventKey, code: &str) -> Result<Ended, Failure> {
        let needs_token = matches!(code, "token_required" | "session_expired" | "activation_required");
        let status = if needs_token {
            LinkStatus::TokenRequired
        } else {
            LinkStatus::InvalidCredentials
        };
        if let Some(link) = self.message.webhook.link_id() {
            self.table.set_link_status(link, status).await?;
        }
        let ended = Ended::Refused("Belvo cannot use the link before the user acts");
        self.table.end_event(event, ended.outcome(), ended.reason()).await?;
        Ok(ended)
    }

    /// Leaves the reason of a failure where people look for it. That this fails too changes nothing.
    async fn note(&self, failure: &Failure) {
        let webhook = &self.message.webhook;
        if let (Some(link), Some(resource)) = (webhook.link_id(), Resource::of_webhook_type(webhook.webhook_type())) {
            let _ = self.table.note_failure(link, resource, failure.kind()).await;
        }
    }
}

/// Why a plan was not carried out.
enum Stopped {
    /// The link's data was erased.
    Erased,
    /// Anything after which the message comes back.
    Failed(Failure),
}

impl<F: Into<Failure>> From<F> for Stopped {
    fn from(failure: F) -> Self {
        Self::Failed(failure.into())
    }
}

impl From<PassRefused> for Stopped {
    fn from(refused: PassRefused) -> Self {
        match refused {
            PassRefused::Erased => Self::Erased,
            PassRefused::Trouble(trouble) => Self::Failed(trouble.into()),
        }
    }
}
