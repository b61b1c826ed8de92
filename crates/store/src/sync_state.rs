//! Which resources of a link are synced.

use domain::schedule::SyncedResource;
use domain::{LinkId, Resource};

use crate::attributes::{Item, number, s, text};
use crate::table::call_failed;
use crate::{StoreError, Table, keys};

impl Table {
    /// The resources of a link that have a sync state, in the order of their names. What a newer release has synced and
    /// this one does not know is not among them.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn synced_resources(&self, link: &LinkId) -> Result<Vec<&'static Resource>, StoreError> {
        Ok(self.synced(link).await?.into_iter().map(|synced| synced.resource).collect())
    }

    /// The same, with what a schedule has to know of each.
    pub(crate) async fn synced(&self, link: &LinkId) -> Result<Vec<SyncedResource>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .projection_expression("sk, listing_began_at, relist_at")
            .expression_attribute_values(":pk", s(keys::link_pk(link)))
            .expression_attribute_values(":prefix", s(keys::SYNC_STATE));
        let mut items = query.into_paginator().items().send();
        let mut all = Vec::new();
        while let Some(item) = items.next().await {
            all.extend(read(&item.map_err(|error| call_failed(&error))?));
        }
        Ok(all)
    }
}

fn read(item: &Item) -> Option<SyncedResource> {
    let resource = Resource::of_webhook_type(text(item, "sk")?.strip_prefix(keys::SYNC_STATE)?)?;
    Some(SyncedResource { resource, listed_at: number(item, "listing_began_at"), relist_at: number(item, "relist_at") })
}
