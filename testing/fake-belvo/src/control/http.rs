//! The control API over HTTP: [`Control`] for tests and demos in other processes. Only the loopback interface may use it.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, DefaultBodyLimit, Path, Query, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use crate::{
    app::App,
    config::Settings,
    control::{Control, ControlError, NewLink, Refresh, changes::Change},
    faults::Rule,
};

const MAX_BODY_BYTES: usize = 32 << 20;
/// The number of objects in a chunk of the stream: a few megabytes.
const CHUNK: usize = 500;

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/webhook", put(set_webhook))
        .route("/links", post(create_link).get(links))
        .route("/links/{id}", get(link).delete(delete_link))
        .route("/links/{id}/status", put(set_status))
        .route("/links/{id}/members", put(set_link_members))
        .route("/links/{id}/{resource}/{object}/members", put(set_members))
        .route("/links/{id}/refresh_now", post(refresh_now))
        .route("/links/{id}/announce", post(announce))
        .route("/links/{id}/truth", get(truth))
        .route("/links/{id}/{resource}", post(change))
        .route("/widget/connect", post(connect_widget))
        .route("/send", post(send))
        .route("/deliveries", get(deliveries).delete(clear_deliveries))
        .route("/deliveries/release", post(release_webhooks))
        .route("/requests", get(requests).delete(clear_requests))
        .route("/faults", get(faults).post(add_faults).delete(clear_faults))
        .route("/settings", get(settings).put(set_settings))
        .route("/reset", post(reset))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(only_loopback))
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::UnknownLink | Self::UnknownResource | Self::UnknownObject | Self::UnknownToken => {
                StatusCode::NOT_FOUND
            }
            Self::AlreadyExists => StatusCode::CONFLICT,
            Self::UnknownCode | Self::TooMany | Self::Invalid(_) => StatusCode::BAD_REQUEST,
        };
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}

type JsonResult<T> = Result<Json<T>, ControlError>;

