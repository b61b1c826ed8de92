//! Reads of stored records, before a write.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use domain::{LinkId, ObjectId, Record, Resource, Value, as_of};

use crate::attributes::{Item, text};
use crate::error::{StoreError, call_failed};
use crate::keys::{self, Key};
use crate::table::Table;

/// The maximum number of keys in a BatchGetItem call. (Source: API reference of `BatchGetItem`.)
const MAX_KEYS_PER_READ: usize = 100;
/// The maximum number of calls for the keys of one read, as long as DynamoDB returns unprocessed keys.
const MAX_ATTEMPTS: u32 = 9;
/// The wait before the second call. It doubles before each further call.
const INITIAL_BACKOFF: Duration = Duration::from_millis(25);

/// What a write needs to know of a stored record or tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// The hash of the content. `None` for a tombstone.
    pub content_hash: Option<String>,
    /// Whether the last whole listing lacked the object.
    pub is_missing: bool,
    /// The member `created_at`, if it is a text or null.
    pub created_at: Option<Value>,
    /// The age of an account's copy, see [`domain::as_of`].
    pub as_of: Option<i64>,
    /// The category of an account, if it has one.
    pub category: Option<String>,
}

impl StoredRecord {
    fn read(item: &Item) -> Self {
        let data = item.get("data").and_then(|data| data.as_m().ok());
        let member = |name| data.and_then(|data| text(data, name));
        let created_at = data.and_then(|data| data.get("created_at")).and_then(|value| match value {
            AttributeValue::S(text) => Some(Value::Text(text.clone())),
            AttributeValue::Null(_) => Some(Value::Null),
            _ => None,
        });
        Self {
            content_hash: text(item, "content_hash").map(str::to_owned),
            is_missing: item.contains_key("missing_since"),
            created_at,
            as_of: as_of(member("collected_at"), member("created_at")),
            category: member("category").map(str::to_owned),
        }
    }

    /// Returns `true` if a write of this record would change only the fencing token, and the times at which Belvo collected or
    /// saved the object.
    ///
    /// The hash of a record that version 0.1 stored covers the stored `created_at` too. Such a record counts as unchanged, and
    /// keeps its hash. The old hash is computed only if today's hash differs.
    #[must_use]
    pub fn is_unchanged_by(&self, record: &Record) -> bool {
        let is_of_0_1 = |hash: &String| *hash == record.content_hash_of_0_1(self.created_at.as_ref());
        let has_same_content = |hash: &String| *hash == record.content_hash || is_of_0_1(hash);
        !self.is_missing && self.content_hash.as_ref().is_some_and(has_same_content)
    }
}

impl Table {
    /// Returns the stored records and tombstones of these objects, read consistently. Objects without either are absent.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn stored_records(
        &self,
        link: &LinkId,
        resource: &Resource,
        ids: &[ObjectId],
    ) -> Result<HashMap<ObjectId, StoredRecord>, StoreError> {
        let mut stored = HashMap::with_capacity(ids.len());
        // BatchGetItem rejects duplicate keys.
        let ids: Vec<_> = ids.iter().collect::<HashSet<_>>().into_iter().collect();
        for ids in ids.chunks(MAX_KEYS_PER_READ) {
            let keys = ids.iter().map(|id| keys::record(link, resource, id)).collect();
            for item in self.batch_get(keys, projection(resource)).await? {
                let id = text(&item, "sk").and_then(|sk| keys::object_id(sk, resource));
                let id = id.ok_or(StoreError::Unreadable("a record's key"))?;
                stored.insert(id, StoredRecord::read(&item));
            }
        }
        Ok(stored)
    }

    /// Reads items in one BatchGetItem call, and in further calls the keys that DynamoDB leaves unprocessed under load.
    async fn batch_get(&self, keys: Vec<Key>, projection: &str) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::with_capacity(keys.len());
        let mut left = keys;
        for attempt in 0..MAX_ATTEMPTS {
            if left.is_empty() {
                return Ok(items);
            }
            if attempt > 0 {
                tokio::time::sleep(INITIAL_BACKOFF * 2_u32.pow(attempt - 1)).await;
            }

            let request = KeysAndAttributes::builder()
                .set_keys(Some(left))
                .consistent_read(true)
                .projection_expression(projection)
                .expression_attribute_names("#data", "data")
                .build()
                .map_err(|_| StoreError::Unreadable("a request that cannot be built"))?;
            let output = self.client.batch_get_item().request_items(&self.name, request).send().await;
            let output = output.map_err(|error| call_failed(&error))?;
            items.extend(output.responses.into_iter().flat_map(HashMap::into_values).flatten());
            let unprocessed = output.unprocessed_keys.and_then(|mut tables| tables.remove(&self.name));
            left = unprocessed.map(|request| request.keys).unwrap_or_default();
        }
        if left.is_empty() { Ok(items) } else { Err(StoreError::CallFailed("keys stayed unprocessed".to_owned())) }
    }
}

/// Returns the attributes to read. The two copies of an account are compared, which needs more of them.
fn projection(resource: &Resource) -> &'static str {
    if std::ptr::eq(resource, Resource::accounts()) {
        "sk, content_hash, missing_since, #data.created_at, #data.collected_at, #data.category"
    } else {
        "sk, content_hash, missing_since, #data.created_at"
    }
}
