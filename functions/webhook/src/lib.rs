//! The webhook function: receives Belvo's webhooks over HTTP and enqueues them on SQS.
//!
//! **Guarantee.** A 2xx response to a POST means that SQS has stored the webhook. After any other response Belvo sends the webhook
//! again.
//!
//! **Mechanism.** Each step can end the request: source address, credentials, size, content, queue. Each step has a timeout, so
//! that the function responds within the 5 s that Belvo waits: warm-up 0.5 s, secret 1.5 s, SQS 2 s.
//!
//! # Responses
//!
//! The first row that applies decides. Every response has `Cache-Control: no-store`.
//!
//! | status | when | body |
//! |---|---|---|
//! | 404 | the path does not end with `/webhooks` | empty |
//! | 200 | GET or HEAD: Belvo validates the URL | empty |
//! | 405 | any other method but POST | empty; `Allow: GET, HEAD, POST` |
//! | 403 | the source address is not in `ALLOWED_SOURCE_IPS` | empty |
//! | 401 | there is no `Authorization` header | empty |
//! | 503 | the secret cannot be read | `request_id` (Lambda's), `errors` with the code `service_unavailable` |
//! | 401 | the credentials are wrong | empty |
//! | 413 | the body has more than 1 MiB | empty |
//! | 400 | the body is not a valid webhook | `request_id`, `errors` with `code`, `message`, `field` |
//! | 202 | SQS has stored the webhook | `request_id` |
//! | 503 | SQS has not stored the webhook, or perhaps not | `request_id`, `errors` with the code `service_unavailable` |
//!
//! `request_id` is Belvo's, or Lambda's if the body has none. Bodies are JSON and repeat nothing else of the request.

mod authenticator;
mod mismatch;
mod request;
mod response;
mod sources;

use std::time::{Duration, Instant};

use authenticator::{Authenticator, Verdict};
use domain::{FieldError, LinkId, Message, Webhook, now};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::{Error, LambdaEvent};
use queue::Queue;
pub use request::Request;
use response::Response;
use runtime::aws::CallLimit;
use runtime::metrics::{ACCEPTED, ENQUEUE_MS, REFUSED};
use runtime::{EventLog, Level, LogEvent, Secret};
use sources::AllowedSources;

/// The path that the API routes to this function. A custom domain may put its base path before it.
const PATH: &str = "/webhooks";
/// Maximum size of a body in bytes. Belvo's largest body, a list of ids, is far smaller.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Timeout of authentication, including the calls to Secrets Manager.
const SECRET_LIMIT: Duration = Duration::from_millis(1_500);
/// Timeouts of one call to Secrets Manager. It ends before [`SECRET_LIMIT`], so that the log names the error.
const SECRET_CALL: CallLimit = CallLimit { total: Duration::from_millis(1_300), attempt: Duration::from_millis(800) };
/// Timeout of the warm-up. Belvo waits for it.
const WARM_UP_LIMIT: Duration = Duration::from_millis(500);
/// Timeout of opening the connection to SQS, within the warm-up.
const CONNECTION_LIMIT: Duration = Duration::from_millis(300);
/// Timeout of sending all messages of a webhook.
const QUEUE_LIMIT: Duration = Duration::from_secs(2);
/// Timeouts of one call to SQS. A large webhook needs several calls.
const QUEUE_CALL: CallLimit = CallLimit { total: Duration::from_millis(1_800), attempt: Duration::from_secs(1) };

/// Receives webhooks. Lives as long as the execution environment.
pub struct Receiver {
    authenticator: Authenticator,
    queue: Queue,
    sources: AllowedSources,
    event_log: EventLog,
}

impl Receiver {
    /// Builds the function from `QUEUE_URL`, `WEBHOOK_SECRET_ARN`, `SECRET_GRACE_HOURS`, `ALLOWED_SOURCE_IPS` and `STACK_NAME`.
    ///
    /// # Errors
    /// A setting is missing or invalid.
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

    /// Reads the secret and opens the connection to SQS before the first request. During its start a function has a whole CPU
    /// core, later a part of one. A failure is left to the first request.
    pub async fn warm_up(&self) {
        let secret = tokio::time::timeout(WARM_UP_LIMIT, self.authenticator.warm_up(now()));
        let connection = tokio::time::timeout(CONNECTION_LIMIT, self.queue.warm_up());
        let _ = tokio::join!(secret, connection);
    }

