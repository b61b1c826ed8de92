//! The hands behind the curtain: everything that a test does to this Belvo, in process.
//!
//! The control API under `/_control/` is a thin layer of HTTP over this.

pub(crate) mod changes;
pub(crate) mod http;
mod links;
mod members;
mod refresh;

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    app::App,
    config::Settings,
    delivery,
    faults::{Rule, RuleReport},
    locks::{lock, read, write},
    requests::RequestReport,
    webhooks::{Delivery, Outgoing},
    world::{
        catalogue::{Holding, Resource, Written, by_name},
        resources::{consents::CONSENTS, links::LINKS},
    },
};

use self::changes::{Change, Changed};
pub use self::{
    links::{LinkSummary, NewLink, ResourceSummary},
    refresh::Refresh,
};

/// Controls a running server. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    pub(crate) app: App,
}

/// Why the control API did nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// No such link.
    #[error("there is no such link")]
    UnknownLink,
    /// No such resource.
    #[error("there is no such resource")]
    UnknownResource,
    /// No object with this id in this link.
    #[error("the link has no object with this id")]
    UnknownObject,
    /// The resource has no such webhook.
    #[error("the resource has no such webhook code")]
    UnknownCode,
    /// The token was used, is too old, or never was.
    #[error("the access token is not valid")]
    UnknownToken,
    /// The id is taken, or there are too many links.
    #[error("the link exists already, or there are too many")]
    Taken,
    /// More than there are, or than are allowed.
    #[error("so many there are not, or are not allowed")]
    TooMany,
    /// A value that cannot be.
    #[error("{0} is not valid")]
    Invalid(String),
}

impl Control {
    /// Changes a link's data and sends the webhooks that say so; returns when their fate is known.
    ///
    /// # Errors
    /// If the link, the resource or one of the ids is unknown, or more is wanted than is there. Then nothing has changed.
    pub async fn change(&self, link: &str, resource: &str, change: Change) -> Result<Changed, ControlError> {
        let resource = self.resource_of(link, resource)?;
        let mut changed = changes::apply(&mut write(&self.app.world), link, resource, &change)?;
        if change.announce {
            let codes = read(&self.app.world).link(link).map(|link| changes::due(link, resource)).unwrap_or_default();
            for code in codes {
                changed.deliveries.push(self.announce(link, resource.webhook_type, &code, None).await?);
            }
        }
        Ok(changed)
    }

    /// Sends the webhook that fits the present state, or one with other `data` (JSON text); returns when its fate is known.
    ///
    /// # Errors
    /// If the link, the resource or the code is unknown.
    pub async fn announce(
        &self,
        link: &str,
        webhook_type: &str,
        code: &str,
        data: Option<&str>,
    ) -> Result<Delivery, ControlError> {
        self.announce_with(link, webhook_type, code, data, false).await
    }

    /// The same, but a link whose credentials are announced as invalid keeps its status: Belvo changes it later.
    ///
    /// # Errors
    /// If the link, the resource or the code is unknown.
    pub async fn announce_before_status(
        &self,
        link: &str,
        webhook_type: &str,
        code: &str,
    ) -> Result<Delivery, ControlError> {
        self.announce_with(link, webhook_type, code, None, true).await
    }

    pub(crate) async fn announce_with(
        &self,
        link: &str,
        webhook_type: &str,
        code: &str,
        data: Option<&str>,
        keep_status: bool,
    ) -> Result<Delivery, ControlError> {
        let resource = by_name(webhook_type).ok_or(ControlError::UnknownResource)?;
        let outgoing = {
            let mut world = write(&self.app.world);
            if resource.number == LINKS.number {
                changes::link_announcement(&mut world, link, code, data, keep_status)?
            } else {
                let link = world.link_mut(link).ok_or(ControlError::UnknownLink)?;
                let resource = resource.in_country(link.institution.country);
                if resource.number == CONSENTS.number {
                    changes::consent_announcement(link, code, data)?
                } else {
                    changes::announcement(link, resource, code, data)?
                }
            }
        };
        Ok(delivery::deliver(&self.app, outgoing).await)
    }

    /// Sends now what faults hold back.
    pub async fn release_webhooks(&self) -> Vec<Delivery> {
        delivery::release(&self.app).await
    }

    /// Sends any body at all, with another `Authorization` if wanted (an empty one sends none). Faults do not apply.
    pub async fn send(&self, body: impl Into<String>, authorization: Option<String>) -> Delivery {
        let body = body.into();
        let (webhook_type, webhook_code) = names(&body);
        self.app.courier.deliver(Outgoing { link_id: None, webhook_type, webhook_code, body, authorization }).await
    }

