//! Webhooks, sent as Belvo sends them.
//!
//! A POST with a JSON body and a fixed `Authorization` header, repeated until any 2xx within the timeout, at most five times
//! after the first attempt, the n-th repeat after n intervals. The body, `webhook_id` included, is the same in each attempt.
//! Every delivery is logged from its first attempt on.

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

/// Repeats after the first attempt.
const MAX_REPEATS: u32 = 5;
/// Older deliveries are forgotten.
const REMEMBERED: usize = 1_000;
/// So many attempts run at the same time.
const MAX_CONCURRENT: usize = 64;

/// One webhook and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// Counts up from 1.
    pub id: u64,
    /// Where it went.
    pub url: Option<String>,
    /// Empty for a body that is no webhook.
    pub webhook_type: String,
    /// Empty for a body that is no webhook.
    pub webhook_code: String,
    /// What became of it.
    pub state: DeliveryState,
    /// Every attempt, in order.
    pub attempts: Vec<Attempt>,
    /// As sent, or as a JSON string if it was not JSON.
    pub body: Box<RawValue>,
}

/// What became of a webhook.
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
    /// A fault swallowed it.
    Lost,
    /// Nothing was sent: no URL is set.
    NoUrl,
}

/// One attempt of a delivery.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// The receiver's status, if it answered.
    pub status: Option<u16>,
    /// Why it did not.
    pub error: Option<String>,
    /// How long the attempt took.
    pub elapsed_ms: u64,
}

/// A webhook to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) link_id: Option<String>,
    pub(crate) webhook_type: String,
    pub(crate) webhook_code: String,
    pub(crate) body: String,
    /// In place of the configured header; an empty one sends no header.
    pub(crate) authorization: Option<String>,
}

/// Webhooks that wait for the next one of their link, oldest first.
pub(crate) type Held = Vec<(Delivery, Outgoing)>;

/// What a webhook says about a link.
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
    /// A webhook about a link.
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

    /// In answer to a request.
    pub(crate) fn of_request(self, request_id: &'a str) -> Self {
        Self { request_id: Some(request_id), ..self }
    }

    /// Belvo's envelope around the announcement, with fresh ids.
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

/// Sends webhooks and remembers what became of them.
pub(crate) struct Courier {
    client: Client,
    config: RwLock<WebhookConfig>,
    log: Mutex<Log>,
    running: Semaphore,
}

impl Courier {
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

    /// Whether the webhook of a request was delivered, given up or swallowed.
    pub(crate) fn has_ended(&self, request_id: &str) -> bool {
        let about = |delivery: &&Delivery| delivery.body.get().contains(request_id);
        let log = lock(&self.log);
        let ended = |delivery: &Delivery| !matches!(delivery.state, DeliveryState::Pending | DeliveryState::Held);
        log.deliveries.iter().find(about).is_some_and(ended)
    }

    /// Forgets everything but the counter, so that an id never means two deliveries.
    pub(crate) fn clear(&self) {
        lock(&self.log).deliveries.clear();
    }

    /// Returns once the webhook was acknowledged or given up.
    pub(crate) async fn deliver(&self, outgoing: Outgoing) -> Delivery {
        let delivery = self.open(&outgoing, DeliveryState::Pending);
        self.pursue(delivery, outgoing).await
    }

    /// Sends what was opened before.
    pub(crate) async fn pursue(&self, mut delivery: Delivery, outgoing: Outgoing) -> Delivery {
        let config = self.config();
        delivery.url.clone_from(&config.url);
        delivery.state = if config.url.is_some() { DeliveryState::Pending } else { DeliveryState::NoUrl };
        self.note(&delivery);
        let Some(url) = &config.url else { return delivery };
        let authorization = outgoing.authorization.as_deref().or(config.authorization.as_deref());
        for repeat in 0..=MAX_REPEATS {
            tokio::time::sleep(config.retry_interval.saturating_mul(repeat)).await;
            delivery.attempts.push(self.attempt(url, authorization, &outgoing.body, config.timeout).await);
            delivery.state = delivery.next_state();
            self.note(&delivery);
            if delivery.state != DeliveryState::Pending {
                break;
            }
        }
        delivery
    }

    fn note(&self, delivery: &Delivery) {
        if let Some(logged) = lock(&self.log).find(delivery.id) {
            logged.clone_from(delivery);
        }
    }

    /// Remembers a webhook that may be sent later, or never.
    pub(crate) fn open(&self, outgoing: &Outgoing, state: DeliveryState) -> Delivery {
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
        } else if self.attempts.len() > MAX_REPEATS as usize {
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
