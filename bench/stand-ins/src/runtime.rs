//! The Lambda runtime API for one execution environment, and the driver's side of it.
//!
//! The elapsed time of an invocation is measured here, from handing over the event to the response, without the driver's own time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot, watch};

use crate::locks::lock;

/// The maximum time that `ready` waits for a function to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Pending events, and invocations in flight.
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

/// The parameters of an invocation.
#[derive(Debug, Deserialize)]
struct Invocation {
    /// The function's timeout.
    timeout_ms: u64,
}

/// The state before the driver started a function.
#[derive(Debug, Deserialize)]
struct Start {
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

/// Returns the routes of the runtime API and of the driver's calls.
pub(crate) fn router(runtime: Arc<Runtime>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .route("/_runtime/asked", get(asked))
        .route("/_runtime/ready", get(ready))
        .route("/_runtime/invoke", post(invoke))
        .with_state(runtime)
}

/// Returns the next event to the function.
async fn next(State(runtime): State<Arc<Runtime>>) -> Response {
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

/// Records the response of the function to an event.
async fn response(State(runtime): State<Arc<Runtime>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    end(&runtime, &id, "response", body)
}

/// Records the error of the function for an event.
async fn error(State(runtime): State<Arc<Runtime>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    end(&runtime, &id, "error", body)
}

/// Accepts the report of a failed start. The function also writes it to its standard error.
async fn init_error() -> StatusCode {
    StatusCode::ACCEPTED
}

fn end(runtime: &Runtime, id: &str, outcome: &'static str, body: Bytes) -> StatusCode {
    let Some(UnderWay { began, answer }) = lock(&runtime.under_way).remove(id) else {
        return StatusCode::BAD_REQUEST;
    };
    // The receiver is gone if the deadline came first.
    let _ = answer.send((outcome, began.elapsed(), body));
    StatusCode::ACCEPTED
}

/// How often an event has been asked for: what the driver needs to know before it starts another function.
async fn asked(State(runtime): State<Arc<Runtime>>) -> Response {
    let (asked, _) = *runtime.asked.borrow();
    axum::Json(json!({"asked": asked})).into_response()
}

/// Answers when a function has asked for an event that had not done so before: it has started. Says when that was.
async fn ready(State(runtime): State<Arc<Runtime>>, Query(start): Query<Start>) -> Response {
    let mut asked = runtime.asked.subscribe();
    match tokio::time::timeout(START_LIMIT, asked.wait_for(|(asked, _)| *asked > start.asked_before)).await {
        Ok(Ok(asked)) => axum::Json(json!({"asked_at_us": asked.1})).into_response(),
        _ => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Invokes the function and returns its outcome, elapsed time and payload. Without a response by the deadline, the outcome is
/// `timeout`: Lambda would stop the function.
async fn invoke(
    State(runtime): State<Arc<Runtime>>,
    Query(Invocation { timeout_ms }): Query<Invocation>,
    payload: Bytes,
) -> Response {
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
