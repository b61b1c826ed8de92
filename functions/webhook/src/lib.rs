//! The webhook function: HTTP in, queue out.
//!
//! **Guarantee.** A 2xx answer to a POST means that SQS holds the webhook. Every other answer means that it does not,
//! or that it may not, and Belvo sends it again.
//!
//! **Mechanism.** One line of steps, each of which can end the request: where it comes from, who sends it, how large
//! it is, what it is, and at last the queue. Time is bounded at each step (what is done ahead 0.5 s, for a request 1.5 s, SQS 2 s), so that
//! the worst answer comes inside the five seconds that Belvo waits.

mod authenticator;
mod mismatch;
mod request;
mod response;
mod sources;

use std::time::Duration;

use authenticator::{Authenticator, Verdict};
use domain::{FieldError, Message, Webhook, now};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::{Error, LambdaEvent};
use queue::Queue;
pub use request::Request;
use response::Response;
use runtime::aws::CallLimit;
use runtime::metrics::{ACCEPTED, ENQUEUE_MS, REFUSED};
use runtime::{EventLog, Level, LogEvent, Secret};
use sources::AllowedSources;

/// The one path that the API routes to this function. A custom domain may put its base path before it.
const PATH: &str = "/webhooks";
/// The largest body that is read. Belvo's largest, a list of ids, is far smaller.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How long Secrets Manager may take.
const SECRET_LIMIT: Duration = Duration::from_millis(1_500);
/// Each of its calls ends before that, so that the answer tells why.
const SECRET_CALL: CallLimit = CallLimit { total: Duration::from_millis(1_300), attempt: Duration::from_millis(800) };
/// How long what is done ahead of the first request may take. Belvo waits for it.
const WARM_UP_LIMIT: Duration = Duration::from_millis(500);
/// How long opening the connection to SQS may take of that: it is a convenience.
const CONNECTION_LIMIT: Duration = Duration::from_millis(300);
/// How long SQS may take for all messages of a webhook.
const QUEUE_LIMIT: Duration = Duration::from_secs(2);
/// One call of several that a large webhook needs.
const QUEUE_CALL: CallLimit = CallLimit { total: Duration::from_millis(1_800), attempt: Duration::from_secs(1) };

/// Receives webhooks. One for the life of an execution environment.
pub struct Receiver {
    authenticator: Authenticator,
    queue: Queue,
    sources: AllowedSources,
    event_log: EventLog,
}

impl Receiver {
    /// Built from `QUEUE_URL`, `WEBHOOK_SECRET_ARN`, `SECRET_GRACE_HOURS`, `ALLOWED_SOURCE_IPS` and `STACK_NAME`.
    ///
    /// # Errors
    /// When a setting is missing or cannot be read.
    pub async fn from_environment() -> Result<Self, Error> {
        let aws = runtime::aws::config().await;
        let secrets = runtime::secrets_client(&aws, SECRET_CALL);
        let secret = Secret::new(secrets, runtime::required("WEBHOOK_SECRET_ARN")?);
        let grace_hours =
            runtime::bounded("SECRET_GRACE_HOURS", authenticator::DEFAULT_GRACE_HOURS, authenticator::GRACE_HOURS)?;
        Ok(Self {
            authenticator: Authenticator::new(secret, grace_hours),
            queue: Queue::new(queue::client(&aws, QUEUE_CALL), runtime::required("QUEUE_URL")?),
            sources: runtime::parsed("ALLOWED_SOURCE_IPS", AllowedSources::default())?,
            event_log: EventLog::from_environment(),
        })
    }

    /// Reads the secret and opens the connection to SQS ahead of the first request, side by side: while a function starts it
    /// has a whole core, afterwards a part of one. A failure, or a long wait, is left to that request.
    pub async fn warm_up(&self) {
        let secret = tokio::time::timeout(WARM_UP_LIMIT, self.authenticator.warm_up(now()));
        let connection = tokio::time::timeout(CONNECTION_LIMIT, self.queue.warm_up());
        let _ = tokio::join!(secret, connection);
    }

    /// Answers one request.
    ///
    /// # Errors
    /// Never: whatever happens has a status.
    pub async fn handle(&self, event: LambdaEvent<Request>) -> Result<ApiGatewayV2httpResponse, Error> {
        let answer = self.answer(event.payload).await;
        Ok(answer.into_response(&event.context.request_id))
    }