    /// Responds to one HTTP request.
    ///
    /// # Errors
    /// None: every result has a status.
    pub async fn handle(&self, event: LambdaEvent<Request>) -> Result<ApiGatewayV2httpResponse, Error> {
        let response = self.respond(event.payload).await;
        Ok(response.into_response(&event.context.request_id))
    }

    async fn respond(&self, request: Request) -> Response {
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
            self.rejected("source_ip").write();
            return Response::Forbidden;
        }
        let verdict = self.authenticator.verdict(request.authorization.as_deref(), now());
        match tokio::time::timeout(SECRET_LIMIT, verdict).await {
            Ok(Ok(Verdict::Authentic)) => self.accept(&request.body).await,
            Ok(Ok(Verdict::Rejected(mismatch))) => {
                let mut event = self.rejected("credentials");
                event.field("mismatch", mismatch.as_str());
                event.write();
                Response::Unauthorized
            }
            Ok(Err(error)) => {
                let mut event = self.failed("secret", "cannot read the webhook secret");
                event.field("error", error.to_string());
                event.write();
                Response::unavailable(None)
            }
            Err(_) => {
                self.failed("secret", "reading the webhook secret took too long").write();
                Response::unavailable(None)
            }
        }
    }

    async fn accept(&self, body: &[u8]) -> Response {
        if body.len() > MAX_BODY_BYTES {
            let mut event = self.rejected("size");
            event.field("body_bytes", body.len() as u64);
            event.write();
            return Response::TooLarge;
        }
        match Webhook::parse(body) {
            Ok(webhook) => self.enqueue(&webhook, body).await,
            Err(invalid) => {
                let mut event = self.rejected("invalid");
                event.field("errors", format!("{:?}", fields(&invalid.errors)));
                event.write();
                Response::Invalid(invalid)
            }
        }
    }

    async fn enqueue(&self, webhook: &Webhook, body: &[u8]) -> Response {
        let messages = Message::from_webhook(webhook, body, now());
        let request_id = webhook.request_id().map(str::to_owned);

        let started = Instant::now();
        let sent = tokio::time::timeout(QUEUE_LIMIT, self.queue.send(&messages)).await;
        let enqueue_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);

        let (mut event, response) = match sent {
            Ok(Ok(())) => {
                let mut event = self.event_log.event("webhook", Level::Info, "accepted a webhook", now());
                event.count(&ACCEPTED, 1).field("messages", messages.len() as u64);
                (event, Response::Accepted { request_id })
            }
            Ok(Err(error)) => {
                let mut event = self.failed("queue", "cannot enqueue");
                event.field("error", error.to_string());
                (event, Response::unavailable(request_id))
            }
            Err(_) => (self.failed("queue", "enqueueing took too long"), Response::unavailable(request_id)),
        };

        let (webhook_type, webhook_code) = webhook.loggable_kind();
        event.field("request_id", webhook.request_id()).field("link_id", webhook.link_id().map(LinkId::as_str));
        event.dimension("webhook_type", webhook_type).dimension("webhook_code", webhook_code);
        event.measure(&ENQUEUE_MS, enqueue_ms);
        event.write();
        response
    }

    /// Begins the event of a request that the sender got wrong.
    fn rejected(&self, reason: &'static str) -> LogEvent<'_> {
        self.not_accepted(Level::Warn, reason, "refused a webhook")
    }

    /// Begins the event of a request that AWS failed.
    fn failed(&self, reason: &'static str, message: &'static str) -> LogEvent<'_> {
        self.not_accepted(Level::Error, reason, message)
    }

    fn not_accepted(&self, level: Level, reason: &'static str, message: &'static str) -> LogEvent<'_> {
        let mut event = self.event_log.event("webhook", level, message, now());
        event.dimension("reason", reason).count(&REFUSED, 1);
        event
    }
}

/// Returns the names and codes of invalid fields for the log. Both are string literals of this project.
fn fields(errors: &[FieldError]) -> Vec<(&'static str, &'static str)> {
    errors.iter().map(|error| (error.field.unwrap_or("body"), error.code)).collect()
}

#[cfg(test)]
mod tests;
