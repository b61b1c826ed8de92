//! The control API: everything that a test does to the server, in process. `http` serves it under `/_control/`.

pub(crate) mod changes;
pub(crate) mod http;
mod links;
mod members;
mod new_link;
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
    links::{LinkSummary, ResourceSummary},
    new_link::NewLink,
    refresh::Refresh,
};

/// A handle that controls a running server, cheap to clone.
#[derive(Clone)]
pub struct Control {
    pub(crate) app: App,
}

/// An error of the control API. The call changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The link does not exist.
    #[error("the link does not exist")]
    UnknownLink,
    /// The resource does not exist.
    #[error("the resource does not exist")]
    UnknownResource,
    /// The link has no object with this id.
    #[error("the link has no object with this id")]
    UnknownObject,
    /// The resource has no webhook with this code.
    #[error("the resource has no webhook with this code")]
    UnknownCode,
    /// The access token is unknown, used or expired.
    #[error("the access token is not valid")]
    UnknownToken,
    /// A link with the id exists, or the maximum number of links is reached.
    #[error("the link already exists, or there are too many links")]
    AlreadyExists,
    /// A number exceeds what exists or its maximum.
    #[error("the number exceeds what exists, or its maximum")]
    TooMany,
    /// A value is not valid.
    #[error("{0} is not valid")]
    Invalid(String),
}

impl Control {
    /// Changes a link's data and sends the webhooks about it. Returns when they were acknowledged or given up.
    ///
    /// # Errors
    /// Returns an error if the link, the resource or an id is unknown, or a number exceeds what exists. Then nothing has changed.
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

    /// Sends a webhook about the current state, or with other `data` (JSON text). Returns when it was acknowledged or given up.
    ///
    /// # Errors
    /// Returns an error if the link, the resource or the code is unknown.
    pub async fn announce(
        &self,
        link: &str,
        webhook_type: &str,
        code: &str,
        data: Option<&str>,
    ) -> Result<Delivery, ControlError> {
        self.announce_with(link, webhook_type, code, data, false).await
    }

    /// Sends a webhook about a link, as [`Control::announce`], but keeps the status of the link: Belvo may change it later.
    ///
    /// # Errors
    /// Returns an error if the link, the resource or the code is unknown.
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

    /// Sends all webhooks that faults hold back.
    pub async fn release_webhooks(&self) -> Vec<Delivery> {
        delivery::release(&self.app).await
    }

    /// Sends a raw body, with another `Authorization` if given; an empty one sends none. Faults do not apply.
    pub async fn send(&self, body: impl Into<String>, authorization: Option<String>) -> Delivery {
        let body = body.into();
        let (webhook_type, webhook_code) = names(&body);
        self.app.webhooks.deliver(Outgoing { link_id: None, webhook_type, webhook_code, body, authorization }).await
    }

    /// Returns every present object of a resource as JSON text, in list order.
    ///
    /// # Errors
    /// Returns an error if the link or the resource is unknown.
    pub fn truth(&self, link: &str, resource: &str) -> Result<Vec<String>, ControlError> {
        Ok(self.truth_from(link, resource, 0, usize::MAX)?.0)
    }

    /// Returns at most `max` objects from a position on, and the position of the continuation.
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

    /// Sets the destination of webhooks. `None` keeps a value.
    pub fn set_webhook(&self, url: Option<String>, authorization: Option<String>, retry_interval: Option<Duration>) {
        let mut config = self.app.webhooks.config();
        config.url = url.or(config.url);
        config.authorization = authorization.or(config.authorization);
        config.retry_interval = retry_interval.unwrap_or(config.retry_interval);
        self.app.webhooks.configure(config);
    }

    /// Returns the last 1000 deliveries, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.app.webhooks.deliveries()
    }

    /// Clears the log of deliveries.
    pub fn clear_deliveries(&self) {
        self.app.webhooks.clear();
    }

    /// Returns the log of requests.
    #[must_use]
    pub fn requests(&self) -> RequestReport {
        self.app.requests.report()
    }

    /// Clears the log of requests.
    pub fn clear_requests(&self) {
        self.app.requests.clear();
    }

    /// Adds rules after the existing ones.
    ///
    /// # Errors
    /// Returns an error if there would be more than 100.
    pub fn add_faults(&self, rules: Vec<Rule>) -> Result<(), ControlError> {
        lock(&self.app.faults).add(rules).then_some(()).ok_or(ControlError::TooMany)
    }

    /// Returns the rules and their counters.
    #[must_use]
    pub fn faults(&self) -> Vec<RuleReport> {
        lock(&self.app.faults).report()
    }

    /// Removes all rules.
    pub fn clear_faults(&self) {
        lock(&self.app.faults).clear();
    }

    /// Returns the current settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        read(&self.app.settings).clone()
    }

    /// Replaces the settings.
    pub fn set_settings(&self, settings: Settings) {
        *write(&self.app.settings) = settings;
    }

    /// Restores the state at the start.
    pub fn reset(&self) {
        self.app.reset();
    }

    /// Returns the resource of this name in the country of the link.
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

/// Returns the type and the code of a body, empty if it is not a webhook.
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