    async fn answer(&self, request: Request) -> Response {
        if !request.path.trim_end_matches('/').ends_with(PATH) {
            return Response::NotFound;
        }
        match request.method.as_str() {
            // Belvo "performs validation on the URL" when it is registered, in a way that it does not document.
            "GET" | "HEAD" => Response::Alive,
            "POST" => self.receive(request).await,
            _ => Response::MethodNotAllowed,
        }
    }

    async fn receive(&self, request: Request) -> Response {
        if !self.sources.allow(request.source_ip) {
            self.refusal("source_ip").write();
            return Response::Forbidden;
        }
        let verdict = self.authenticator.verdict(request.authorization.as_deref(), now());
        let verdict = tokio::time::timeout(SECRET_LIMIT, verdict);
        match verdict.await {
            Ok(Ok(Verdict::Authentic)) => self.accept(&request.body).await,
            Ok(Ok(Verdict::Refused(mismatch))) => {
                let mut line = self.refusal("credentials");
                line.field("mismatch", mismatch.as_str());
                line.write();
                Response::Unauthorized
            }
            Ok(Err(trouble)) => {
                let mut line = self.trouble("secret", "cannot read the webhook secret");
                line.field("error", trouble.to_string().as_str());
                line.write();
                Response::unavailable(None)
            }
            Err(_) => {
                self.trouble("secret", "reading the webhook secret took too long").write();
                Response::unavailable(None)
            }
        }
    }

    async fn accept(&self, body: &[u8]) -> Response {
        if body.len() > MAX_BODY_BYTES {
            let mut line = self.refusal("size");
            line.field("body_bytes", body.len() as u64);
            line.write();
            return Response::TooLarge;
        }
        match Webhook::parse(body) {
            Ok(webhook) => self.enqueue(&webhook, body).await,
            Err(invalid) => {
                let mut line = self.refusal("invalid");
                line.field("errors", format!("{:?}", fields(&invalid.errors)).as_str());
                line.write();
                Response::Invalid(invalid)
            }
        }
    }

    async fn enqueue(&self, webhook: &Webhook, body: &[u8]) -> Response {
        let messages = Message::from_webhook(webhook, body, now());
        let request_id = webhook.request_id().map(str::to_owned);
        let started = std::time::Instant::now();
        let sent = tokio::time::timeout(QUEUE_LIMIT, self.queue.send(&messages)).await;
        let enqueue_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (mut line, answer) = match sent {
            Ok(Ok(())) => {
                let mut line = self.event_log.event("webhook", Level::Info, "accepted a webhook", now());
                line.count(&ACCEPTED, 1).field("messages", messages.len() as u64);
                (line, Response::Accepted { request_id })
            }
            Ok(Err(trouble)) => {
                let mut line = self.trouble("queue", "cannot enqueue");
                line.field("error", trouble.to_string().as_str());
                (line, Response::unavailable(request_id))
            }
            Err(_) => (self.trouble("queue", "enqueueing took too long"), Response::unavailable(request_id)),
        };
        let (webhook_type, webhook_code) = webhook.loggable_kind();
        line.field("request_id", webhook.request_id()).field("link_id", webhook.link_id().map(domain::LinkId::as_str));
        line.dimension("webhook_type", webhook_type)
            .dimension("webhook_code", webhook_code)
            .measure(&ENQUEUE_MS, enqueue_ms);
        line.write();
        answer
    }

    /// The line of a request that is not taken, and not for our fault.
    fn refusal(&self, reason: &'static str) -> LogEvent<'_> {
        self.not_taken(Level::Warn, reason, "refused a webhook")
    }

    /// The line of a webhook that is not taken for our own trouble.
    fn trouble(&self, reason: &'static str, message: &'static str) -> LogEvent<'_> {
        self.not_taken(Level::Error, reason, message)
    }

    fn not_taken(&self, level: Level, reason: &'static str, message: &'static str) -> LogEvent<'_> {
        let mut line = self.event_log.event("webhook", level, message, now());
        line.dimension("reason", reason).count(&REFUSED, 1);
        line
    }
}

/// What is wrong, for the log: field names and codes, which are ours.
fn fields(errors: &[FieldError]) -> Vec<(&'static str, &'static str)> {
    errors.iter().map(|error| (error.field.unwrap_or("body"), error.code)).collect()
}

#[cfg(test)]
mod line_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
