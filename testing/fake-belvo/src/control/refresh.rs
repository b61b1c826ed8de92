//! The scheduled refresh of a recurrent link: new, changed and deleted objects, with webhooks.

use serde::{Deserialize, Serialize};

use super::{Control, ControlError};
use crate::{
    control::changes::{Change, Selection},
    locks::{read, write},
    time::now_micros,
    webhooks::Delivery,
    world::{
        catalogue::Resource,
        resources::{accounts::ACCOUNTS, consents::CONSENTS, transactions::TRANSACTIONS},
    },
};

/// The changes that a scheduled refresh of a recurrent link finds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refresh {
    /// The number of new transactions.
    pub add: usize,
    /// The maximum number of changed transactions.
    pub update: usize,
    /// The maximum number of deleted transactions.
    pub delete: usize,
    /// The number of new objects of each other resource that the link has objects of, except accounts.
    pub add_others: usize,
}

impl Default for Refresh {
    fn default() -> Self {
        Self { add: 3, update: 2, delete: 1, add_others: 1 }
    }
}

impl Control {
    /// Runs a scheduled refresh now. Returns when its webhooks were acknowledged or given up.
    ///
    /// # Errors
    /// Returns an error if the link does not exist, is single or is not valid: Belvo refreshes neither.
    pub async fn refresh_now(&self, link: &str, refresh: Refresh) -> Result<Vec<Delivery>, ControlError> {
        let resources = self.begin_refresh(link)?;
        let mut deliveries = Vec::new();
        for resource in resources {
            let change = self.change_of(link, resource, &refresh)?;
            deliveries.extend(self.change(link, resource.webhook_type, change).await?.deliveries);
        }
        Ok(deliveries)
    }

    /// Returns the resources that a refresh changes.
    fn begin_refresh(&self, link: &str) -> Result<Vec<&'static Resource>, ControlError> {
        let mut world = write(&self.app.world);
        let link = world.link_mut(link).ok_or(ControlError::UnknownLink)?;
        if !link.recurrent {
            return Err(ControlError::Invalid("access_mode: the refresh of a single link".into()));
        }
        if link.status != "valid" {
            return Err(ControlError::Invalid("status: the refresh of such a link".into()));
        }
        link.row.collected = now_micros();
        let untouched = [ACCOUNTS.number, CONSENTS.number];
        let touched = |resource: &&Resource| {
            let table = link.table(resource);
            !untouched.contains(&resource.number) && table.ready && !table.rows.is_empty()
        };
        Ok(link.resources().filter(touched).collect())
    }

    fn change_of(&self, link: &str, resource: &Resource, refresh: &Refresh) -> Result<Change, ControlError> {
        if resource.number != TRANSACTIONS.number {
            return Ok(Change { add: refresh.add_others, ..Change::default() });
        }
        let world = read(&self.app.world);
        let present = world.link(link).ok_or(ControlError::UnknownLink)?.table(resource).present().count();
        let delete = refresh.delete.min(present);
        let update = refresh.update.min(present - delete);
        let (update, delete) = (Selection::Count(update), Selection::Count(delete));
        Ok(Change { add: refresh.add, update, delete, ..Change::default() })
    }
}
