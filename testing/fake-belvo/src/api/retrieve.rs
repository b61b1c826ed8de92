//! `POST` on a resource: Belvo asks the institution again, while the client waits or later.
//!
//! With the header `X-Belvo-Request-Mode: async`, spelt exactly so, the answer is a 202 with a `request_id`, and a webhook with
//! that id follows once the data is there. With anything else the client waits and gets the objects.

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

/// With more objects than this, the client would wait too long.
const MAX_ANSWERED: usize = 10_000;
/// The columns that `date_from` and `date_to` are about.
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
        later(app, link_id, resource, request_id.clone());
        return Ok(accepted(&request_id));
    }
    let keep = wanted.get("save_data") != Some(&Value::Bool(false));
    if keep {
        let adds = read(&app.settings).retrieve_adds;
        if let Some(link) = write(&app.world).link_mut(&link_id) {
            bring(link, resource, adds);
        }
    }
    let status = if keep { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, objects(app, &link_id, resource, &filters, call)?))
}

/// Refuses what the institution would refuse: stored data is still there for `GET`.
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

/// The first retrieval shows what is there, later ones bring something new. How many objects came.
fn bring(link: &mut Link, resource: &Resource, adds: usize) -> usize {
    let now = now_micros();
    link.row.collected = now;
    if !link.table(resource).ready {
        link.make_ready(resource);
        return link.table(resource).rows.len();
    }
    link.append(resource, adds, now);
    adds
}

fn later(app: &App, link_id: String, resource: &'static Resource, request_id: String) {
    let shared = Arc::clone(app);
    app.spawn(async move {
        loading::delay(&shared).await;
        let adds = read(&shared.settings).retrieve_adds;
        let webhook = {
            let mut world = write(&shared.world);
            let Some(link) = world.link_mut(&link_id) else { return };
            let came = bring(link, resource, adds);
            let Some(announced) = &resource.announced else { return };
            let (code, data) = (announced.new.0, (announced.new.1)(came));
            Announcement::about(link, resource.webhook_type, code, &data).of_request(&request_id).outgoing()
        };
        delivery::deliver(&shared, webhook).await;
    });
}

/// What `date_from` and `date_to`, `type` and `account` choose.
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
    if found.len() > MAX_ANSWERED {
        return Err(ApiError::timeout());
    }
    let mut written = Written::new();
    let texts: Vec<_> = found.into_iter().map(|place| list::one(resource, place, call, &mut written)).collect();
    Ok(format!("[{}]", texts.join(",")))
}
