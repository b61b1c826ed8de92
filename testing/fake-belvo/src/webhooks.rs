//! The sender of webhooks, with Belvo's retries.
//!
//! A webhook is a POST with a JSON body and a fixed `Authorization` header. A response other than 2xx, or none within the timeout,
//! is retried at most five times; the n-th retry waits n intervals. Each attempt has the same body and `webhook_id`. Every
//! delivery is logged from its first attempt.

use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, RwLock},
    time::{Duration, Instant},
};

use reqwest::{
    Client,
    header::{AUTHORIZATION, CONTENT_TYPE},
    redirect,
};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use crate::{
    config::WebhookConfig,
    ids::{dashed, fresh_hex, fresh_uuid},
    json::{Object, Raw},
    locks::{lock, read, write},
    world::Link,
};

/// The maximum number of retries.
const MAX_RETRIES: u32 = 5;
/// The maximum number of deliveries in the log.
const REMEMBERED: usize = 1_000;
/// The maximum number of concurrent attempts.
const MAX_CONCURRENT: usize = 64;

/// The delivery of a webhook.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// A sequence number, from 1.
    pub id: u64,
    /// The URL of the receiver.
    pub url: Option<String>,
    /// Empty for a body that is not a webhook.
    pub webhook_type: String,
    /// Empty for a body that is not a webhook.
    pub webhook_code: String,
    /// The state of the delivery.
    pub state: DeliveryState,
    /// Every attempt, in order.
    pub attempts: Vec<Attempt>,
    /// The body, as a JSON string if it was not JSON.
    pub body: Box<RawValue>,
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is being sent.
    Pending,
    /// It was acknowledged.
    Delivered,
    /// All attempts failed.
    GivenUp,
    /// A fault holds it back.
    Held,
    /// A fault dropped it.
    Lost,
    /// Nothing was sent: no URL is set.
    NoUrl,
}

/// One attempt of a delivery.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// The status of the response, if there was one.
    pub status: Option<u16>,
    /// The error, if there was no response.
    pub error: Option<String>,
    /// The duration of the attempt.
    pub elapsed_ms: u64,
}

/// A webhook to send.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) link_id: Option<String>,
    pub(crate) webhook_type: String,
    pub(crate) webhook_code: String,
    pub(crate) body: String,
    /// Replaces the configured header; an empty one sends no header.
    pub(crate) authorization: Option<String>,
}

/// Webhooks held until the next one of their link, oldest first.
pub(crate) type Held = Vec<(Delivery, Outgoing)>;

/// The content of a webhook about a link.
pub(crate) struct Announcement<'a> {
    pub(crate) webhook_type: &'a str,
    pub(crate) webhook_code: &'a str,
    pub(crate) link_id: &'a str,
    pub(crate) external_id: Option<&'a str>,
    /// JSON text.
    pub(crate) data: &'a str,
    /// With dashes or without.
    pub(crate) request_id: Option<&'a str>,
}

impl<'a> Announcement<'a> {
    /// Creates a webhook about a link.
    pub(crate) fn about(link: &'a Link, webhook_type: &'a str, webhook_code: &'a str, data: &'a str) -> Self {
        Self {
            webhook_type,
            webhook_code,
            link_id: &link.id,
            external_id: link.external_id.as_deref(),
            data,
            request_id: None,
        }
    }

    /// Sets the id of the request that caused the webhook.
    pub(crate) fn of_request(self, request_id: &'a str) -> Self {
        Self { request_id: Some(request_id), ..self }
    }

    /// Wraps the announcement in Belvo's envelope, with fresh ids.
    pub(crate) fn outgoing(&self) -> Outgoing {
        let historical = self.webhook_code.starts_with("historical") || self.webhook_code.starts_with("initial");
        let mut body = String::new();
        Object::write(&mut body, None, |envelope| {
            envelope.put("webhook_id", fresh_hex());
            envelope.put("webhook_type", self.webhook_type);
            envelope.put("process_type", if historical { "historical_update" } else { "recurrent_update" });
            envelope.put("webhook_code", self.webhook_code);
            envelope.put("link_id", self.link_id);
            envelope.put("request_id", self.request_id.map_or_else(fresh_uuid, dashed));
            envelope.put("external_id", self.external_id);
            envelope.put("data", Raw(self.data));
        });
        Outgoing {
            link_id: Some(self.link_id.into()),
            webhook_type: self.webhook_type.into(),
            webhook_code: self.webhook_code.into(),
            body,
            authorization: None,
        }
    }
}

#[derive(Default)]
struct Log {
    last_id: u64,
    deliveries: VecDeque<Delivery>,
}

impl Log {
    fn find(&mut self, id: u64) -> Option<&mut Delivery> {
        self.deliveries.iter_mut().find(|delivery| delivery.id == id)
    }
}