async fn only_loopback(ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request, next: Next) -> Response {
    if peer.ip().to_canonical().is_loopback() { next.run(request).await } else { StatusCode::FORBIDDEN.into_response() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookBody {
    url: Option<String>,
    authorization: Option<String>,
    retry_interval_ms: Option<u64>,
}

async fn set_webhook(State(app): State<App>, Json(body): Json<WebhookBody>) -> StatusCode {
    let interval = body.retry_interval_ms.map(Duration::from_millis);
    Control::of(&app).set_webhook(body.url, body.authorization, interval);
    StatusCode::NO_CONTENT
}

async fn create_link(State(app): State<App>, Json(new): Json<NewLink>) -> Result<Response, ControlError> {
    let created = Control::of(&app).create_link(new)?;
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

async fn links(State(app): State<App>) -> impl IntoResponse {
    Json(Control::of(&app).links())
}

async fn link(State(app): State<App>, Path(id): Path<String>) -> Result<impl IntoResponse, ControlError> {
    Ok(Json(Control::of(&app).link(&id)?))
}

async fn delete_link(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, ControlError> {
    Control::of(&app).delete_link(&id)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusBody {
    status: String,
}

async fn set_status(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(body): Json<StatusBody>,
) -> JsonResult<impl Serialize> {
    Ok(Json(Control::of(&app).set_status(&id, &body.status)?))
}

async fn set_link_members(
    State(app): State<App>,
    Path(id): Path<String>,
    members: String,
) -> Result<StatusCode, ControlError> {
    Control::of(&app).set_link_members(&id, &members)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_members(
    State(app): State<App>,
    Path((id, resource, object)): Path<(String, String, String)>,
    members: String,
) -> Result<StatusCode, ControlError> {
    Control::of(&app).set_members(&id, &resource, &object, &members)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnnounceBody {
    r#type: String,
    code: String,
    data: Option<Box<RawValue>>,
    #[serde(default)]
    keep_status: bool,
}

async fn announce(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(body): Json<AnnounceBody>,
) -> JsonResult<impl Serialize> {
    let data = body.data.as_deref().map(RawValue::get);
    Ok(Json(Control::of(&app).announce_with(&id, &body.r#type, &body.code, data, body.keep_status).await?))
}

/// Refreshes a link. The body is optional.
async fn refresh_now(State(app): State<App>, Path(id): Path<String>, body: Bytes) -> JsonResult<impl Serialize> {
    let invalid = |error: serde_json::Error| ControlError::Invalid(error.to_string());
    let refresh: Refresh =
        if body.is_empty() { Refresh::default() } else { serde_json::from_slice(&body).map_err(invalid)? };
    Ok(Json(Control::of(&app).refresh_now(&id, refresh).await?))
}

async fn change(
    State(app): State<App>,
    Path((id, resource)): Path<(String, String)>,
    Json(change): Json<Change>,
) -> JsonResult<impl Serialize> {
    Ok(Json(Control::of(&app).change(&id, &resource, change).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TruthQuery {
    resource: String,
}

/// Streams every object, one a line, so that a million objects need little memory.
async fn truth(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<TruthQuery>,
) -> Result<Response, ControlError> {
    let control = Control::of(&app);
    control.truth_from(&id, &query.resource, 0, 0)?;
    let chunks = stream::unfold(Some(0), move |from| {
        let chunk = from.map(|from| control.truth_from(&id, &query.resource, from, CHUNK));
        async move {
            let (lines, next) = chunk?.ok()?;
            let text: String = lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect();
            Some((Ok::<_, ControlError>(Bytes::from(text)), next))
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(chunks)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectBody {
    access: String,
    institution: Option<String>,
    access_mode: Option<String>,
}

async fn connect_widget(State(app): State<App>, Json(body): Json<ConnectBody>) -> JsonResult<impl Serialize> {
    let (institution, mode) = (body.institution.as_deref(), body.access_mode.as_deref());
    Ok(Json(Control::of(&app).connect_widget_as(&body.access, institution, mode)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendBody {
    body: Option<Box<RawValue>>,
    raw: Option<String>,
    authorization: Option<String>,
}

async fn send(State(app): State<App>, Json(body): Json<SendBody>) -> JsonResult<impl Serialize> {
    let text = body.body.map(|body| body.get().to_owned()).or(body.raw);
    let text = text.ok_or_else(|| ControlError::Invalid("a message without `body` and `raw`".into()))?;
    Ok(Json(Control::of(&app).send(text, body.authorization).await))
}

async fn deliveries(State(app): State<App>) -> impl IntoResponse {
    Json(Control::of(&app).deliveries())
}

async fn clear_deliveries(State(app): State<App>) -> StatusCode {
    Control::of(&app).clear_deliveries();
    StatusCode::NO_CONTENT
}

async fn release_webhooks(State(app): State<App>) -> impl IntoResponse {
    Json(Control::of(&app).release_webhooks().await)
}

async fn requests(State(app): State<App>) -> impl IntoResponse {
    Json(Control::of(&app).requests())
}

async fn clear_requests(State(app): State<App>) -> StatusCode {
    Control::of(&app).clear_requests();
    StatusCode::NO_CONTENT
}

async fn faults(State(app): State<App>) -> impl IntoResponse {
    Json(Control::of(&app).faults())
}

/// Adds one rule or a list of rules.
async fn add_faults(State(app): State<App>, Json(body): Json<Value>) -> JsonResult<impl Serialize> {
    let list = if body.is_array() { body } else { Value::Array(vec![body]) };
    let rules: Vec<Rule> = serde_json::from_value(list).map_err(|error| ControlError::Invalid(error.to_string()))?;
    let control = Control::of(&app);
    control.add_faults(rules)?;
    Ok(Json(control.faults()))
}

async fn clear_faults(State(app): State<App>) -> StatusCode {
    Control::of(&app).clear_faults();
    StatusCode::NO_CONTENT
}

async fn settings(State(app): State<App>) -> Json<Settings> {
    Json(Control::of(&app).settings())
}

/// Changes the given settings and keeps the others.
async fn set_settings(
    State(app): State<App>,
    Json(body): Json<serde_json::Map<String, Value>>,
) -> JsonResult<Settings> {
    let control = Control::of(&app);
    let invalid = |error: serde_json::Error| ControlError::Invalid(error.to_string());
    let mut merged = serde_json::to_value(control.settings()).map_err(invalid)?;
    if let Some(settings) = merged.as_object_mut() {
        settings.extend(body);
    }
    control.set_settings(serde_json::from_value(merged).map_err(invalid)?);
    Ok(Json(control.settings()))
}

async fn reset(State(app): State<App>) -> StatusCode {
    Control::of(&app).reset();
    StatusCode::NO_CONTENT
}
