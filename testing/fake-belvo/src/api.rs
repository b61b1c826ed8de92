//! The HTTP API under `/api/`: rate limit, faults, firewall, authentication, then Belvo's responses.

mod bodies;
mod connect;
mod faults;
mod filter;
mod firewall;
mod links;
mod list;
mod retrieve;

use std::time::Instant;

use axum::{
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    app::App,
    call::{Call, Target},
    error::{ApiError, html},
    faults::View,
    locks::{lock, read},
    world::{
        Link, Place, World,
        catalogue::{Holding, Resource, Written},
        resources::links::LINKS,
    },
};

/// Handles and logs a request.
pub(crate) async fn serve(State(app): State<App>, request: Request) -> Response {
    let call = Call::read(request).await;
    let mut in_flight = app.requests.enter(&call);
    let response = pass_edge(&app, &call).await;
    in_flight.responded(response.status().as_u16());
    response
}

async fn pass_edge(app: &App, call: &Call) -> Response {
    let settings = read(&app.settings).clone();
    if !lock(&app.limiter).admits(settings.edge_limit_per_30s, Instant::now()) {
        return html(StatusCode::FORBIDDEN);
    }
    let picked = lock(&app.faults).pick(call);
    faults::apply(picked, app, |view| {
        firewall::refusal(call, &settings)
            .unwrap_or_else(|| respond(app, call, view).unwrap_or_else(IntoResponse::into_response))
    })
    .await
}

fn respond(app: &App, call: &Call, view: View) -> Result<Response, ApiError> {
    if !authenticated(app, call) {
        return Err(ApiError::unauthorized());
    }
    match (&call.method, call.target()) {
        (_, Target::Unknown) => Err(ApiError::not_found()),
        (&Method::GET, Target::Root) => Ok(json(StatusCode::OK, "{}")),
        (&Method::GET, Target::List(resource)) => respond_with_list(app, call, resource, view),
        (&Method::GET, Target::One(resource, id)) => respond_with_object(app, call, resource, id),
        (&Method::POST, Target::Token) => connect::give_token(app, call),
        (&Method::POST, Target::List(resource)) if resource.number == LINKS.number => connect::create_link(app, call),
        (&Method::POST, Target::List(resource)) => retrieve::retrieve(app, call, resource),
        (&Method::POST, Target::Refresh(id)) => links::refresh(app, call, id),
        (method, Target::One(resource, id)) if resource.number == LINKS.number => match *method {
            Method::PUT => links::renew(app, call, id),
            Method::PATCH => links::modify(app, call, id),
            Method::DELETE => links::delete(app, call, id),
            _ => Err(ApiError::method_not_allowed()),
        },
        _ => Err(ApiError::method_not_allowed()),
    }
}

fn respond_with_list(app: &App, call: &Call, resource: &'static Resource, view: View) -> Result<Response, ApiError> {
    let settings = read(&app.settings).clone();
    let base_url = call.host.as_ref().map_or_else(|| app.base_url.clone(), |host| format!("http://{host}"));
    let body = list::list(&read(&app.world), resource, call, &base_url, &settings, view)?;
    Ok(json(StatusCode::OK, body))
}

pub(crate) fn respond_with_object(app: &App, call: &Call, resource: &Resource, id: &str) -> Result<Response, ApiError> {
    let world = read(&app.world);
    let place = find(&world, resource, id).ok_or_else(ApiError::not_found)?;
    Ok(json(StatusCode::OK, list::one(resource, place, call, &mut Written::new())))
}

/// Finds an object by id. Unlike lists, it never shows a deleted object.
pub(crate) fn find<'w>(world: &'w World, resource: &Resource, id: &str) -> Option<Place<'w>> {
    match resource.holding {
        Holding::Links => world.link(id).map(Link::own_place),
        Holding::Shared => {
            let shared = world.shared();
            let rows = 0..shared.table(resource).rows.len();
            rows.filter_map(|index| shared.place(resource, index)).find(|place| (resource.id)(*place) == id)
        }
        Holding::PerLink => {
            let (link, locator) = world.locate(id)?;
            let here = locator.resource == resource.number && link.table(resource).ready;
            link.place(resource, locator.index).filter(|place| here && place.row.present())
        }
    }
}

fn authenticated(app: &App, call: &Call) -> bool {
    let Some((scheme, credentials)) = call.authorization.as_deref().and_then(|value| value.split_once(' ')) else {
        return false;
    };
    let expected = format!("{}:{}", app.config.secret_id, app.config.secret_password);
    let given = STANDARD.decode(credentials.trim()).unwrap_or_default();
    scheme.eq_ignore_ascii_case("basic") && given == expected.as_bytes()
}

/// Returns a 202 response: a webhook with the request id follows.
pub(crate) fn accepted(request_id: &str) -> Response {
    json(StatusCode::ACCEPTED, format!(r#"{{"request_id":"{request_id}"}}"#))
}

pub(crate) fn json(status: StatusCode, body: impl Into<String>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}
