//! Changes to a link's data between two updates, as by the bank or by Belvo's own clean-up, and the webhooks about them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    control::ControlError,
    ids::MAX_ROWS,
    time::now_micros,
    webhooks::{Announcement, Delivery, Outgoing},
    world::{
        Link, World,
        catalogue::Resource,
        resources::{accounts::ACCOUNTS, consents},
    },
};

/// The maximum number of objects added at once.
const MAX_ADDED: usize = 1_000_000;

/// A change to the objects of a resource.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// The number of new objects, created now.
    pub add: usize,
    /// Objects that get another amount, description and status.
    pub update: Selection,
    /// Objects to delete.
    pub delete: Selection,
    /// Deleted objects to restore, in their old place.
    pub restore: Vec<String>,
    /// Objects that Belvo writes again unchanged: only `created_at` and `collected_at` change. No webhook announces it.
    pub resave: Selection,
    /// Whether to send webhooks, also about earlier changes that were not announced.
    pub announce: bool,
    /// Whether to collect the link's accounts again, which changes their balances.
    pub refresh_accounts: bool,
}

/// A selection of objects: a number picked by the seed, or ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Selection {
    /// This number of present objects.
    Count(usize),
    /// The objects with these ids.
    Ids(Vec<String>),
}

/// The result of a change.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Changed {
    /// The ids of the new objects.
    pub added: Vec<String>,
    /// The ids of the changed objects.
    pub updated: Vec<String>,
    /// The ids of the deleted objects.
    pub deleted: Vec<String>,
    /// The ids of the objects that were restored.
    pub restored: Vec<String>,
    /// The ids of the objects that were written again unchanged.
    pub resaved: Vec<String>,
    /// The deliveries of the webhooks.
    pub deliveries: Vec<Delivery>,
}

impl Default for Change {
    fn default() -> Self {
        Self {
            add: 0,
            update: Selection::default(),
            delete: Selection::default(),
            restore: Vec::new(),
            resave: Selection::default(),
            announce: true,
            refresh_accounts: true,
        }
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self::Count(0)
    }
}

/// Changes the data: all of it or, on an error, nothing.
pub(crate) fn apply(
    world: &mut World,
    link_id: &str,
    resource: &'static Resource,
    change: &Change,
) -> Result<Changed, ControlError> {
    let deleted = select(world, link_id, resource, &change.delete, &[])?;
    let updated = select(world, link_id, resource, &change.update, &deleted)?;
    let restored = find(world, link_id, resource, &change.restore)?;
    let resaved = select(world, link_id, resource, &change.resave, &[&deleted[..], &updated].concat())?;
    let link = world.link_mut(link_id).ok_or(ControlError::UnknownLink)?;
    if change.add > MAX_ADDED || link.table(resource).rows.len() + change.add > MAX_ROWS {
        return Err(ControlError::TooMany);
    }
    let now = now_micros();
    delete(link, resource, &deleted, now);
    update(link, resource, &updated, now);
    restore(link, resource, &restored);
    link.saved.extend(resaved.iter().map(|index| ((resource.number, *index), now)));
    let first = link.table(resource).rows.len();
    link.append(resource, change.add, now);
    link.table_mut(resource).news.added += change.add;
    if change.refresh_accounts && resource.in_account {
        refresh_accounts(link, now);
    }
    let ids = |rows: &[usize]| ids(link, resource, rows.iter().copied());
    Ok(Changed {
        added: self::ids(link, resource, first..first + change.add),
        updated: ids(&updated),
        deleted: ids(&deleted),
        restored: ids(&restored),
        resaved: ids(&resaved),
        deliveries: Vec::new(),
    })
}

/// Returns the webhook with this code about the current state, or about the changes since the last one.
pub(crate) fn announcement(
    link: &mut Link,
    resource: &'static Resource,
    code: &str,
    data: Option<&str>,
) -> Result<Outgoing, ControlError> {
    let announced = resource.announced.as_ref().ok_or(ControlError::UnknownCode)?;
    let historical = (announced.historical)(link).into_iter().find(|(known, _)| *known == code);
    let default_data = if let Some((_, data)) = historical {
        data
    } else if code == announced.new.0 {
        let added = std::mem::take(&mut link.table_mut(resource).news.added);
        (announced.new.1)(added)
    } else if code == change_code(resource, "updated") {
        let rows = std::mem::take(&mut link.table_mut(resource).news.updated);
        id_list(&id_key(resource, "updated"), &ids(link, resource, rows))
    } else if code == change_code(resource, "deleted") {
        let rows = std::mem::take(&mut link.table_mut(resource).news.deleted);
        id_list(&id_key(resource, "deleted"), &ids(link, resource, rows))
    } else {
        return Err(ControlError::UnknownCode);
    };
    Ok(Announcement::about(link, resource.webhook_type, code, data.unwrap_or(&default_data)).outgoing())
}

