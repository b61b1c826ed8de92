//! What a listing in several legs has seen: fingerprints of ids, kept until its last leg asks what the list lacks.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{EpochMillis, LinkId, Resource};

use crate::attributes::{n, s, text};
use crate::table::call_failed;
use crate::{FencingToken, Pass, StoreError, Table, keys};

/// Fingerprints of one item: 320 KB.
const FINGERPRINTS_PER_ITEM: usize = 40_000;
const BYTES: usize = size_of::<u64>();
/// How long they are kept: longer than a listing's messages may wait; in seconds.
const KEPT_SECONDS: i64 = 15 * 24 * 60 * 60;

impl Table {
    /// Keeps what one leg of a listing has seen. `listing` is the fencing token of its first pass.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn store_seen_ids(
        &self,
        leg: &Pass,
        listing: FencingToken,
        fingerprints: &[u64],
        now: EpochMillis,
    ) -> Result<(), StoreError> {
        for (part, fingerprints) in fingerprints.chunks(FINGERPRINTS_PER_ITEM).enumerate() {
            let bytes: Vec<u8> = fingerprints.iter().flat_map(|fingerprint| fingerprint.to_be_bytes()).collect();
            let mut item = keys::seen(&leg.link, leg.resource, listing, leg.token, part);
            item.insert("ids".to_owned(), AttributeValue::B(Blob::new(bytes)));
            item.insert("expires_at".to_owned(), n(now / 1_000 + KEPT_SECONDS));
            let put = self.client.put_item().table_name(&self.name).set_item(Some(item));
            put.send().await.map_err(|error| call_failed(&error))?;
        }
        Ok(())
    }

    /// What these legs of a listing have seen.
    ///
    /// # Errors
    /// [`StoreError`], also when one of the legs has left nothing: then nobody can say what the list lacks.
    pub async fn seen_ids(
        &self,
        link: &LinkId,
        resource: &Resource,
        listing: FencingToken,
        legs: &[FencingToken],
    ) -> Result<Vec<u64>, StoreError> {
        let mut found: HashMap<FencingToken, Vec<u64>> = HashMap::new();
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", s(keys::link_pk(link)))
            .expression_attribute_values(":prefix", s(keys::seen_prefix(resource, listing)));
        let mut items = query.into_paginator().items().send();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| call_failed(&error))?;
            let leg = text(&item, "sk").and_then(|sk| keys::seen_leg(sk, resource, listing));
            let ids = item.get("ids").and_then(|ids| ids.as_b().ok());
            let (leg, ids) = leg.zip(ids).ok_or(StoreError::Unreadable("what a listing has seen"))?;
            let fingerprints = ids.as_ref().chunks_exact(BYTES).filter_map(|bytes| bytes.try_into().ok());
            found.entry(leg).or_default().extend(fingerprints.map(u64::from_be_bytes));
        }
        let mut seen = Vec::new();
        for leg in legs {
            seen.append(found.get_mut(leg).ok_or(StoreError::Unreadable("a leg of a listing"))?);
        }
        Ok(seen)
    }
}
