//! Links, from the outside: made with their data, connected, looked at, deleted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Control, ControlError};
use crate::{
    loading,
    locks::{lock, read, write},
    random::mix,
    time::{DAY_MICROS, Day, now_micros, parse_moment},
    tokens::Grant,
    world::{
        Blueprint, Link,
        catalogue::{FETCHABLE, Resource, Sizes},
        resources::{
            consents::CONSENTS,
            institutions::{self, Institution},
        },
    },
};

/// A link's accounts are numbered in 16 bits and written into each transaction.
const MAX_ACCOUNTS: usize = 1_000;
/// 36 bytes each.
const MAX_ROWS: usize = 10_000_000;
/// How many objects of a resource a link loads, unless a setting says otherwise.
const USUALLY_LOADED: usize = 3;
const FILE_BYTES: usize = 300;
const MAX_FILE_BYTES: usize = 4 << 20;
const RATES: [&str; 5] = ["6h", "12h", "24h", "7d", "30d"];
/// What every link has.
const USUAL: [&str; 2] = ["ACCOUNTS", "TRANSACTIONS"];
/// Older than this no link can be.
const MAX_DAYS: u32 = 20_000;

/// A link that shall be there, with its data, at once and without webhooks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewLink {
    /// 1 to 128 characters of `A-Z a-z 0-9 _ -`; drawn from the seed if absent.
    pub id: Option<String>,
    /// Null if absent.
    pub external_id: Option<String>,
    /// `erebor_mx_retail` if absent.
    pub institution: Option<String>,
    /// `single` or `recurrent`.
    pub access_mode: String,
    /// Of a recurrent link: `6h`, `12h`, `24h`, `7d` or `30d`.
    pub refresh_rate: String,
    /// How many accounts.
    pub accounts: usize,
    /// How many transactions.
    pub transactions: usize,
    /// How many of other resources, by webhook type: `{"OWNERS": 2, "BILLS": 3}`.
    pub resources: BTreeMap<String, usize>,
    /// How long documents (`pdf`, `xml`) are, about.
    pub file_bytes: usize,
    /// The objects are made as by [`shapes::random`](crate::shapes::random), but for their ids, the times of their creation and
    /// collection, and what a filter of the resource asks for.
    pub wild: bool,
    /// The server's if absent.
    pub seed: Option<u64>,
    /// When the link and its data were created.
    pub created_days_ago: u32,
    /// The same as an exact moment, which wins; the data then never depends on the day.
    pub created_at: Option<String>,
}

/// What is in a link.
#[derive(Debug, Clone, Serialize)]
pub struct LinkSummary {
    /// The link.
    pub link_id: String,
    /// The caller's id for it.
    pub external_id: Option<String>,
    /// The institution's name.
    pub institution: String,
    /// `valid`, `invalid`, `token_required` or `unconfirmed`.
    pub status: String,
    /// What is there of each resource.
    pub resources: Vec<ResourceSummary>,
}

/// What is there of one resource.
#[derive(Debug, Clone, Serialize)]
pub struct ResourceSummary {
    /// Such as `TRANSACTIONS`.
    pub resource: String,
    /// Whether it was loaded; before, lists are empty.
    pub ready: bool,
    /// How many objects are there.
    pub present: usize,
    /// How many were deleted.
    pub deleted: usize,
}

impl Default for NewLink {
    fn default() -> Self {
        Self {
            id: None,
            external_id: None,
            institution: None,
            access_mode: "recurrent".into(),
            refresh_rate: "7d".into(),
            accounts: 3,
            transactions: 2_500,
            resources: BTreeMap::new(),
            file_bytes: FILE_BYTES,
            wild: false,
            seed: None,
            created_days_ago: 30,
            created_at: None,
        }
    }
}

