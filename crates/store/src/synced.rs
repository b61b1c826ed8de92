//! Which resources of a link are synced.

use domain::{LinkId, Resource};

use crate::attributes::{s, text};
use crate::table::call_failed;
use crate::{StoreTrouble, Table, keys};

impl Table {
    /// The resources of a link that have a sync state, in the order of their names. What a newer release has synced and
    /// this one does not know is not among them.
    ///
    /// # Errors
    /// [`StoreTrouble`]
    pub async fn synced_resources(&self, link: &LinkId) -> Result<Vec<&'static Resource>, StoreTrouble> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .projection_expression("sk")
            .expression_attribute_values(":pk", s(keys::link_pk(link)))
            .expression_attribute_values(":prefix", s(keys::SYNC_STATE));
        let mut items = query.into_paginator().items().send();
        let mut resources = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| call_failed(&error))?;
            let webhook_type = text(&item, "sk").and_then(|sk| sk.strip_prefix(keys::SYNC_STATE));
            resources.extend(webhook_type.and_then(Resource::of_webhook_type));
        }
        Ok(resources)
    }
}
