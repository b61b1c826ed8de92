//! One message, from its plan to its outcome.

mod chain;
mod delete;
mod get_by_id;
mod link_status;
mod list;
mod pass;
mod purge;
mod read_link;
mod refused_link;

use belvo::Error;
use domain::{LinkId, Message, Plan, Resource, now};
use queue::Queue;
use store::{Content, EventKey, Table};

use crate::belvo_session::BelvoSession;
use crate::deadlines::Deadlines;
use crate::error::{JobError, PlanError};
use crate::outcome::{JobOutcome, LinkEnd};
use crate::telemetry::Telemetry;

#[cfg(test)]
pub(crate) use chain::MAX_CONTINUATIONS;

/// The work on one message.
pub(crate) struct Job<'a> {
    pub(crate) message: &'a Message,
    /// How often SQS has delivered the message.
    pub(crate) attempt: u32,
    pub(crate) deadlines: Deadlines,
    pub(crate) session: &'a BelvoSession,
    pub(crate) table: &'a Table,
    pub(crate) queue: &'a Queue,
    pub(crate) dead_letters: &'a Queue,
    pub(crate) telemetry: &'a Telemetry,
}

/// What a plan over a resource works on.
struct Target<'a> {
    event: &'a EventKey,
    link: &'a LinkId,
    resource: &'static Resource,
}

impl Job<'_> {
    /// Does what the message asks for.
    pub(crate) async fn run(&self) -> Result<JobOutcome, JobError> {
        let link_end = self.link_end().await?;
        let event = self.begin_event(link_end).await?;

        let plan = self.message.plan();
        let outcome = match link_end {
            // Only a plan that ends the link again, or goes on with that, is carried out.
            Some(end) if !matches!(plan, Plan::EraseLink | Plan::LinkDeleted) => JobOutcome::LinkEnded(end),
            _ => self.settle_refused_link(&plan, self.carry_out_with_renewed_key(&event, &plan).await).await?,
        };

        self.end_event(&event, &outcome).await?;
        // Last: a request is complete when its data is stored. If this call fails, the message returns to the queue.
        if outcome.is_done() {
            self.table.complete_request(self.message, outcome.counts(), now()).await?;
        }
        Ok(outcome)
    }

    /// Returns how the message's link ended, or `None` if it has not ended.
    async fn link_end(&self) -> Result<Option<LinkEnd>, JobError> {
        let Some(link) = self.message.webhook.link_id() else { return Ok(None) };
        Ok(LinkEnd::of(self.table.link(link).await?.status))
    }

    /// Begins the event item. After the end of its link it never has content: streams and backups would keep it.
    async fn begin_event(&self, link_end: Option<LinkEnd>) -> Result<EventKey, JobError> {
        let content = if link_end.is_some() { Content::Withheld } else { Content::Kept };
        Ok(self.table.begin_event(self.message, content, now()).await?)
    }

    /// Carries out the plan. If Belvo refuses the API key, reads the key again and retries once.
    async fn carry_out_with_renewed_key(&self, event: &EventKey, plan: &Plan) -> Result<JobOutcome, JobError> {
        match self.carry_out(event, plan).await {
            Err(JobError::Belvo(Error::Unauthorized)) => {
                self.session.renew().await?;
                self.carry_out(event, plan).await
            }
            result => result,
        }
    }

    async fn carry_out(&self, event: &EventKey, plan: &Plan) -> Result<JobOutcome, JobError> {
        let Some(link) = self.message.webhook.link_id() else { return Ok(JobOutcome::Unknown) };
        let target = |resource| Target { event, link, resource };
        let result = match plan {
            Plan::Unknown => Ok(JobOutcome::Unknown),
            Plan::Record(reason) => Ok(JobOutcome::Recorded(reason)),
            Plan::Refused(reason) => Ok(JobOutcome::Refused(reason)),
            Plan::LinkStatus => self.link_status(link).await,
            Plan::Consent(consent) => self.consent(link, *consent).await,
            Plan::LinkDeleted => self.link_deleted(link).await,
            Plan::EraseLink => self.erase_link(link).await,
            Plan::List { resource, filter, announced } => {
                self.list(&target(resource), &list::Request { filter: *filter, announced, expected: &[] }).await
            }
            Plan::Get { resource, ids } => self.get_by_id(&target(resource), ids).await,
            Plan::Delete { resource, ids } => self.delete(&target(resource), ids).await,
        };
        match result {
            Ok(outcome) => Ok(outcome),
            Err(PlanError::LinkEnded(end)) => Ok(JobOutcome::LinkEnded(end)),
            Err(PlanError::Failed(JobError::Belvo(Error::NotFound { confirmed }))) => {
                Err(self.not_found(link, confirmed).await?)
            }
            Err(PlanError::Failed(error)) => Err(error),
        }
    }

    async fn end_event(&self, event: &EventKey, outcome: &JobOutcome) -> Result<(), JobError> {
        // A pass has ended its event together with its checkpoint.
        if !matches!(outcome, JobOutcome::PassFinished { .. }) {
            self.table.end_event(event, outcome.outcome(), outcome.reason()).await?;
        }
        if matches!(outcome, JobOutcome::LinkEnded(_)) {
            self.table.remove_event_data(event).await?;
        }
        Ok(())
    }

    /// Records the error in the sync state, for operators. Ignores a failure of this write. A pass that was overtaken has no
    /// error worth recording.
    pub(crate) async fn record_error(&self, error: &JobError) {
        if matches!(error, JobError::Overtaken) {
            return;
        }
        let webhook = &self.message.webhook;
        if let (Some(link), Some(resource)) = (webhook.link_id(), Resource::of_webhook_type(webhook.webhook_type())) {
            let _ = self.table.record_failure(link, resource, error.kind()).await;
        }
    }
}
