//! The table: items by partition and sort key, each as one piece of JSON.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use serde::Serialize;
use serde_json::value::RawValue;

use super::item::{Item, key_text, map_of, members};
use super::size::{item_bytes, write_units};
use super::throttle::Throttle;
use super::update::Draft;
use crate::fault::Fault;
use crate::stats::Units;

/// What of `data` is kept: what decides about a write here. The sync reads `created_at` and an account's `category` too,
/// which only tell records of version 0.1 and odd accounts apart.
const KEPT_OF_DATA: &str = "collected_at";
/// The largest item.
const MAX_ITEM_BYTES: usize = 400 * 1024;

/// The table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    whole_items: bool,
    pub(crate) throttle: Throttle,
    partitions: HashMap<String, BTreeMap<Box<str>, Stored>>,
}

/// The key of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

/// An item, and what it weighed before its data was cut.
#[derive(Debug)]
pub(crate) struct Stored {
    json: Box<str>,
    bytes: u32,
}

/// How many items begin alike, by what they are.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Count {
    items: usize,
    tombstones: usize,
    missing: usize,
}

impl Key {
    /// The key of an item, or of a request.
    pub(crate) fn of(item: &Item<'_>) -> Result<Self, Fault> {
        Ok(Self { pk: key_text(item, "pk")?, sk: key_text(item, "sk")? })
    }

    /// A key as a request gives it: nothing but the key.
    pub(crate) fn only(item: &Item<'_>) -> Result<Self, Fault> {
        let key = Self::of(item)?;
        if item.len() == 2 { Ok(key) } else { Err(Fault::validation("a key is pk and sk")) }
    }
}

impl Stored {
    pub(crate) fn item(&self) -> Result<Item<'_>, Fault> {
        Ok(serde_json::from_str(&self.json)?)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes as usize
    }

    pub(crate) fn raw(&self) -> Result<Box<RawValue>, Fault> {
        Ok(RawValue::from_string(self.json.to_string())?)
    }
}

impl Table {
    /// A partition takes so many write units in a second; 0 is no limit.
    pub(crate) fn new(name: String, whole_items: bool, partition_write_units: u32) -> Self {
        let mut throttle = Throttle::default();
        throttle.limit(partition_write_units);
        Self { name, whole_items, throttle, partitions: HashMap::new() }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Stored> {
        self.partitions.get(&key.pk)?.get(key.sk.as_str())
    }

    /// Stores an item and returns the capacity units.
    pub(crate) fn put(&mut self, key: Key, mut item: Draft<'_>) -> Result<Units, Fault> {
        let whole = serde_json::to_string(&item)?;
        let bytes = item_bytes(&whole)?;
        if bytes > MAX_ITEM_BYTES {
            return Err(Fault::validation("Item size has exceeded the maximum allowed size"));
        }
        let json = if self.whole_items {
            whole
        } else {
            if let Some(data) = item.get_mut("data") {
                *data.to_mut() = cut(data)?;
            }
            serde_json::to_string(&item)?
        };
        let index_write = self.index_units(&key, &item, bytes)?;
        let stored = Stored { json: json.into(), bytes: u32::try_from(bytes).unwrap_or(u32::MAX) };
        self.partitions.entry(key.pk).or_default().insert(key.sk.into(), stored);
        Ok(Units { write: write_units(bytes), index_write, read: 0 })
    }

    /// An index of all attributes costs a write where the item is in it, and another one where it leaves its old place.
    fn index_units(&self, key: &Key, item: &Draft<'_>, bytes: usize) -> Result<u64, Fault> {
        const INDEX_KEY: [&str; 2] = ["gsi1pk", "gsi1sk"];
        let place = INDEX_KEY.map(|name| item.get(name).map(|raw| raw.get()));
        let is_indexed = place.iter().all(Option::is_some);
        let Some(before) = self.get(key) else { return Ok(if is_indexed { write_units(bytes) } else { 0 }) };
        let old = before.item()?;
        let old_place = INDEX_KEY.map(|name| old.get(name).map(|raw| raw.get()));
        let leaves = old_place.iter().all(Option::is_some) && old_place != place;
        let left = if leaves { write_units(before.bytes()) } else { 0 };
        Ok(left + if is_indexed { write_units(bytes) } else { 0 })
    }

    /// The items of a partition whose sort keys begin so, behind a place.
    pub(crate) fn range<'t>(
        &'t self,
        pk: &'t str,
        prefix: &'t str,
        after: Option<&'t str>,
    ) -> impl Iterator<Item = (&'t str, &'t Stored)> {
        let begin = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let items =
            self.partitions.get(pk).into_iter().flat_map(move |items| items.range::<str, _>((begin, Bound::Unbounded)));
        items.map(|(sk, stored)| (sk.as_ref(), stored)).take_while(move |(sk, _)| sk.starts_with(prefix))
    }

    pub(crate) fn count<'t>(&'t self, pk: &'t str, prefix: &'t str) -> Result<Count, Fault> {
        let mut count = Count::default();
        for (_, stored) in self.range(pk, prefix, None) {
            let item = stored.item()?;
            count.items += 1;
            count.tombstones += usize::from(item.contains_key("deleted_at"));
            count.missing += usize::from(item.contains_key("missing_since"));
        }
        Ok(count)
    }
}

/// Returns `data` without the members that are never read.
fn cut(data: &RawValue) -> Result<Box<RawValue>, Fault> {
    match members(data).and_then(|data| data.get(KEPT_OF_DATA).copied()) {
        Some(kept) => Ok(map_of(KEPT_OF_DATA, kept)),
        None => Ok(RawValue::from_string(r#"{"M":{}}"#.to_owned())?),
    }
}
