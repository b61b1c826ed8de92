//! How links come to be: through the API, or through a widget token that a user redeems.

use axum::{http::StatusCode, response::Response};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    api::{find, json},
    app::{App, lock, read},
    call::Call,
    catalogue::Written,
    control::Control,
    error::ApiError,
    json::{Object, Projection},
    link_calls::check_names,
    resources::{institutions, links::LINKS},
    tokens::{Grant, token},
};

/// What a link gets that asks for nothing.
const USUAL_RESOURCES: [&str; 2] = ["ACCOUNTS", "TRANSACTIONS"];

#[derive(Deserialize)]
struct LinkRequest {
    institution: Option<String>,
    username: Option<String>,
    password: Option<String>,
    external_id: Option<String>,
    access_mode: Option<String>,
    fetch_resources: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct TokenRequest {
    id: Option<String>,
    password: Option<String>,
    scopes: Option<String>,
    link_id: Option<String>,
    external_id: Option<String>,
    access_mode: Option<String>,
    fetch_resources: Option<Vec<String>>,
}

/// `POST /api/links/`: 201 at once, the data later.
pub(crate) fn create_link(app: &App, call: &Call) -> Result<Response, ApiError> {
    let request: LinkRequest = body(call)?;
    check_present(&[
        ("institution", &request.institution),
        ("username", &request.username),
        ("password", &request.password),
    ])?;
    let institution = request.institution.as_deref().and_then(institutions::by_name);
    let institution = institution
        .ok_or_else(|| ApiError::field("does_not_exist", "institution", "Object with this name does not exist."))?;
    let grant = grant(request.external_id, request.access_mode.as_deref(), request.fetch_resources)?;
    let id = Control::of(app).begin_link(institution, grant).ok_or_else(too_many)?;
    let world = read(&app.world);
    let place = find(&world, &LINKS, &id).ok_or_else(ApiError::not_found)?;
    let mut out = String::new();
    Object::write(&mut out, Some(&Projection::default()), |link| {
        (LINKS.write)(place, link, &mut Written::new());
    });
    Ok(json(StatusCode::CREATED, out))
}

/// `POST /api/token/`: what a widget needs to start.
pub(crate) fn give_token(app: &App, call: &Call) -> Result<Response, ApiError> {
    let request: TokenRequest = body(call)?;
    check_present(&[("id", &request.id), ("password", &request.password), ("scopes", &request.scopes)])?;
    let known = request.id.as_ref() == Some(&app.config.secret_id)
        && request.password.as_ref() == Some(&app.config.secret_password);
    if !known {
        return Err(ApiError::unauthorized());
    }
    let grant = grant(request.external_id, request.access_mode.as_deref(), request.fetch_resources)?;
    let access = lock(&app.tokens).issue(Grant { link_id: request.link_id, ..grant });
    let mut out = String::new();
    Object::write(&mut out, None, |tokens| {
        tokens.put("access", access);
        tokens.put("refresh", token("refresh"));
    });
    Ok(json(StatusCode::OK, out))
}

/// A recurrent link loads the usual resources unless told otherwise; a single link loads nothing unasked.
fn grant(
    external_id: Option<String>,
    access_mode: Option<&str>,
    fetch: Option<Vec<String>>,
) -> Result<Grant, ApiError> {
    let recurrent = access_mode.map_or(Ok(true), recurrent)?;
    let usual = if recurrent { USUAL_RESOURCES.map(str::to_owned).to_vec() } else { Vec::new() };
    let fetch_resources = fetch.unwrap_or(usual);
    check_names(&fetch_resources)?;
    Ok(Grant { link_id: None, external_id, recurrent, fetch_resources })
}

pub(crate) fn recurrent(access_mode: &str) -> Result<bool, ApiError> {
    match access_mode {
        "recurrent" => Ok(true),
        "single" => Ok(false),
        _ => Err(ApiError::field("invalid_choice", "access_mode", "Not a valid choice.")),
    }
}

pub(crate) fn body<T: DeserializeOwned>(call: &Call) -> Result<T, ApiError> {
    let body = call.body.as_deref().unwrap_or_default();
    serde_json::from_slice(body).map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "parse_error", "JSON parse error"))
}

fn check_present(fields: &[(&str, &Option<String>)]) -> Result<(), ApiError> {
    let absent = |value: &Option<String>| value.as_deref().is_none_or(str::is_empty);
    let missing: Vec<&str> = fields.iter().filter(|(_, value)| absent(value)).map(|(name, _)| *name).collect();
    if missing.is_empty() { Ok(()) } else { Err(ApiError::required(&missing)) }
}

fn too_many() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "quota_limit_reached", "There are too many links.")
}
