//! How data gets into a link: at once for the control API, little by little for a link that was made through `/api/`.
//!
//! Belvo answers `POST /api/links/` before it has fetched anything. Lists stay empty until a resource has been loaded; only then
//! comes its `historical_update` webhook.

use std::{sync::Arc, time::Duration};

use crate::{
    app::App,
    delivery,
    locks::{read, write},
    webhooks::{Announcement, Outgoing},
    world::{Link, catalogue::Resource},
};

/// Loads what the link asked for, in the background, and announces each resource once it is there.
pub(crate) fn start(app: &App, link_id: String) {
    let shared = Arc::clone(app);
    app.spawn(async move {
        let wanted = read(&shared.world).link(&link_id).map(asked_for).unwrap_or_default();
        for resource in wanted {
            delay(&shared).await;
            load(&shared, &link_id, resource, None);
        }
    });
}

/// What the link asked for.
fn asked_for(link: &Link) -> Vec<&'static Resource> {
    link.resources().filter(|resource| link.fetch_resources.iter().any(|name| name == resource.webhook_type)).collect()
}

/// What the institution needs to answer.
pub(crate) async fn delay(app: &App) {
    let delay = read(&app.settings).load_delay_ms;
    tokio::time::sleep(Duration::from_millis(delay)).await;
}

/// Shows one resource and announces it.
pub(crate) fn load(app: &App, link_id: &str, resource: &'static Resource, request_id: Option<&str>) {
    let webhooks = {
        let mut world = write(&app.world);
        let Some(link) = world.link_mut(link_id) else { return };
        link.make_ready(resource);
        historical(link, resource, request_id)
    };
    let shared = Arc::clone(app);
    app.spawn(async move {
        for outgoing in webhooks {
            delivery::deliver(&shared, outgoing).await;
        }
    });
}

/// The webhooks about what is there after a load.
fn historical(link: &Link, resource: &Resource, request_id: Option<&str>) -> Vec<Outgoing> {
    let webhooks = resource.announced.as_ref().map(|announced| (announced.historical)(link)).unwrap_or_default();
    let outgoing = |(code, data): &(&str, String)| {
        let announcement = Announcement::about(link, resource.webhook_type, code, data);
        Announcement { request_id, ..announcement }.outgoing()
    };
    webhooks.iter().map(outgoing).collect()
}
