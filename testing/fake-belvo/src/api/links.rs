//! Requests on a link: refresh, change and delete.

use std::{sync::Arc, time::Instant};

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    api::{accepted, bodies, connect, respond_with_object, retrieve::check_link},
    app::App,
    call::Call,
    delivery,
    error::ApiError,
    ids::{fresh_hex, fresh_uuid},
    loading,
    locks::{lock, read, write},
    schema::Body,
    time::now_micros,
    webhooks::Announcement,
    world::{
        catalogue::{FETCHABLE, Resource},
        resources::links::LINKS,
    },
};

const MINUTE_MICROS: i64 = 60_000_000;

#[derive(Default, Deserialize)]
struct RefreshRequest {
    fetch_resources: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Changes {
    access_mode: Option<String>,
    fetch_resources: Option<Vec<String>>,
}

/// `POST /api/links/{id}/refresh/`: fetches and announces all resources again, as after the link's creation.
pub(crate) fn refresh(app: &App, call: &Call, id: &str) -> Result<Response, ApiError> {
    let empty = call.body.as_deref().is_none_or(<[u8]>::is_empty);
    let request: RefreshRequest =
        if empty { RefreshRequest::default() } else { connect::checked(call, Body::One(&bodies::REFRESH))? };
    check_names(request.fetch_resources.as_deref().unwrap_or_default())?;
    if read(&app.world).link(id).is_none() {
        return Err(ApiError::not_found());
    }
    check_link(app, id, None)?;
    let resources = begin_refresh(app, id, request.fetch_resources)?;
    let request_id = fresh_hex();
    let (shared, link_id, of) = (Arc::clone(app), id.to_owned(), request_id.clone());
    app.spawn(async move {
        for resource in resources {
            loading::delay(&shared).await;
            loading::load(&shared, &link_id, resource, Some(&of));
        }
    });
    Ok(accepted(&request_id))
}

/// Returns the resources to fetch again, or an error within the cooldown of the last refresh.
fn begin_refresh(app: &App, id: &str, named: Option<Vec<String>>) -> Result<Vec<&'static Resource>, ApiError> {
    let cooldown = i64::try_from(read(&app.settings).refresh_cooldown_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
    let now = now_micros();
    let mut world = write(&app.world);
    let link = world.link_mut(id).ok_or_else(ApiError::not_found)?;
    let left = link.refreshed.saturating_add(cooldown).saturating_sub(now);
    if left > 0 {
        return Err(ApiError::link_refreshed((left + MINUTE_MICROS - 1) / MINUTE_MICROS));
    }
    link.refreshed = now;
    link.row.collected = now;
    let wanted = named.unwrap_or_else(|| link.fetch_resources.clone());
    Ok(link.resources().filter(|one| wanted.iter().any(|name| name == one.webhook_type)).collect())
}

/// `PUT /api/links/{id}/`: sets new credentials. The link becomes valid; a recurrent link is loaded again.
pub(crate) fn renew(app: &App, call: &Call, id: &str) -> Result<Response, ApiError> {
    let _: IgnoredAny = connect::checked(call, Body::One(&bodies::RENEWED_LINK))?;
    let recurrent = {
        let mut world = write(&app.world);
        let link = world.link_mut(id).ok_or_else(ApiError::not_found)?;
        link.status = "valid";
        link.recurrent
    };
    if recurrent {
        loading::start(app, id.to_owned());
    }
    respond_with_object(app, call, &LINKS, id)
}

/// `PATCH /api/links/{id}/`: changes the access mode or the resources. A link that becomes recurrent is loaded again.
pub(crate) fn modify(app: &App, call: &Call, id: &str) -> Result<Response, ApiError> {
    let request: Changes = connect::checked(call, Body::One(&bodies::CHANGED_LINK))?;
    check_names(request.fetch_resources.as_deref().unwrap_or_default())?;
    let recurrent = request.access_mode.as_deref().map(connect::recurrent).transpose()?;
    let begins = {
        let mut world = write(&app.world);
        let link = world.link_mut(id).ok_or_else(ApiError::not_found)?;
        let begins = recurrent == Some(true) && !link.recurrent;
        link.recurrent = recurrent.unwrap_or(link.recurrent);
        link.fetch_resources = request.fetch_resources.unwrap_or_else(|| link.fetch_resources.clone());
        begins
    };
    if begins {
        loading::start(app, id.to_owned());
    }
    respond_with_object(app, call, &LINKS, id)
}

/// `DELETE /api/links/{id}/`: synchronous with a rate limit, or asynchronous with a webhook.
pub(crate) fn delete(app: &App, call: &Call, id: &str) -> Result<Response, ApiError> {
    if read(&app.world).link(id).is_none() {
        return Err(ApiError::not_found());
    }
    if call.asynchronous {
        let request_id = fresh_uuid();
        delete_later(app, id.to_owned(), request_id.clone());
        return Ok(accepted(&request_id));
    }
    let limit = read(&app.settings).delete_limit_per_min;
    if !lock(&app.deletions).admits(limit, Instant::now()) {
        let message = "Too many deletions. Use the asynchronous mode or wait a minute.";
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message));
    }
    write(&app.world).remove(id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn delete_later(app: &App, id: String, request_id: String) {
    let shared = Arc::clone(app);
    app.spawn(async move {
        loading::delay(&shared).await;
        let webhook = {
            let mut world = write(&shared.world);
            let Some(link) = world.link(&id) else { return };
            // Belvo documents the code and not the data.
            let webhook = Announcement::about(link, "LINK", "link_deleted", "{}").of_request(&request_id).outgoing();
            world.remove(&id);
            webhook
        };
        delivery::deliver(&shared, webhook).await;
    });
}

pub(crate) fn check_names(names: &[String]) -> Result<(), ApiError> {
    if names.iter().all(|name| FETCHABLE.contains(&name.as_str())) {
        return Ok(());
    }
    Err(ApiError::field("invalid_choice", "fetch_resources", "Not a valid choice."))
}
