//! The state that all requests share, and which request goes where.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};

use crate::dynamodb::Table;
use crate::fault::Fault;
use crate::runtime::Runtime;
use crate::secrets::Secrets;
use crate::settings::{Settings, wait};
use crate::sqs::Queue;
use crate::stats::Stats;
use crate::{control, dynamodb, runtime, secrets, sqs};

/// More than any request that AWS takes.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Cheap to clone.
pub(crate) type Shared = Arc<App>;

/// Everything that there is.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) table: Mutex<Table>,
    pub(crate) settings: Mutex<Settings>,
    pub(crate) queue: Mutex<Queue>,
    pub(crate) secrets: Mutex<Secrets>,
    pub(crate) stats: Mutex<Stats>,
    pub(crate) runtime: Runtime,
}

impl App {
    pub(crate) fn new(table: String, settings: Settings, whole_items: bool) -> Shared {
        Arc::new(Self {
            table: Mutex::new(Table::new(table, whole_items, settings.partition_write_units)),
            settings: Mutex::new(settings),
            queue: Mutex::default(),
            secrets: Mutex::default(),
            stats: Mutex::default(),
            runtime: Runtime::default(),
        })
    }
}

/// A panic in another request is no reason to fail this one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The runtime API and the driver's own paths; everything else is a call to an AWS service.
pub(crate) fn router(app: Shared) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(runtime::next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(runtime::response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(runtime::error))
        .route("/2018-06-01/runtime/init/error", post(runtime::init_error))
        .route("/_runtime/asked", get(runtime::asked))
        .route("/_runtime/ready", get(runtime::ready))
        .route("/_runtime/invoke", post(runtime::invoke))
        .route("/_stats", get(control::stats).delete(control::clear_stats))
        .route("/_settings", get(control::settings).put(control::set))
        .route("/_secrets/{id}", put(control::put_secret))
        .route("/_queue", get(control::queue).delete(control::take_messages))
        .route("/_table", get(control::count))
        .route("/_table/keys", get(control::keys))
        .route("/_table/item", get(control::item))
        .fallback(aws)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(app)
}

/// All three services take JSON by POST, and name the operation in a header. Some clients put the queue into the path.
async fn aws(State(app): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let settings = *lock(&app.settings);
    match target.split_once('.') {
        Some(("DynamoDB_20120810", operation)) => {
            dynamodb::serve(&app, operation, &body, settings.dynamodb_latency_ms).await
        }
        Some(("AmazonSQS", operation)) => {
            wait(settings.sqs_latency_ms).await;
            sqs::serve(&app, operation, &body)
        }
        Some(("secretsmanager", operation)) => {
            wait(settings.secrets_latency_ms).await;
            secrets::serve(&app, operation, &body)
        }
        _ => Fault::UnknownOperation(target.to_owned()).into_response(),
    }
}
