//! Links: creation with data, connection through the widget, summaries, deletion.

use serde::Serialize;

use super::new_link::{FILE_BYTES, MAX_ACCOUNTS, MAX_ROWS, NewLink, blueprint, institution_named, sizes};
use super::{Control, ControlError};
use crate::{
    loading,
    locks::{lock, read, write},
    time::{Day, now_micros},
    tokens::Grant,
    world::{
        Blueprint, Link,
        catalogue::{Resource, Sizes},
        resources::{consents::CONSENTS, institutions::Institution},
    },
};

/// The default number of objects of a resource that a link loads.
const USUALLY_LOADED: usize = 3;
const RATES: [&str; 5] = ["6h", "12h", "24h", "7d", "30d"];

/// A summary of a link.
#[derive(Debug, Clone, Serialize)]
pub struct LinkSummary {
    /// The id of the link.
    pub link_id: String,
    /// The caller's id for it.
    pub external_id: Option<String>,
    /// The institution's name.
    pub institution: String,
    /// `valid`, `invalid`, `token_required` or `unconfirmed`.
    pub status: String,
    /// A summary of each resource.
    pub resources: Vec<ResourceSummary>,
}

/// A summary of one resource of a link.
#[derive(Debug, Clone, Serialize)]
pub struct ResourceSummary {
    /// The webhook type, such as `TRANSACTIONS`.
    pub resource: String,
    /// Whether it was loaded. Until then, lists are empty.
    pub ready: bool,
    /// The number of present objects.
    pub present: usize,
    /// The number of deleted objects.
    pub deleted: usize,
}

impl Control {
    /// Creates a link with its data.
    ///
    /// # Errors
    /// Returns an error if a value is not valid or the link already exists.
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
            return Err(ControlError::AlreadyExists);
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

    /// Redeems a widget token, as a user of the widget. The new link loads in the background and sends webhooks. A token for an
    /// existing link makes that link valid.
    ///
    /// # Errors
    /// Returns an error if the token is not valid or the institution is unknown.
    pub fn connect_widget(&self, access: &str, institution: Option<&str>) -> Result<LinkSummary, ControlError> {
        self.connect_widget_as(access, institution, None)
    }

    /// Redeems a widget token with an access mode: `single` or, by default, `recurrent`.
    ///
    /// # Errors
    /// Returns an error if the token is not valid, the institution is unknown, or the access mode is not valid.
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
        let id = self.begin_link(institution, Grant { recurrent, ..grant }).ok_or(ControlError::AlreadyExists)?;
        self.link(&id)
    }

    /// Creates an empty link and starts to load it. Returns `None` if there are too many links.
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

    /// A summary of a link.
    ///
    /// # Errors
    /// Returns an error if the link does not exist.
    pub fn link(&self, link: &str) -> Result<LinkSummary, ControlError> {
        read(&self.app.world).link(link).map(summary).ok_or(ControlError::UnknownLink)
    }

    /// Returns a summary of each link.
    #[must_use]
    pub fn links(&self) -> Vec<LinkSummary> {
        read(&self.app.world).links().map(summary).collect()
    }

    /// Deletes a link and all of its data.
    ///
    /// # Errors
    /// Returns an error if the link does not exist.
    pub fn delete_link(&self, link: &str) -> Result<(), ControlError> {
        write(&self.app.world).remove(link).then_some(()).ok_or(ControlError::UnknownLink)
    }

    /// Sets the status of a link.
    ///
    /// # Errors
    /// Returns an error if the link or the status does not exist.
    pub fn set_status(&self, link: &str, status: &str) -> Result<LinkSummary, ControlError> {
        let known = ["valid", "invalid", "unconfirmed", "token_required"].into_iter().find(|known| *known == status);
        let mut world = write(&self.app.world);
        let link = world.link_mut(link).ok_or(ControlError::UnknownLink)?;
        link.status = known.ok_or_else(|| ControlError::Invalid("status".into()))?;
        Ok(summary(link))
    }
}

/// Returns `true` if a summary includes a resource: the link fetches it or has objects of it.
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
