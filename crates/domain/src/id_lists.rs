//! The id lists in a webhook's `data`.

use serde_json::value::RawValue;

use crate::Fields;

/// The prefix of the names of lists with updated ids, such as `updated_transactions`.
pub const UPDATED: &str = "updated_";
/// The prefix of the names of lists with deleted ids, such as `deleted_transactions`.
pub const DELETED: &str = "deleted_";

type IdList<'a> = (&'a str, Vec<&'a RawValue>);

/// Returns the id lists of a webhook's `data`: `updated_transactions`, `deleted_transactions`, and every list with such a
/// name.
pub(crate) fn id_lists<'a>(data: &'a Fields<'a>) -> impl Iterator<Item = IdList<'a>> {
    let named = data.iter().filter(|(name, _)| name.starts_with(UPDATED) || name.starts_with(DELETED));
    named.filter_map(|(name, raw)| Some((name, serde_json::from_str(raw.get()).ok()?)))
}
