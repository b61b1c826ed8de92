//! The request function: starts work at Belvo, or a resync of stored data. Callers invoke it directly.
//!
//! **Guarantee.** An order that changes something at Belvo is sent at most once for each invocation, and at most once in all for
//! each `idempotency_key`, until Belvo has certainly rejected it. The caller learns whether Belvo accepted the order, rejected
//! it, or perhaps accepted it.
//!
//! **Mechanism.** The input becomes an action. An order first reserves its idempotency key in the table by a conditional
//! write. Then the function sends it in a single attempt (`submit`), and stores the request id for the webhook that completes it.
//! A widget token changes nothing at Belvo. A resync only enqueues messages.

mod action;
mod input;
mod response;
mod retrievals;
mod submit;
mod widget;

use std::time::{Duration, Instant};

use action::Action;
use belvo::BelvoProvider;
use belvo::Limits;
use domain::{LinkId, Message, Resource, Source, now};
pub use input::InvalidInput;
use lambda_runtime::{Error, LambdaEvent};
use queue::Queue;
pub use response::{ActionError, Response};
use runtime::aws::{CallLimit, timeouts};
use runtime::metrics::ACTIONS;
use runtime::{EventLog, Level, Secret};
use serde_json::Value;
use store::Table;

/// Timeout of a request to Belvo. All timeouts together stay below the function's timeout, which is below the minute after which
/// AWS's SDKs and CLI invoke the function again.
const BELVO_LIMIT: Duration = Duration::from_secs(15);
/// Timeouts of one call to DynamoDB, SQS or Secrets Manager.
const CALL_LIMIT: CallLimit = CallLimit { total: Duration::from_secs(3), attempt: Duration::from_secs(1) };

/// Carries out actions. Lives as long as the execution environment.
pub struct Requester {
    belvo: BelvoProvider,
    table: Table,
    queue: Queue,
    event_log: EventLog,
}

impl Requester {
    /// Builds the function from `BELVO_BASE_URL`, `BELVO_SECRET_ARN`, `TABLE_NAME`, `QUEUE_URL` and `STACK_NAME`.
    ///
    /// # Errors
    /// A setting is missing or invalid.
    pub async fn from_environment() -> Result<Self, Error> {
        let aws = runtime::aws::config().await;
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&aws).timeout_config(timeouts(CALL_LIMIT));
        let secrets = runtime::secrets_client(&aws, CALL_LIMIT);
        let secret = Secret::new(secrets, runtime::required("BELVO_SECRET_ARN")?);
        Ok(Self {
            belvo: BelvoProvider::new(runtime::required("BELVO_BASE_URL")?, secret, limits(BELVO_LIMIT)),
            table: Table::new(store::client(dynamodb), runtime::required("TABLE_NAME")?),
            queue: Queue::new(queue::client(&aws, CALL_LIMIT), runtime::required("QUEUE_URL")?),
            event_log: EventLog::from_environment(),
        })
    }

    /// Carries out one action.
    ///
    /// # Errors
    /// [`ActionError`]. Lambda returns it to the caller as `errorType` and `errorMessage`.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Response, ActionError> {
        let started = Instant::now();
        let (input, context) = event.into_parts();
        let action = Action::parse(input).inspect_err(|invalid| self.log_invalid(invalid))?;
        // Boxed, because the nested type of the future would exceed the compiler's recursion limit.
        let result = Box::pin(self.carry_out(&action, &context.request_id)).await;
        self.log(&action, &result, started.elapsed());
        result
    }

    /// `invocation` is Lambda's id of the invocation. Lambda may deliver an asynchronous invocation twice, with the same id.
    async fn carry_out(&self, action: &Action, invocation: &str) -> Result<Response, ActionError> {
        match action {
            Action::Order(order) => self.submit(order, invocation).await,
            Action::WidgetToken(options) => {
                let access =
                    self.belvo.fresh_client().await?.widget_token(options).await.map_err(ActionError::of_token)?;
                Ok(Response::token(access))
            }
            Action::Resync { link, resources } => self.resync(link, resources, invocation).await,
        }
    }

    /// Enqueues whole listings of the given resources, or of all resources of the link that are synced.
    async fn resync(&self, link: &LinkId, given: &[&Resource], invocation: &str) -> Result<Response, ActionError> {
        let synced = if given.is_empty() { self.table.synced_resources(link).await? } else { Vec::new() };
        let resources: Vec<&str> = given.iter().copied().chain(synced).map(|resource| resource.webhook_type).collect();
        if resources.is_empty() {
            return Err(ActionError::NothingSynced);
        }
        self.enqueue_listings(link, &resources, invocation).await?;
        Ok(Response::resync(link, &resources))
    }

    async fn enqueue_listings(&self, link: &LinkId, resources: &[&str], invocation: &str) -> Result<(), ActionError> {
        let message = |resource: &&str| {
            let key = format!("resync-{invocation}-{resource}");
            Message::listing_of(Source::Resync, link, resource, now(), key)
        };
        let messages: Vec<Message> = resources.iter().filter_map(message).collect();
        Ok(self.queue.send(&messages).await?)
    }

    /// Logs one event for the action. It holds neither the input nor the response, which may be a credential.
    fn log(&self, action: &Action, result: &Result<Response, ActionError>, elapsed: Duration) {
        let (level, message, outcome) = match result {
            Ok(response) => (Level::Info, "carried out an action", response.status()),
            Err(error) => (Level::Warn, "refused an action", error.error_type()),
        };
        let mut event = self.event_log.event("request", level, message, now());
        event.dimension("action", action.name()).dimension("outcome", outcome).count(&ACTIONS, 1);
        event.field("link_id", action.link().map(LinkId::as_str));
        event.field("request_id", result.as_ref().ok().and_then(Response::request_id));
        event.field("cause", result.as_ref().err().map(ToString::to_string).as_deref());
        event.field("elapsed_ms", u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        self.belvo.count_requests(&mut event);
        event.write();
    }

    /// Logs one event for an input that is not a valid action.
    fn log_invalid(&self, invalid: &InvalidInput) {
        let mut event = self.event_log.event("request", Level::Warn, "refused an input", now());
        event.dimension("action", "unread").dimension("outcome", "InvalidInput").count(&ACTIONS, 1);
        event.field("cause", invalid.to_string());
        event.write();
    }
}

/// Returns the limits of requests to Belvo. No connection is kept: Lambda freezes the environment between two invocations, and
/// connections break meanwhile. An order on a broken connection would have an unknown outcome.
fn limits(response_timeout: Duration) -> Limits {
    Limits { response_timeout, max_idle_connections: 0, ..Limits::default() }
}

#[cfg(test)]
mod tests;
