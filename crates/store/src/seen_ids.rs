//! The ids that a listing has seen, as fingerprints.
//!
//! A listing that needs several messages stores the ids of each of its passes. Its last pass compares them all with the stored
//! records, to find the records that the list lacks.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::EpochMillis;

use crate::attributes::{n, s, text};
use crate::error::{StoreError, call_failed};
use crate::fencing_token::FencingToken;
use crate::keys;
use crate::pass::Pass;
use crate::retention::seen_ids_expire_at;

/// The maximum number of fingerprints in one item: 320 KB, below DynamoDB's limit of 400 KB.
const FINGERPRINTS_PER_ITEM: usize = 40_000;
const BYTES_PER_FINGERPRINT: usize = size_of::<u64>();

impl Pass {
    /// Stores the ids that this pass of a listing has seen. `listing_token` is the fencing token of the listing's first pass.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn store_seen_ids(
        &self,
        listing_token: FencingToken,
        fingerprints: &[u64],
        now: EpochMillis,
    ) -> Result<(), StoreError> {
        for (chunk, fingerprints) in fingerprints.chunks(FINGERPRINTS_PER_ITEM).enumerate() {
            let bytes: Vec<u8> = fingerprints.iter().flat_map(|fingerprint| fingerprint.to_be_bytes()).collect();
            let mut item = keys::seen_ids(&self.link, self.resource, listing_token, self.token, chunk);
            item.insert("ids".to_owned(), AttributeValue::B(Blob::new(bytes)));
            item.insert("expires_at".to_owned(), n(seen_ids_expire_at(now)));
            self.table.put(item).send().await.map_err(|error| call_failed(&error))?;
        }
        Ok(())
    }

    /// Returns the ids that these passes of a listing have seen. The listing is of the same resource as this pass.
    ///
    /// # Errors
    /// [`StoreError`], also if one of the passes has no stored ids: the caller cannot tell what the list lacks then.
    pub async fn seen_ids(&self, listing_token: FencingToken, passes: &[FencingToken]) -> Result<Vec<u64>, StoreError> {
        let mut stored: HashMap<FencingToken, Vec<u64>> = HashMap::new();
        let query = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", s(keys::link_pk(&self.link)))
            .expression_attribute_values(":prefix", s(keys::seen_ids_prefix(self.resource, listing_token)));
        let mut items = query.into_paginator().items().send();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| call_failed(&error))?;
            let pass = text(&item, "sk").and_then(|sk| keys::seen_ids_pass(sk, self.resource, listing_token));
            let ids = item.get("ids").and_then(|ids| ids.as_b().ok());
            let (pass, ids) = pass.zip(ids).ok_or(StoreError::Unreadable("the seen ids of a listing"))?;
            let fingerprints = ids.as_ref().chunks_exact(BYTES_PER_FINGERPRINT);
            let fingerprints = fingerprints.filter_map(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
            stored.entry(pass).or_default().extend(fingerprints);
        }

        let mut seen_ids = Vec::new();
        for pass in passes {
            seen_ids.append(stored.get_mut(pass).ok_or(StoreError::Unreadable("no seen ids of a pass of a listing"))?);
        }
        Ok(seen_ids)
    }
}
