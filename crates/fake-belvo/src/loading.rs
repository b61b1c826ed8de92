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
    webhooks::Announcement,
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
}

/// Puts the first load of every resource in place; nothing shows before [`make_ready`].
pub(crate) fn fill(link: &mut Link, sizes: &Sizes, loaded_at: i64) {
    for resource in CATALOGUE.iter().filter(|resource| resource.holding == Holding::PerLink) {
        append(link, resource, (resource.first_load)(sizes), loaded_at);
        let table = link.table_mut(resource);
        table.loaded = table.rows.len();
    }
}

pub(crate) fn make_ready(link: &mut Link, resource: &Resource) {
    link.table_mut(resource).ready = true;
}

/// Loads what the link asked for, in the background, and announces each resource once it is there.
pub(crate) fn start(app: &App, link_id: String) {
    let shared = Arc::clone(app);
    app.spawn(async move {
        let fetched = read(&shared.world).link(&link_id).map(|link| link.fetch_resources.clone()).unwrap_or_default();
        for resource in CATALOGUE.iter().filter(|resource| fetched.iter().any(|name| name == resource.webhook_type)) {
            let delay = read(&shared.settings).load_delay_ms;
            tokio::time::sleep(Duration::from_millis(delay)).await;
            load(&shared, &link_id, resource);
        }
    });
}

fn load(app: &App, link_id: &str, resource: &'static Resource) {
    let outgoing = {
        let mut world = write(&app.world);
        let (Some(link), Some(announced)) = (world.link_mut(link_id), &resource.announced) else {
            return;
        };
        make_ready(link, resource);
        let data = (announced.historical)(link);
        historical(link, resource, &data).outgoing()
    };
    let shared = Arc::clone(app);
    app.spawn(async move {
        mishaps::deliver(&shared, outgoing).await;
    });
}

pub(crate) fn historical<'a>(link: &'a Link, resource: &'a Resource, data: &'a str) -> Announcement<'a> {
    Announcement {
        webhook_type: resource.webhook_type,
        webhook_code: "historical_update",
        link_id: &link.id,
        external_id: link.external_id.as_deref(),
        data,
    }
}

/// Far in, one transaction in 1024 has no account: Belvo's schema allows null.
fn account_of(seed: u64, index: usize, accounts: usize) -> Option<u16> {
    let dice = Dice::new(seed, index);
    if accounts == 0 || (index >= 100 && dice.once_in("no account", 1024)) {
        return None;
    }
    u16::try_from(dice.below("account", accounts)).ok()
}
