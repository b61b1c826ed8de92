//! The request function: invoked directly, it starts work at Belvo, or a resync of what is stored.
//!
//! **Guarantee.** What changes something at Belvo leaves at most once for each invocation, and for each
//! `idempotency_key` at most once in all, until Belvo has certainly refused it. Whoever asks learns whether Belvo took
//! it, certainly did not, or may have.
//!
//! **Mechanism.** The input is parsed once, into an action. An order for Belvo first takes its key in the table by a
//! conditional write, then leaves with a single attempt (`orders`), and its request id is stored for the webhook that
//! answers it. A widget token changes nothing and is just asked for; a resync only fills our own queue.

mod action;
mod input;
mod orders;
mod response;
mod retrievals;
mod widget;

use std::time::{Duration, Instant};

use action::Action;
use belvo::BelvoProvider;
use belvo::Limits;
use domain::{LinkId, Message, Resource, Source, now};
pub use input::InvalidInput;
use lambda_runtime::{Error, LambdaEvent};
use queue::Queue;
pub use response::{Refusal, Response};
use runtime::aws::{CallLimit, timeouts};
use runtime::metrics::ACTIONS;
use runtime::{EventLog, Level, Secret};
use serde_json::Value;
use store::Table;

/// How long Belvo may take to accept an order. All limits together stay below the function's timeout, and that below the
/// minute after which AWS's SDKs and CLI invoke again by themselves.
const BELVO_LIMIT: Duration = Duration::from_secs(15);
/// What one call to DynamoDB, SQS or Secrets Manager may take.
const CALL_LIMIT: CallLimit = CallLimit { total: Duration::from_secs(3), attempt: Duration::from_secs(1) };

/// Carries out actions. One for the life of an execution environment.
pub struct Requester {
    access: BelvoProvider,
    table: Table,
    queue: Queue,
    event_log: EventLog,
}

impl Requester {
    /// Built from `BELVO_BASE_URL`, `BELVO_SECRET_ARN`, `TABLE_NAME`, `QUEUE_URL` and `STACK_NAME`.
    ///
    /// # Errors
    /// When a setting is missing or cannot be read.
    pub async fn from_environment() -> Result<Self, Error> {
        let aws = runtime::aws::config().await;
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&aws).timeout_config(timeouts(CALL_LIMIT));
        let secrets = runtime::secrets_client(&aws, CALL_LIMIT);
        let secret = Secret::new(secrets, runtime::required("BELVO_SECRET_ARN")?);
        Ok(Self {
            access: BelvoProvider::new(runtime::required("BELVO_BASE_URL")?, secret, limits(BELVO_LIMIT)),
            table: Table::new(store::client(dynamodb), runtime::required("TABLE_NAME")?),
            queue: Queue::new(queue::client(&aws, CALL_LIMIT), runtime::required("QUEUE_URL")?),
            event_log: EventLog::from_environment(),
        })
    }

    /// Carries out one action.
    ///
    /// # Errors
    /// [`Refusal`], which Lambda gives the caller as `errorType` and `errorMessage`.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Response, Refusal> {
        let started = Instant::now();
        let (input, context) = event.into_parts();
        let action = Action::parse(input).inspect_err(|invalid| self.log_invalid(invalid))?;
        // In a box: as a part of this future it would be nested deeper than the compiler follows.
        let result = Box::pin(self.carry_out(&action, &context.request_id)).await;
        self.log(&action, &result, started.elapsed());
        result
    }

    /// `invocation` is Lambda's id for it. Lambda may deliver an asynchronous invocation twice, with the same id.
    async fn carry_out(&self, action: &Action, invocation: &str) -> Result<Response, Refusal> {
        match action {
            Action::Order(order) => self.order(order, invocation).await,
            Action::WidgetToken(options) => {
                let access =
                    self.access.fresh_client().await?.widget_token(options).await.map_err(Refusal::of_token)?;
                Ok(Response::token(access))
            }
            Action::Resync { link, resources } => self.resync(link, resources, invocation).await,
        }
    }

    /// Has everything that is synced of a link listed again, or the given resources.
    async fn resync(&self, link: &LinkId, given: &[&Resource], invocation: &str) -> Result<Response, Refusal> {
        let synced = if given.is_empty() { self.table.synced_resources(link).await? } else { Vec::new() };
        let resources: Vec<&str> = given.iter().copied().chain(synced).map(|resource| resource.webhook_type).collect();
        if resources.is_empty() {
            return Err(Refusal::NothingSynced);
        }
        self.enqueue_listings(link, &resources, invocation).await?;
        Ok(Response::resync(link, &resources))
    }

    async fn enqueue_listings(&self, link: &LinkId, resources: &[&str], invocation: &str) -> Result<(), Refusal> {
        let message = |resource: &&str| {
            let key = format!("resync-{invocation}-{resource}");
            Message::listing_of(Source::Resync, link, resource, now(), key)
        };
        let messages: Vec<Message> = resources.iter().filter_map(message).collect();
        Ok(self.queue.send(&messages).await?)
    }

    /// One line an action. Neither the input nor the answer, which may be a credential.
    fn log(&self, action: &Action, result: &Result<Response, Refusal>, elapsed: Duration) {
        let (level, message, outcome) = match result {
            Ok(answer) => (Level::Info, "carried out an action", answer.status()),
            Err(refusal) => (Level::Warn, "refused an action", refusal.error_type()),
        };
        let mut line = self.event_log.event("request", level, message, now());
        line.dimension("action", action.name()).dimension("outcome", outcome).count(&ACTIONS, 1);
        line.field("link_id", action.link().map(LinkId::as_str));
        line.field("request_id", result.as_ref().ok().and_then(Response::request_id));
        line.field("cause", result.as_ref().err().map(ToString::to_string).as_deref());
        line.field("elapsed_ms", u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        self.access.count_requests(&mut line);
        line.write();
    }

    /// The line of an input that is no action.
    fn log_invalid(&self, invalid: &InvalidInput) {
        let mut line = self.event_log.event("request", Level::Warn, "refused an input", now());
        line.dimension("action", "unread").dimension("outcome", "InvalidInput").count(&ACTIONS, 1);
        line.field("cause", invalid.to_string().as_str());
        line.write();
    }
}

/// What one order may cost. An environment is frozen between two invocations, and connections die meanwhile: an order that
/// is written to a dead one is an order of which nobody knows whether it arrived. So none is kept.
fn limits(answer: Duration) -> Limits {
    Limits { answer, idle_connections: 0, ..Limits::default() }
}

#[cfg(test)]
mod line_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
