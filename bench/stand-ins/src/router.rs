//! The route of each request.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};

use crate::app::Shared;
use crate::fault::Fault;
use crate::locks::lock;
use crate::settings::wait;
use crate::{control, dynamodb, runtime, secrets, sqs};

/// The maximum size of a request body. No AWS service called here accepts more.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Returns the routes of the runtime API and of the benchmark driver. Every other path is a call to an AWS service.
pub(crate) fn router(app: &Shared) -> Router {
    Router::new()
        .route("/_stats", get(control::stats).delete(control::clear_stats))
        .route("/_settings", get(control::settings).put(control::set))
        .route("/_secrets/{id}", put(control::put_secret))
        .route("/_queue", get(control::queue).delete(control::take_messages))
        .route("/_table", get(control::count))
        .route("/_table/keys", get(control::keys))
        .route("/_table/item", get(control::item))
        .fallback(aws)
        .with_state(Arc::clone(app))
        .merge(runtime::router(Arc::clone(&app.runtime)))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// Handles a call to an AWS service. All three take JSON by POST and name the operation in a header; some clients put the queue
/// into the path.
async fn aws(State(app): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let settings = *lock(&app.settings);
    match target.split_once('.') {
        Some(("DynamoDB_20120810", operation)) => {
            dynamodb::serve(&app.table, &app.stats, operation, &body, settings.dynamodb_latency_ms).await
        }
        Some(("AmazonSQS", operation)) => {
            wait(settings.sqs_latency_ms).await;
            sqs::serve(&app.queue, &app.stats, operation, &body)
        }
        Some(("secretsmanager", operation)) => {
            wait(settings.secrets_latency_ms).await;
            secrets::serve(&app.secrets, &app.stats, operation, &body)
        }
        _ => Fault::UnknownOperation(target.to_owned()).into_response(),
    }
}
