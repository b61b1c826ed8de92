//! `POST` on a resource: a retrieval from the institution, synchronous or asynchronous.
//!
//! With the exact header `X-Belvo-Request-Mode: async`, the response is a 202 with a `request_id`. A webhook with that id follows
//! when the data is available. With any other value the response holds the objects.

use std::sync::Arc;

use axum::{http::StatusCode, response::Response};
use serde_json::{Map, Value};

use crate::{
    api::{accepted, connect, filter::Filter, json, list},
    app::App,
    call::Call,
    delivery,
    error::ApiError,
    ids::fresh_hex,
    loading,
    locks::{read, write},
    time::now_micros,
    webhooks::Announcement,
    world::{
        Link,
        catalogue::{Resource, Retrieval, Written},
    },
};

/// The maximum number of objects of a synchronous response. More fail with 408.
const MAX_OBJECTS: usize = 10_000;
/// The columns that `date_from` and `date_to` filter by.
const DATES: [&str; 2] = ["value_date", "invoice_date"];

/// `POST /api/{resource}/`.
pub(crate) fn retrieve(app: &App, call: &Call, resource: &'static Resource) -> Result<Response, ApiError> {
    let (body, may_wait) = match resource.retrieval {
        Retrieval::Never => return Err(ApiError::method_not_allowed()),
        Retrieval::Synchronous(body) => (body, false),
        Retrieval::Asynchronous(body) => (body, true),
    };
    let wanted: Map<String, Value> = connect::body(call)?;
    body.shape(&wanted).check(&wanted)?;
    let filters = filters(resource, &wanted)?;
    let link_id = wanted.get("link").and_then(Value::as_str).unwrap_or_default().to_owned();
    check_link(app, &link_id, Some(resource))?;
    if may_wait && call.asynchronous {
        let request_id = fresh_hex();
        retrieve_later(app, link_id, resource, request_id.clone());
        return Ok(accepted(&request_id));
    }
    let keep = wanted.get("save_data") != Some(&Value::Bool(false));
    if keep {
        let adds = read(&app.settings).retrieve_adds;
        if let Some(link) = write(&app.world).link_mut(&link_id) {
            run_retrieval(link, resource, adds);
        }
    }
    let status = if keep { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, objects(app, &link_id, resource, &filters, call)?))
}

/// Returns the error of the institution for this link, if any. `GET` of stored data does not check it.
pub(crate) fn check_link(app: &App, link_id: &str, resource: Option<&Resource>) -> Result<(), ApiError> {
    let world = read(&app.world);
    let link = world.link(link_id).ok_or_else(ApiError::unknown_link)?;
    if resource.is_some_and(|resource| !resource.serves(link.institution.country)) {
        let message = "This method is not supported by the institution.";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "unsupported_operation", message));
    }
    match link.status {
        "invalid" => Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_link",
            "The link has been invalidated. You may need to update link credentials",
        )),
        "unconfirmed" => Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "unconfirmed_link",
            "Can't perform this action with an unconfirmed link",
        )),
        "token_required" => Err(ApiError::token_required(link_id)),
        _ => Ok(()),
    }
}

/// Runs a retrieval and returns the number of objects. The first one shows the loaded objects, later ones add new objects.
fn run_retrieval(link: &mut Link, resource: &Resource, adds: usize) -> usize {
    let now = now_micros();
    link.row.collected = now;
    if !link.table(resource).ready {
        link.make_ready(resource);
        return link.table(resource).rows.len();
    }
    link.append(resource, adds, now);
    adds
}

fn retrieve_later(app: &App, link_id: String, resource: &'static Resource, request_id: String) {
    let shared = Arc::clone(app);
    app.spawn(async move {
        loading::delay(&shared).await;
        let adds = read(&shared.settings).retrieve_adds;
        let webhook = {
            let mut world = write(&shared.world);
            let Some(link) = world.link_mut(&link_id) else { return };
            let came = run_retrieval(link, resource, adds);
            let Some(announced) = &resource.announced else { return };
            let (code, data) = (announced.new.0, (announced.new.1)(came));
            Announcement::about(link, resource.webhook_type, code, &data).of_request(&request_id).outgoing()
        };
        delivery::deliver(&shared, webhook).await;
    });
}

/// Returns the filters for `date_from` and `date_to`, `type` and `account`.
fn filters(resource: &Resource, wanted: &Map<String, Value>) -> Result<Vec<Filter>, ApiError> {
    let text = |name: &str| wanted.get(name).and_then(Value::as_str);
    let mut filters = Vec::new();
    let dates = DATES.into_iter().find_map(|name| resource.filter(name));
    if let (Some((column, _)), Some(from), Some(to)) = (dates, text("date_from"), text("date_to")) {
        filters.push(Filter::parse(column, "range", "date_from", &format!("{from},{to}"))?);
    }
    for name in ["type", "account"] {
        if let (Some((column, operator)), Some(value)) = (resource.filter(name), text(name)) {
            filters.push(Filter::parse(column, operator, name, value)?);
        }
    }
    Ok(filters)
}

fn objects(app: &App, link_id: &str, resource: &Resource, filters: &[Filter], call: &Call) -> Result<String, ApiError> {
    let world = read(&app.world);
    let link = world.link(link_id).ok_or_else(ApiError::not_found)?;
    let places = link.table(resource).present().filter_map(|index| link.place(resource, index));
    let found: Vec<_> = places.filter(|place| filters.iter().all(|filter| filter.passes(*place))).collect();
    if found.len() > MAX_OBJECTS {
        return Err(ApiError::timeout());
    }
    let mut written = Written::new();
    let texts: Vec<_> = found.into_iter().map(|place| list::one(resource, place, call, &mut written)).collect();
    Ok(format!("[{}]", texts.join(",")))
}