impl Control {
    /// Creates a link with its data.
    ///
    /// # Errors
    /// If a value is not valid or the id is taken.
    pub fn create_link(&self, new: NewLink) -> Result<LinkSummary, ControlError> {
        let sizes = sizes(&new)?;
        let mut world = write(&self.app.world);
        let id = new.id.clone().unwrap_or_else(|| world.next_link_id());
        let wild = new.wild;
        let refresh_rate = RATES.into_iter().find(|rate| *rate == new.refresh_rate);
        let refresh_rate = refresh_rate.ok_or_else(|| ControlError::Invalid("refresh_rate".into()))?;
        let blueprint = blueprint(id.clone(), new.seed.unwrap_or(world.seed), new)?;
        let created = blueprint.created;
        if !world.add(blueprint) {
            return Err(ControlError::Taken);
        }
        let link = world.link_mut(&id).ok_or(ControlError::UnknownLink)?;
        link.refresh_rate = refresh_rate;
        link.wild = wild;
        link.fill(&sizes, created);
        for resource in link.resources() {
            link.make_ready(resource);
        }
        Ok(summary(link))
    }

    /// Acts as the user who connects through the widget; the link loads and announces by itself. With a token that was made for a
    /// link, the user gives that link working credentials.
    ///
    /// # Errors
    /// If the token is not valid (any more) or the institution is unknown.
    pub fn connect_widget(&self, access: &str, institution: Option<&str>) -> Result<LinkSummary, ControlError> {
        self.connect_widget_as(access, institution, None)
    }

    /// The same; the link is `single` or, unless told otherwise, `recurrent`. The widget is told so, not the token.
    ///
    /// # Errors
    /// If the token is not valid (any more), the institution is unknown, or the access mode is neither.
    pub fn connect_widget_as(
        &self,
        access: &str,
        institution: Option<&str>,
        access_mode: Option<&str>,
    ) -> Result<LinkSummary, ControlError> {
        let recurrent = match access_mode {
            None | Some("recurrent") => true,
            Some("single") => false,
            Some(_) => return Err(ControlError::Invalid("access_mode".into())),
        };
        let institution = institution_named(institution)?;
        let grant = lock(&self.app.tokens).redeem(access).ok_or(ControlError::UnknownToken)?;
        if let Some(link) = &grant.link_id {
            return self.set_status(link, "valid");
        }
        let id = self.begin_link(institution, Grant { recurrent, ..grant }).ok_or(ControlError::Taken)?;
        self.link(&id)
    }

    /// Creates an empty link and starts to load it. Nothing if there are too many.
    pub(crate) fn begin_link(&self, institution: &'static Institution, grant: Grant) -> Option<String> {
        let settings = self.settings();
        let now = now_micros();
        let mut world = write(&self.app.world);
        let (id, seed) = (world.next_link_id(), world.seed);
        let added = world.add(Blueprint {
            id: id.clone(),
            seed,
            external_id: grant.external_id,
            institution,
            recurrent: grant.recurrent,
            fetch_resources: grant.fetch_resources,
            file_bytes: FILE_BYTES,
            created: now,
            history: (Day::of(now).plus(-365), Day::of(now)),
        });
        if !added {
            return None;
        }
        let mut named = settings.load_resources.clone();
        named.insert("ACCOUNTS".into(), settings.load_accounts.min(MAX_ACCOUNTS));
        named.insert("TRANSACTIONS".into(), settings.load_transactions.min(MAX_ROWS));
        named.insert("CONSENT".into(), usize::from(institution.open_finance()));
        let link = world.link_mut(&id)?;
        link.fill(&Sizes { named, usual: USUALLY_LOADED }, now);
        link.make_ready(&CONSENTS);
        drop(world);
        loading::start(&self.app, id.clone());
        Some(id)
    }

    /// What is in a link.
    ///
    /// # Errors
    /// If there is no such link.
    pub fn link(&self, link: &str) -> Result<LinkSummary, ControlError> {
        read(&self.app.world).link(link).map(summary).ok_or(ControlError::UnknownLink)
    }

    /// All links.
    #[must_use]
    pub fn links(&self) -> Vec<LinkSummary> {
        read(&self.app.world).links().map(summary).collect()
    }

    /// Deletes a link and all of its data.
    ///
    /// # Errors
    /// If there is no such link.
    pub fn delete_link(&self, link: &str) -> Result<(), ControlError> {
        write(&self.app.world).remove(link).then_some(()).ok_or(ControlError::UnknownLink)
    }

