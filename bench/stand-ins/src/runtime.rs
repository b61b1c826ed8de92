//! The Lambda runtime API for one execution environment, and the driver's side of it.
//!
//! The time of an invocation is taken here, from the moment the event is handed over to the moment the answer has come: the
//! driver's own time is not in it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot, watch};

use crate::app::{Shared, lock};

/// How long `ready` waits for a function that starts.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Events on their way to a function, and invocations that are under way.
#[derive(Debug)]
pub(crate) struct Runtime {
    events: mpsc::UnboundedSender<Event>,
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
    under_way: Mutex<HashMap<String, UnderWay>>,
    /// How often an event was asked for, and when the last time was: in microseconds since 1970, so that another process
    /// can subtract its own clock.
    asked: watch::Sender<(u64, u64)>,
    invocations: AtomicU64,
}

#[derive(Debug)]
struct Event {
    id: String,
    payload: Bytes,
    limit: Duration,
    answer: oneshot::Sender<(&'static str, Duration, Bytes)>,
}

#[derive(Debug)]
struct UnderWay {
    began: Instant,
    answer: oneshot::Sender<(&'static str, Duration, Bytes)>,
}

/// What the driver says of an invocation.
#[derive(Debug, Deserialize)]
pub(crate) struct Invocation {
    /// The function's timeout.
    timeout_ms: u64,
}

/// What the driver knew before it started a function.
#[derive(Debug, Deserialize)]
pub(crate) struct Start {
    asked_before: u64,
}

impl Default for Runtime {
    fn default() -> Self {
        let (events, waiting) = mpsc::unbounded_channel();
        Self {
            events,
            waiting: tokio::sync::Mutex::new(waiting),
            under_way: Mutex::default(),
            asked: watch::Sender::new((0, 0)),
            invocations: AtomicU64::new(0),
        }
    }
}

/// The function asks for its next event.
pub(crate) async fn next(State(app): State<Shared>) -> Response {
    let runtime = &app.runtime;
    let asked_at_us = u64::try_from(since_1970().as_micros()).unwrap_or(u64::MAX);
    runtime.asked.send_modify(|(asked, at_us)| (*asked, *at_us) = (*asked + 1, asked_at_us));
    let Some(Event { id, payload, limit, answer }) = runtime.waiting.lock().await.recv().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let deadline = since_1970() + limit;
    let headers = [
        ("lambda-runtime-aws-request-id", id.clone()),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:benchmark".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    lock(&runtime.under_way).insert(id, UnderWay { began: Instant::now(), answer });
    (headers, payload).into_response()
}

/// The function answers an event.
pub(crate) async fn response(State(app): State<Shared>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    end(&app, &id, "response", body)
}

/// The function failed.
pub(crate) async fn error(State(app): State<Shared>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    end(&app, &id, "error", body)
}

/// The function could not start. It says why on its standard error, too.
pub(crate) async fn init_error() -> StatusCode {
    StatusCode::ACCEPTED
}

fn end(app: &Shared, id: &str, outcome: &'static str, body: Bytes) -> StatusCode {
    let Some(UnderWay { began, answer }) = lock(&app.runtime.under_way).remove(id) else {
        return StatusCode::BAD_REQUEST;
    };
    // Nobody waits any more when the deadline came first.
    let _ = answer.send((outcome, began.elapsed(), body));
    StatusCode::ACCEPTED
}

/// How often an event has been asked for: what the driver needs to know before it starts another function.
pub(crate) async fn asked(State(app): State<Shared>) -> Response {
    let (asked, _) = *app.runtime.asked.borrow();
    axum::Json(json!({"asked": asked})).into_response()
}

/// Answers when a function has asked for an event that had not done so before: it has started. Says when that was.
pub(crate) async fn ready(State(app): State<Shared>, Query(start): Query<Start>) -> Response {
    let mut asked = app.runtime.asked.subscribe();
    match tokio::time::timeout(START_LIMIT, asked.wait_for(|(asked, _)| *asked > start.asked_before)).await {
        Ok(Ok(asked)) => axum::Json(json!({"asked_at_us": asked.1})).into_response(),
        _ => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Runs an event through the function, and says what it answered and how long that took. A function that has not
/// answered by its deadline has timed out: Lambda would have ended it.
pub(crate) async fn invoke(
    State(app): State<Shared>,
    Query(Invocation { timeout_ms }): Query<Invocation>,
    payload: Bytes,
) -> Response {
    let runtime = &app.runtime;
    let id = format!("10000000-0000-4000-8000-{:012}", runtime.invocations.fetch_add(1, Ordering::Relaxed));
    let limit = Duration::from_millis(timeout_ms);
    let (answer, answered) = oneshot::channel();
    if runtime.events.send(Event { id: id.clone(), payload, limit, answer }).is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let (outcome, elapsed, body) = match tokio::time::timeout(limit, answered).await {
        Ok(Ok(answer)) => answer,
        _ => ("timeout", limit, Bytes::new()),
    };
    lock(&runtime.under_way).remove(&id);
    let payload: Option<&RawValue> = serde_json::from_slice(&body).ok();
    let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    axum::Json(json!({"outcome": outcome, "elapsed_us": elapsed_us, "payload": payload})).into_response()
}
