//! Background loads of a link that was created through `/api/`.
//!
//! Belvo responds to `POST /api/links/` before it has fetched anything. Lists stay empty until a resource has been loaded; its
//! `historical_update` webhook follows.

use std::{sync::Arc, time::Duration};

use crate::{
    app::App,
    delivery,
    locks::{read, write},
    webhooks::{Announcement, Outgoing},
    world::{Link, catalogue::Resource},
};

/// Loads the requested resources of a link in the background, and announces each.
pub(crate) fn start(app: &App, link_id: String) {
    let shared = Arc::clone(app);
    app.spawn(async move {
        let wanted = read(&shared.world).link(&link_id).map(requested).unwrap_or_default();
        for resource in wanted {
            delay(&shared).await;
            load(&shared, &link_id, resource, None);
        }
    });
}

/// Returns the requested resources of a link.
fn requested(link: &Link) -> Vec<&'static Resource> {
    link.resources().filter(|resource| link.fetch_resources.iter().any(|name| name == resource.webhook_type)).collect()
}

/// Waits for the simulated latency of the institution.
pub(crate) async fn delay(app: &App) {
    let delay = read(&app.settings).load_delay_ms;
    tokio::time::sleep(Duration::from_millis(delay)).await;
}

/// Makes a resource available and announces it.
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

/// Returns the webhooks about the objects of a first load.
fn historical(link: &Link, resource: &Resource, request_id: Option<&str>) -> Vec<Outgoing> {
    let webhooks = resource.announced.as_ref().map(|announced| (announced.historical)(link)).unwrap_or_default();
    let outgoing = |(code, data): &(&str, String)| {
        let announcement = Announcement::about(link, resource.webhook_type, code, data);
        Announcement { request_id, ..announcement }.outgoing()
    };
    webhooks.iter().map(outgoing).collect()
}
