//! The creation of links through the API, and of widget tokens that a user redeems.

use axum::{http::StatusCode, response::Response};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    api::{
        bodies::{self, token},
        find, json,
        links::check_names,
    },
    app::App,
    call::Call,
    control::Control,
    error::ApiError,
    json::{Object, Projection},
    locks::{lock, read},
    schema::Body,
    tokens::{self, Grant},
    world::{
        catalogue::Written,
        resources::{institutions, links::LINKS},
    },
};

/// The default of `fetch_resources` for a recurrent link.
const USUAL_RESOURCES: [&str; 2] = ["ACCOUNTS", "TRANSACTIONS"];

#[derive(Deserialize)]
struct LinkRequest {
    institution: String,
    external_id: Option<String>,
    access_mode: Option<String>,
    fetch_resources: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct TokenRequest {
    id: String,
    password: String,
    scopes: String,
    link_id: Option<String>,
    external_id: Option<String>,
    fetch_resources: Option<Vec<String>>,
}

/// `POST /api/links/`: responds with 201 at once and loads the data in the background.
pub(crate) fn create_link(app: &App, call: &Call) -> Result<Response, ApiError> {
    let request: LinkRequest = checked(call, Body::By(bodies::new_link))?;
    let institution = institutions::by_name(&request.institution)
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

/// `POST /api/token/`: issues a widget token.
pub(crate) fn give_token(app: &App, call: &Call) -> Result<Response, ApiError> {
    let request: TokenRequest = checked(call, Body::By(|body| token::mode(body).shape))?;
    if request.id != app.config.secret_id || request.password != app.config.secret_password {
        return Err(ApiError::unauthorized());
    }
    if request.scopes != token::mode(&body(call)?).scopes {
        return Err(ApiError::invalid("scopes", "Not a valid value."));
    }
    let grant = grant(request.external_id, None, request.fetch_resources)?;
    let access = lock(&app.tokens).issue(Grant { link_id: request.link_id, ..grant });
    let mut out = String::new();
    Object::write(&mut out, None, |response| {
        response.put("access", access);
        response.put("refresh", tokens::token("refresh"));
    });
    Ok(json(StatusCode::OK, out))
}

/// Builds the grant. A recurrent link loads the default resources unless others are named; a single link loads none.
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

/// Parses the body after a check against its schema.
pub(crate) fn checked<T: DeserializeOwned>(call: &Call, expected: Body) -> Result<T, ApiError> {
    let given: Map<String, Value> = body(call)?;
    expected.shape(&given).check(&given)?;
    body(call)
}

fn too_many() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "quota_limit_reached", "There are too many links.")
}
