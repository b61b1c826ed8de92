//! The requests of the benchmark driver between and after its runs.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::Shared;
use crate::locks::lock;
use crate::settings::Settings;

/// A query for the items of a partition, by prefix of the sort key.
#[derive(Debug, Deserialize)]
pub(crate) struct Items {
    pk: String,
    #[serde(default)]
    prefix: String,
}

pub(crate) async fn stats(State(app): State<Shared>) -> Response {
    Json(lock(&app.stats).clone()).into_response()
}

pub(crate) async fn clear_stats(State(app): State<Shared>) -> StatusCode {
    lock(&app.stats).clear();
    StatusCode::NO_CONTENT
}

pub(crate) async fn settings(State(app): State<Shared>) -> Json<Settings> {
    Json(*lock(&app.settings))
}

pub(crate) async fn set(State(app): State<Shared>, Json(settings): Json<Settings>) -> StatusCode {
    lock(&app.table).throttle.limit(settings.partition_write_units);
    *lock(&app.settings) = settings;
    StatusCode::NO_CONTENT
}

pub(crate) async fn put_secret(State(app): State<Shared>, Path(id): Path<String>, text: String) -> StatusCode {
    lock(&app.secrets).insert(id, text);
    StatusCode::NO_CONTENT
}

/// Returns the messages in the queue, and the changes of their visibility.
pub(crate) async fn queue(State(app): State<Shared>) -> Response {
    let queue = lock(&app.queue);
    Json(json!({"messages": queue.messages, "visibility_changes": queue.visibility_changes})).into_response()
}

/// Removes and returns the messages in the queue. The driver delivers them.
pub(crate) async fn take_messages(State(app): State<Shared>) -> Response {
    Json(std::mem::take(&mut lock(&app.queue).messages)).into_response()
}

pub(crate) async fn count(State(app): State<Shared>, Query(items): Query<Items>) -> Response {
    match lock(&app.table).count(&items.pk, &items.prefix) {
        Ok(count) => Json(count).into_response(),
        Err(fault) => fault.into_response(),
    }
}

/// Returns the sort keys, one a line.
pub(crate) async fn keys(State(app): State<Shared>, Query(items): Query<Items>) -> String {
    let table = lock(&app.table);
    let keys: Vec<_> = table.range(&items.pk, &items.prefix, None).map(|(sk, _)| sk).collect();
    keys.join("\n")
}

/// Returns items without types: strings and numbers as strings.
pub(crate) async fn item(State(app): State<Shared>, Query(items): Query<Items>) -> Response {
    let table = lock(&app.table);
    let found: Result<Vec<_>, _> =
        table.range(&items.pk, &items.prefix, None).map(|(_, stored)| stored.item()).collect();
    let plain = |item: BTreeMap<String, &serde_json::value::RawValue>| -> BTreeMap<String, Value> {
        item.into_iter().map(|(name, raw)| (name, without_type(raw.get()))).collect()
    };
    match found {
        Ok(items) => Json(items.into_iter().map(plain).collect::<Vec<_>>()).into_response(),
        Err(fault) => fault.into_response(),
    }
}

fn without_type(json: &str) -> Value {
    match serde_json::from_str(json) {
        Ok(Value::Object(typed)) => typed.into_iter().next().map_or(Value::Null, |(_, value)| value),
        _ => Value::Null,
    }
}