/// Returns the webhook about the link itself. Also changes its status unless `keep_status`, and removes a deleted link.
pub(crate) fn link_announcement(
    world: &mut World,
    link_id: &str,
    code: &str,
    data: Option<&str>,
    keep_status: bool,
) -> Result<Outgoing, ControlError> {
    let link = world.link_mut(link_id).ok_or(ControlError::UnknownLink)?;
    let (status, default_data) = match code {
        "link_deleted" => {
            let webhook = Announcement::about(link, "LINK", code, data.unwrap_or("{}")).outgoing();
            world.remove(link_id);
            return Ok(webhook);
        }
        "invalid_credentials" => (
            "invalid",
            r#"{"error_code":"login_error","error_message":"Invalid credentials provided to login to the institution","status":400}"#,
        ),
        "token_required" => (
            "token_required",
            r#"{"error_code":"token_required","error_message":"A MFA token is required by the institution to login","status":428}"#,
        ),
        _ => return Err(ControlError::UnknownCode),
    };
    if !keep_status {
        link.status = status;
    }
    Ok(Announcement::about(link, "LINK", code, data.unwrap_or(default_data)).outgoing())
}

/// Returns the webhook about the link's consent. An expired consent stays expired.
pub(crate) fn consent_announcement(link: &mut Link, code: &str, data: Option<&str>) -> Result<Outgoing, ControlError> {
    let expired = match code {
        "openfinance_consent_about_to_expire" => false,
        "openfinance_consent_expired" | "consent_expired" => true,
        _ => return Err(ControlError::UnknownCode),
    };
    let default_data = consents::announcement(link, !expired).ok_or(ControlError::UnknownObject)?.to_string();
    link.consent_expired |= expired;
    Ok(Announcement::about(link, "CONSENT", code, data.unwrap_or(&default_data)).outgoing())
}

/// Returns the codes of the webhooks about changes that were not announced.
pub(crate) fn due(link: &Link, resource: &Resource) -> Vec<String> {
    let news = &link.table(resource).news;
    let Some(announced) = &resource.announced else {
        return Vec::new();
    };
    let new = (news.added > 0).then_some(announced.new.0.to_owned());
    let updated = (announced.ids && !news.updated.is_empty()).then(|| change_code(resource, "updated"));
    let deleted = (announced.ids && !news.deleted.is_empty()).then(|| change_code(resource, "deleted"));
    [new, updated, deleted].into_iter().flatten().collect()
}

/// Returns a code such as `transactions_updated`. Belvo documents it only for transactions; for others a test must ask for it.
fn change_code(resource: &Resource, what: &str) -> String {
    format!("{}_{what}", resource.webhook_type.to_lowercase())
}

/// Returns a key such as `updated_transactions`.
fn id_key(resource: &Resource, what: &str) -> String {
    format!("{what}_{}", resource.webhook_type.to_lowercase())
}

fn id_list(key: &str, ids: &[String]) -> String {
    let list = serde_json::to_string(ids).unwrap_or_default();
    format!(r#"{{"count":{},"{key}":{list}}}"#, ids.len())
}

fn ids(link: &Link, resource: &Resource, rows: impl IntoIterator<Item = usize>) -> Vec<String> {
    rows.into_iter().filter_map(|index| link.place(resource, index)).map(resource.id).collect()
}

/// Returns the rows of a selection. A random one skips the rows in `taken`.
fn select(
    world: &mut World,
    link_id: &str,
    resource: &'static Resource,
    selection: &Selection,
    taken: &[usize],
) -> Result<Vec<usize>, ControlError> {
    let wanted = match selection {
        Selection::Ids(ids) => return find(world, link_id, resource, ids),
        Selection::Count(0) => return Ok(Vec::new()),
        Selection::Count(wanted) => *wanted,
    };
    let link = world.link(link_id).ok_or(ControlError::UnknownLink)?;
    let taken: BTreeSet<&usize> = taken.iter().collect();
    let free: Vec<usize> = link.table(resource).present().filter(|index| !taken.contains(index)).collect();
    if wanted > free.len() {
        return Err(ControlError::TooMany);
    }
    let mut rows = world.rng.choose_multiple(free, wanted);
    rows.sort_unstable();
    Ok(rows)
}

fn find(world: &World, link_id: &str, resource: &Resource, ids: &[String]) -> Result<Vec<usize>, ControlError> {
    let row = |id: &String| {
        let (link, locator) = world.locate(id).filter(|(link, _)| link.id == link_id)?;
        let known = locator.resource == resource.number && locator.index < link.table(resource).rows.len();
        known.then_some(locator.index)
    };
    ids.iter().map(|id| row(id).ok_or(ControlError::UnknownObject)).collect()
}

fn delete(link: &mut Link, resource: &Resource, rows: &[usize], now: i64) {
    let table = link.table_mut(resource);
    for index in rows {
        let row = &mut table.rows[*index];
        if row.present() {
            row.gone = now;
            table.gone += 1;
            table.news.deleted.insert(*index);
        }
    }
}

fn update(link: &mut Link, resource: &Resource, rows: &[usize], now: i64) {
    let table = link.table_mut(resource);
    for index in rows {
        let row = &mut table.rows[*index];
        row.revision += 1;
        row.collected = now;
        table.news.updated.insert(*index);
    }
}

/// Restores rows. A row whose deletion was not announced needs no webhook; any other is announced as new.
fn restore(link: &mut Link, resource: &Resource, rows: &[usize]) {
    let table = link.table_mut(resource);
    for index in rows {
        let row = &mut table.rows[*index];
        if row.present() {
            continue;
        }
        row.gone = 0;
        table.gone -= 1;
        let unannounced = table.news.deleted.remove(index);
        table.news.added += usize::from(!unannounced);
    }
}

fn refresh_accounts(link: &mut Link, now: i64) {
    for row in &mut link.table_mut(&ACCOUNTS).rows {
        row.collected = now;
        row.revision += 1;
    }
}
