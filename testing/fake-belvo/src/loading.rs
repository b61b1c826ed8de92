//! How data gets into a link: at once for the control API, little by little for a link that was made through `/api/`.
//!
//! Belvo answers `POST /api/links/` before it has fetched anything. Lists stay empty until a resource has been loaded; only then
//! comes its `historical_update` webhook.

use std::{sync::Arc, time::Duration};

use crate::{
    app::{App, read, write},
    catalogue::{CATALOGUE, Holding, Resource, Sizes},
    draw::Dice,
    mishaps,
    resources::accounts::ACCOUNTS,
    webhooks::{Announcement, Outgoing},
    world::{Link, Row},
};

/// Appends rows, created one microsecond after the other and all before `until`, unless older rows are younger than that.
pub(crate) fn append(link: &mut Link, resource: &Resource, count: usize, until: i64) {
    let accounts = link.table(&ACCOUNTS).rows.len();
    let table = link.table_mut(resource);
    let span = i64::try_from(count).unwrap_or(i64::MAX);
    let after_last = table.rows.last().map_or(i64::MIN, |row| row.created + 1);
    let first = until.saturating_sub(span).max(after_last);
    table.rows.reserve(count);
    for created in first..first + span {
        let index = table.rows.len();
        let account = if resource.in_account { account_of(table.seed, index, accounts) } else { None };
        table.rows.push(Row { collected: created.max(until), account, ..Row::new(created) });
    }
    link.order_by_id(resource);
}

/// Puts the first load of every resource in place; nothing shows before [`make_ready`].
pub(crate) fn fill(link: &mut Link, sizes: &Sizes, loaded_at: i64) {
    for resource in per_link(link) {
        append(link, resource, sizes.of(resource.webhook_type), loaded_at);
        let table = link.table_mut(resource);
        table.loaded = table.rows.len();
    }
}

/// The resources that links of the link's country have.
pub(crate) fn per_link(link: &Link) -> impl Iterator<Item = &'static Resource> + use<> {
    let country = link.institution.country;
    CATALOGUE.into_iter().filter(move |resource| resource.holding == Holding::PerLink && resource.serves(country))
}

pub(crate) fn make_ready(link: &mut Link, resource: &Resource) {
    link.table_mut(resource).ready = true;
}

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
    per_link(link).filter(|resource| link.fetch_resources.iter().any(|name| name == resource.webhook_type)).collect()
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
        make_ready(link, resource);
        historical(link, resource, request_id)
    };
    let shared = Arc::clone(app);
    app.spawn(async move {
        for outgoing in webhooks {
            mishaps::deliver(&shared, outgoing).await;
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

/// Far in, one transaction in 1024 has no account: Belvo's schema allows null.
fn account_of(seed: u64, index: usize, accounts: usize) -> Option<u16> {
    let dice = Dice::new(seed, index);
    if accounts == 0 || (index >= 100 && dice.once_in("no account", 1024)) {
        return None;
    }
    u16::try_from(dice.below("account", accounts)).ok()
}