/// A client that sends webhooks and logs the deliveries.
pub(crate) struct WebhookSender {
    client: Client,
    config: RwLock<WebhookConfig>,
    log: Mutex<Log>,
    running: Semaphore,
}

impl WebhookSender {
    pub(crate) fn new(config: WebhookConfig) -> io::Result<Self> {
        let client =
            Client::builder().no_proxy().redirect(redirect::Policy::none()).build().map_err(io::Error::other)?;
        Ok(Self { client, config: config.into(), log: Mutex::default(), running: Semaphore::new(MAX_CONCURRENT) })
    }

    pub(crate) fn config(&self) -> WebhookConfig {
        read(&self.config).clone()
    }

    pub(crate) fn configure(&self, config: WebhookConfig) {
        *write(&self.config) = config;
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        lock(&self.log).deliveries.iter().cloned().collect()
    }

    /// Returns `true` if the webhook of a request was delivered, given up or dropped.
    pub(crate) fn has_ended(&self, request_id: &str) -> bool {
        let about = |delivery: &&Delivery| delivery.body.get().contains(request_id);
        let log = lock(&self.log);
        let ended = |delivery: &Delivery| !matches!(delivery.state, DeliveryState::Pending | DeliveryState::Held);
        log.deliveries.iter().find(about).is_some_and(ended)
    }

    /// Clears the log but keeps the counter, so that ids stay unique.
    pub(crate) fn clear(&self) {
        lock(&self.log).deliveries.clear();
    }

    /// Sends a webhook. Returns when it was acknowledged or given up.
    pub(crate) async fn deliver(&self, outgoing: Outgoing) -> Delivery {
        let delivery = self.record(&outgoing, DeliveryState::Pending);
        self.send(delivery, outgoing).await
    }

    /// Sends a webhook that is already in the log.
    pub(crate) async fn send(&self, mut delivery: Delivery, outgoing: Outgoing) -> Delivery {
        let config = self.config();
        delivery.url.clone_from(&config.url);
        delivery.state = if config.url.is_some() { DeliveryState::Pending } else { DeliveryState::NoUrl };
        self.update_log(&delivery);
        let Some(url) = &config.url else { return delivery };
        let authorization = outgoing.authorization.as_deref().or(config.authorization.as_deref());
        for retry in 0..=MAX_RETRIES {
            tokio::time::sleep(config.retry_interval.saturating_mul(retry)).await;
            delivery.attempts.push(self.attempt(url, authorization, &outgoing.body, config.timeout).await);
            delivery.state = delivery.next_state();
            self.update_log(&delivery);
            if delivery.state != DeliveryState::Pending {
                break;
            }
        }
        delivery
    }

    fn update_log(&self, delivery: &Delivery) {
        if let Some(logged) = lock(&self.log).find(delivery.id) {
            logged.clone_from(delivery);
        }
    }

    /// Adds a webhook to the log before it is sent.
    pub(crate) fn record(&self, outgoing: &Outgoing, state: DeliveryState) -> Delivery {
        let mut log = lock(&self.log);
        log.last_id += 1;
        let delivery = Delivery {
            id: log.last_id,
            state,
            url: None,
            webhook_type: outgoing.webhook_type.clone(),
            webhook_code: outgoing.webhook_code.clone(),
            attempts: Vec::new(),
            body: raw(&outgoing.body),
        };
        if log.deliveries.len() == REMEMBERED {
            log.deliveries.pop_front();
        }
        log.deliveries.push_back(delivery.clone());
        delivery
    }

    async fn attempt(&self, url: &str, authorization: Option<&str>, body: &str, timeout: Duration) -> Attempt {
        let _running = self.running.acquire().await;
        let started = Instant::now();
        let mut request = self.client.post(url).timeout(timeout).header(CONTENT_TYPE, "application/json");
        if let Some(value) = authorization.filter(|value| !value.is_empty()) {
            request = request.header(AUTHORIZATION, value);
        }
        let outcome = request.body(body.to_owned()).send().await;
        Attempt {
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            status: outcome.as_ref().ok().map(|response| response.status().as_u16()),
            error: outcome.err().map(|error| if error.is_timeout() { "timeout".into() } else { error.to_string() }),
        }
    }
}

impl Delivery {
    fn next_state(&self) -> DeliveryState {
        let acknowledged = self.attempts.iter().any(|attempt| attempt.status.is_some_and(|s| (200..300).contains(&s)));
        if acknowledged {
            DeliveryState::Delivered
        } else if self.attempts.len() > MAX_RETRIES as usize {
            DeliveryState::GivenUp
        } else {
            DeliveryState::Pending
        }
    }
}

fn raw(body: &str) -> Box<RawValue> {
    let text = |text: String| RawValue::from_string(text).ok();
    let quoted = || text(serde_json::Value::from(body).to_string());
    text(body.to_owned()).or_else(quoted).unwrap_or_default()
}