    /// Every object of a resource that is there, as JSON text, in the order of the lists.
    ///
    /// # Errors
    /// If the link or the resource is unknown.
    pub fn truth(&self, link: &str, resource: &str) -> Result<Vec<String>, ControlError> {
        Ok(self.truth_from(link, resource, 0, usize::MAX)?.0)
    }

    /// Part of the truth: at most `max` objects from a position on, and the position at which to continue.
    pub(crate) fn truth_from(
        &self,
        link: &str,
        resource: &str,
        from: usize,
        max: usize,
    ) -> Result<(Vec<String>, Option<usize>), ControlError> {
        let resource = self.resource_of(link, resource)?;
        let world = read(&self.app.world);
        let link = world.link(link).ok_or(ControlError::UnknownLink)?;
        let table = link.table(resource);
        if !table.ready {
            return Ok((Vec::new(), None));
        }
        let end = from.saturating_add(max).min(table.rows.len());
        let mut written = Written::new();
        let order = self.settings().order;
        let row = |position| link.place(resource, table.at(position, order));
        let present = (from..end).filter_map(row).filter(|place| place.row.present());
        let texts = present.map(|place| resource.to_json(place, &mut written)).collect();
        Ok((texts, (end < table.rows.len()).then_some(end)))
    }

    /// Sets where webhooks go; what is absent stays.
    pub fn set_webhook(&self, url: Option<String>, authorization: Option<String>, retry_interval: Option<Duration>) {
        let mut config = self.app.courier.config();
        config.url = url.or(config.url);
        config.authorization = authorization.or(config.authorization);
        config.retry_interval = retry_interval.unwrap_or(config.retry_interval);
        self.app.courier.configure(config);
    }

    /// The last 1000 deliveries, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.app.courier.deliveries()
    }

    /// Forgets the deliveries.
    pub fn clear_deliveries(&self) {
        self.app.courier.clear();
    }

    /// What clients asked for.
    #[must_use]
    pub fn requests(&self) -> RequestReport {
        self.app.requests.report()
    }

    /// Forgets what clients asked for.
    pub fn clear_requests(&self) {
        self.app.requests.clear();
    }

    /// Adds rules after those that are there.
    ///
    /// # Errors
    /// If there would be more than 100.
    pub fn add_faults(&self, rules: Vec<Rule>) -> Result<(), ControlError> {
        lock(&self.app.faults).add(rules).then_some(()).ok_or(ControlError::TooMany)
    }

    /// The rules and what they did.
    #[must_use]
    pub fn faults(&self) -> Vec<RuleReport> {
        lock(&self.app.faults).report()
    }

    /// Removes all rules.
    pub fn clear_faults(&self) {
        lock(&self.app.faults).clear();
    }

    /// The present settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        read(&self.app.settings).clone()
    }

    /// Replaces the settings.
    pub fn set_settings(&self, settings: Settings) {
        *write(&self.app.settings) = settings;
    }

    /// Back to the state of the start.
    pub fn reset(&self) {
        self.app.reset();
    }

    /// The resource of this name that links of the link's country have.
    fn resource_of(&self, link: &str, name: &str) -> Result<&'static Resource, ControlError> {
        let resource = by_name(name).filter(|resource| resource.holding == Holding::PerLink);
        let resource = resource.ok_or(ControlError::UnknownResource)?;
        let world = read(&self.app.world);
        let link = world.link(link).ok_or(ControlError::UnknownLink)?;
        Ok(resource.in_country(link.institution.country))
    }

    pub(crate) fn of(app: &App) -> Self {
        Self { app: Arc::clone(app) }
    }
}

/// The type and the code of a body, if it is a webhook.
fn names(body: &str) -> (String, String) {
    #[derive(Deserialize)]
    struct Names {
        webhook_type: Option<Box<RawValue>>,
        webhook_code: Option<Box<RawValue>>,
    }
    let text = |raw: Option<Box<RawValue>>| raw.map(|raw| raw.get().trim_matches('"').to_owned()).unwrap_or_default();
    let Ok(names) = serde_json::from_str::<Names>(body) else {
        return Default::default();
    };
    (text(names.webhook_type), text(names.webhook_code))
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("base_url", &self.app.base_url).finish_non_exhaustive()
    }
}