    /// Sets a link's status, as the institution would.
    ///
    /// # Errors
    /// If there is no such link or status.
    pub fn set_status(&self, link: &str, status: &str) -> Result<LinkSummary, ControlError> {
        let known = ["valid", "invalid", "unconfirmed", "token_required"].into_iter().find(|known| *known == status);
        let mut world = write(&self.app.world);
        let link = world.link_mut(link).ok_or(ControlError::UnknownLink)?;
        link.status = known.ok_or_else(|| ControlError::Invalid("status".into()))?;
        Ok(summary(link))
    }
}

/// How many of each resource a new link has.
fn sizes(new: &NewLink) -> Result<Sizes, ControlError> {
    let institution = institution_named(new.institution.as_deref())?;
    let mut named = new.resources.clone();
    if let Some(unknown) = named.keys().find(|name| !FETCHABLE.contains(&name.as_str()) && *name != "BALANCES") {
        return Err(ControlError::Invalid(format!("resource {unknown}")));
    }
    named.insert("ACCOUNTS".into(), new.accounts);
    named.insert("TRANSACTIONS".into(), new.transactions);
    named.insert("CONSENT".into(), usize::from(institution.open_finance()));
    if new.accounts > MAX_ACCOUNTS || named.values().any(|size| *size > MAX_ROWS) {
        return Err(ControlError::TooMany);
    }
    Ok(Sizes { named, usual: 0 })
}

fn institution_named(name: Option<&str>) -> Result<&'static Institution, ControlError> {
    name.map_or(Some(&institutions::BANKS[0]), institutions::by_name)
        .ok_or_else(|| ControlError::Invalid("institution".into()))
}

fn blueprint(id: String, seed: u64, new: NewLink) -> Result<Blueprint, ControlError> {
    let invalid = |what: &str| ControlError::Invalid(what.into());
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !plain || id.is_empty() || id.len() > 128 {
        return Err(invalid("id"));
    }
    if new.created_days_ago > MAX_DAYS {
        return Err(invalid("created_days_ago"));
    }
    let created = match &new.created_at {
        Some(moment) => parse_moment(moment).ok_or_else(|| invalid("created_at"))?,
        None => created_days_ago(new.created_days_ago, seed),
    };
    Ok(Blueprint {
        id,
        seed,
        external_id: new.external_id,
        institution: institution_named(new.institution.as_deref())?,
        recurrent: match new.access_mode.as_str() {
            "recurrent" => true,
            "single" => false,
            _ => return Err(invalid("access_mode")),
        },
        fetch_resources: USUAL.map(str::to_owned).into_iter().chain(new.resources.into_keys()).collect(),
        file_bytes: new.file_bytes.min(MAX_FILE_BYTES),
        created,
        history: (Day::of(created).plus(-365), Day::of(created)),
    })
}

/// Now, or a time of that day that the seed decides, so that the data is the same all day long.
fn created_days_ago(days: u32, seed: u64) -> i64 {
    let now = now_micros();
    if days == 0 {
        return now;
    }
    let time = i64::try_from(mix(seed) % 80_000_000_000).unwrap_or_default();
    now - now.rem_euclid(DAY_MICROS) - i64::from(days) * DAY_MICROS + time
}

/// Whether a summary names a resource: the link asked for it, or has some.
fn mentioned(link: &Link, resource: &Resource) -> bool {
    let asked = link.fetch_resources.iter().any(|name| name == resource.webhook_type);
    resource.number != CONSENTS.number && (asked || !link.table(resource).rows.is_empty())
}

fn summary(link: &Link) -> LinkSummary {
    let of = |resource: &Resource| {
        let table = link.table(resource);
        ResourceSummary {
            resource: resource.webhook_type.into(),
            ready: table.ready,
            present: if table.ready { table.rows.len() - table.gone } else { 0 },
            deleted: table.gone,
        }
    };
    LinkSummary {
        link_id: link.id.clone(),
        external_id: link.external_id.clone(),
        institution: link.institution.name.into(),
        status: link.status.into(),
        resources: link.resources().filter(|resource| mentioned(link, resource)).map(of).collect(),
    }
}
