//! Secrets Manager: the current version of the secrets that the driver has stored.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::fault::{Fault, respond};
use crate::locks::lock;
use crate::stats::Stats;

/// The secrets by name or ARN.
pub(crate) type Secrets = BTreeMap<String, String>;

/// The creation time of every secret in epoch seconds, before any webhook.
const CREATED_AT: f64 = 1_600_000_000.0;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetSecretValue<'a> {
    #[serde(borrow)]
    secret_id: Cow<'a, str>,
    #[serde(borrow)]
    version_stage: Option<Cow<'a, str>>,
}

pub(crate) fn serve(secrets: &Mutex<Secrets>, stats: &Mutex<Stats>, operation: &str, body: &[u8]) -> Response {
    lock(stats).called("secretsmanager", operation, body.len());
    match (operation, serde_json::from_slice(body)) {
        ("GetSecretValue", Ok(request)) => get(&lock(secrets), &request),
        ("GetSecretValue", Err(error)) => Fault::from(error).into_response(),
        _ => Fault::UnknownOperation(operation.to_owned()).into_response(),
    }
}

/// Returns the current version of a secret. Secrets never change here, so there is no previous version.
fn get(secrets: &Secrets, request: &GetSecretValue<'_>) -> Response {
    let is_current = request.version_stage.as_deref().is_none_or(|stage| stage == "AWSCURRENT");
    let Some(text) = secrets.get(request.secret_id.as_ref()).filter(|_| is_current) else {
        return Fault::NotFound("secret or version").into_response();
    };
    let body = json!({
        "ARN": request.secret_id, "Name": request.secret_id, "VersionId": "00000000-0000-4000-8000-000000000000",
        "SecretString": text, "VersionStages": ["AWSCURRENT"], "CreatedDate": CREATED_AT,
    });
    respond(StatusCode::OK, body.to_string())
}
