//! The sync state of a link's resource: what earlier passes over it left behind.

use domain::schedule::SyncedResource;
use domain::{Day, EpochMillis, LinkId, Resource};

use crate::attributes::{Item, number, s, text};
use crate::error::{StoreError, call_failed};
use crate::fencing_token::FencingToken;
use crate::keys;
use crate::table::{Table, send_update};

/// The sync state of a link's resource.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SyncState {
    /// The day on which the last complete pass began. New objects were created on it or later.
    pub watermark: Option<Day>,
    /// The fencing token of the last pass that began to read from Belvo, finished or not.
    pub last_pass_at: Option<FencingToken>,
    /// The fencing token of the last finished whole listing.
    pub listed_at: Option<FencingToken>,
    /// When that listing began, by the clock of its host. Its fencing token may be ahead of every host's clock.
    pub listing_began_at: Option<EpochMillis>,
    /// The number of objects that the listing found.
    pub count: Option<u64>,
    /// The number of consecutive listings that ended as drift.
    pub drifts: u64,
}

impl Table {
    /// Returns the sync state of a resource, read consistently.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn sync_state(&self, link: &LinkId, resource: &Resource) -> Result<SyncState, StoreError> {
        let item = self.get(keys::sync_state(link, resource)).await?;
        Ok(SyncState::read(&item.unwrap_or_default()))
    }

    /// Records why the last pass over a resource failed.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn record_failure(&self, link: &LinkId, resource: &Resource, error: &str) -> Result<(), StoreError> {
        let update = self.update(keys::sync_state(link, resource)).update_expression("SET last_error = :error");
        send_update(update.expression_attribute_values(":error", s(error))).await
    }

    /// Returns the resources of a link that have a sync state, ordered by name. Resources that only a newer release knows
    /// are left out.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn synced_resources(&self, link: &LinkId) -> Result<Vec<&'static Resource>, StoreError> {
        Ok(self.sync_schedule(link).await?.into_iter().map(|synced| synced.resource).collect())
    }

    /// Returns what a schedule needs of each resource that has a sync state.
    pub(crate) async fn sync_schedule(&self, link: &LinkId) -> Result<Vec<SyncedResource>, StoreError> {
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
            all.extend(synced_resource(&item.map_err(|error| call_failed(&error))?));
        }
        Ok(all)
    }
}

impl SyncState {
    pub(crate) fn read(item: &Item) -> Self {
        Self {
            watermark: text(item, "watermark").and_then(Day::parse),
            last_pass_at: number(item, "last_pass_at"),
            listed_at: number(item, "listed_at"),
            listing_began_at: number(item, "listing_began_at"),
            count: number(item, "count").and_then(|count| count.try_into().ok()),
            drifts: number(item, "drifts").and_then(|drifts| drifts.try_into().ok()).unwrap_or_default(),
        }
    }
}

fn synced_resource(item: &Item) -> Option<SyncedResource> {
    let resource = Resource::of_webhook_type(text(item, "sk")?.strip_prefix(keys::SYNC_STATE)?)?;
    Some(SyncedResource { resource, listed_at: number(item, "listing_began_at"), relist_at: number(item, "relist_at") })
}
