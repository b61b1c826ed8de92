//! What a webhook asks the sync function to do.
//!
//! Codes are understood by rule, not by list, so that a resource that Belvo adds needs a catalogue row and nothing
//! here. Belvo's examples show `type=INFLOW` in their queries; following them would lose every outflow, so no plan
//! ever filters by type.

use serde_json::value::RawValue;

use crate::{Day, Fields, ObjectId, Resource, Webhook};

/// The work that one message asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// List a resource and store what is listed.
    List {
        /// What to list.
        resource: &'static Resource,
        /// All of it, or what is new.
        filter: Filter,
        /// What the webhook says will be found.
        announced: Announced,
    },
    /// Fetch these objects and store them; one that no longer exists was deleted.
    Get {
        /// What they are.
        resource: &'static Resource,
        /// At most 500, see [`crate::MAX_IDS_PER_MESSAGE`].
        ids: Vec<ObjectId>,
    },
    /// Replace these objects by tombstones.
    Delete {
        /// What they are.
        resource: &'static Resource,
        /// At most 500, see [`crate::MAX_IDS_PER_MESSAGE`].
        ids: Vec<ObjectId>,
    },
    /// Nothing that this release knows: keep a record of the event.
    Unknown,
    /// A known code whose `data` cannot be used: keep a record of the event, with the reason.
    Refused(&'static str),
}

/// Which part of a resource to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Everything that the link has.
    Whole,
    /// What was created since the watermark; everything, where there is none.
    SinceWatermark,
}

/// What a webhook says of its resource: a checksum for the listing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Announced {
    /// How many objects there are, or how many are new.
    pub total: Option<u64>,
    /// How many of them are inflows.
    pub inflows: Option<u64>,
    /// How many of them are outflows.
    pub outflows: Option<u64>,
    /// The first and the last day that the totals count, both included.
    pub days: Option<(Day, Day)>,
}

/// The names of lists of changed ids start so: `updated_transactions`.
pub const UPDATED: &str = "updated_";
/// The names of lists of removed ids start so: `deleted_transactions`.
pub const DELETED: &str = "deleted_";

impl Plan {
    /// Reads the meaning of a webhook.
    #[must_use]
    pub fn of(webhook: &Webhook) -> Self {
        let Some(resource) = Resource::of_webhook_type(webhook.webhook_type()) else {
            return Self::Unknown;
        };
        let data = webhook.data();
        match Meaning::of(webhook.webhook_code()) {
            Some(Meaning::New) if resource.filters_by_created_at => Self::list(resource, Filter::SinceWatermark, &data),
            // How many are new cannot be checked against a whole list.
            Some(Meaning::New) => Self::whole(resource),
            Some(Meaning::Historical) => Self::list(resource, Filter::Whole, &data),
            Some(Meaning::Updated) => Self::get(resource, &data),
            Some(Meaning::Deleted) => Self::delete(resource, &data),
            None => Self::Unknown,
        }
    }

    fn list(resource: &'static Resource, filter: Filter, data: &Fields<'_>) -> Self {
        Self::List { resource, filter, announced: Announced::read(data) }
    }

    fn whole(resource: &'static Resource) -> Self {
        Self::List { resource, filter: Filter::Whole, announced: Announced::default() }
    }

    /// Ids that cannot be fetched one by one are found by listing everything.
    fn get(resource: &'static Resource, data: &Fields<'_>) -> Self {
        match ids(data, UPDATED) {
            Some(Ids { usable, unusable: 0 }) => Self::Get { resource, ids: usable },
            _ => Self::List { resource, filter: Filter::Whole, announced: Announced::default() },
        }
    }

    /// An unusable id was never stored under, so that there is nothing to delete.
    fn delete(resource: &'static Resource, data: &Fields<'_>) -> Self {
        match ids(data, DELETED) {
            Some(Ids { usable, .. }) => Self::Delete { resource, ids: usable },
            None => Self::Refused("the webhook announces deletions without a list of ids"),
        }
    }
}

impl Announced {
    /// Reads the documented totals: `total_transactions`, `total_inflow_transactions`, `new_accounts` ...
    fn read(data: &Fields<'_>) -> Self {
        let counts = || data.iter().filter_map(|(name, raw)| Some((name, count(raw)?)));
        let named = |prefix: &str| counts().find(|(name, _)| name.starts_with(prefix)).map(|(_, count)| count);
        let inflows = named("total_inflow_");
        let outflows = named("total_outflow_");
        let flow = |name: &str| name.starts_with("total_inflow_") || name.starts_with("total_outflow_");
        let total = counts().find(|(name, _)| (name.starts_with("total_") && !flow(name)) || name.starts_with("new_"));
        let day = |prefix: &str| {
            let found = data.iter().find(|(name, _)| name.starts_with(prefix) && name.ends_with("_date"));
            found.and_then(|(_, raw)| Day::parse(&crate::json::text(raw)?))
        };
        let days = day("first_").zip(day("last_"));
        Self { total: total.map(|(_, count)| count), inflows, outflows, days }
    }
}

enum Meaning {
    Historical,
    New,
    Updated,
    Deleted,
}

impl Meaning {
    fn of(code: &str) -> Option<Self> {
        // Prose of Belvo's documentation writes `new_transactions_updated` for `new_transactions_available`.
        let is_new = code.starts_with("new_") && (code.ends_with("_available") || code.ends_with("_updated"));
        match code {
            "historical_update" => Some(Self::Historical),
            _ if is_new => Some(Self::New),
            _ if code.ends_with("_updated") => Some(Self::Updated),
            _ if code.ends_with("_deleted") => Some(Self::Deleted),
            _ => None,
        }
    }
}

struct Ids {
    usable: Vec<ObjectId>,
    unusable: usize,
}

/// The ids of the first list whose name starts so; none when there is no such list.
fn ids(data: &Fields<'_>, prefix: &str) -> Option<Ids> {
    let (_, items) = crate::message::id_lists(data).find(|(name, _)| name.starts_with(prefix))?;
    let read = |raw: &&RawValue| crate::json::text(raw).and_then(|text| ObjectId::parse(&text).ok());
    let mut usable: Vec<ObjectId> = items.iter().filter_map(read).collect();
    let unusable = items.len() - usable.len();
    usable.sort_unstable();
    usable.dedup();
    Some(Ids { usable, unusable })
}

fn count(raw: &RawValue) -> Option<u64> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(webhook_type: &str, code: &str, data: &str) -> Plan {
        let body = format!(r#"{{"webhook_type":"{webhook_type}","webhook_code":"{code}","data":{data}}}"#);
        Plan::of(&Webhook::parse(body.as_bytes()).unwrap())
    }

    fn resource(name: &str) -> &'static Resource {
        Resource::of_webhook_type(name).unwrap()
    }

    fn list(name: &str, filter: Filter, announced: Announced) -> Plan {
        Plan::List { resource: resource(name), filter, announced }
    }

    fn total(total: u64) -> Announced {
        Announced { total: Some(total), ..Announced::default() }
    }

    #[test]
    fn accounts_are_always_listed_whole() {
        let whole = |announced| list("ACCOUNTS", Filter::Whole, announced);
        assert_eq!(plan("ACCOUNTS", "historical_update", r#"{"total_accounts":5}"#), whole(total(5)));
        let new = plan("ACCOUNTS", "new_accounts_available", r#"{"new_accounts":1}"#);
        assert_eq!(new, whole(Announced::default()), "one new account says nothing of how many there are");
    }

    #[test]
    fn the_announced_totals_and_days_are_read() {
        let data = r#"{"total_transactions":19,"total_inflow_transactions":10,"total_outflow_transactions":9,
                       "first_transaction_date":"2023-01-03","last_transaction_date":"2024-01-03"}"#;
        let announced = Announced {
            total: Some(19),
            inflows: Some(10),
            outflows: Some(9),
            days: Day::parse("2023-01-03").zip(Day::parse("2024-01-03")),
        };
        assert_eq!(plan("TRANSACTIONS", "historical_update", data), list("TRANSACTIONS", Filter::Whole, announced));
    }

    #[test]
    fn both_spellings_of_new_transactions_list_what_is_new() {
        for code in ["new_transactions_available", "new_transactions_updated"] {
            let expected = list("TRANSACTIONS", Filter::SinceWatermark, total(19));
            assert_eq!(plan("TRANSACTIONS", code, r#"{"new_transactions":19}"#), expected);
        }
    }

    #[test]
    fn updated_ids_are_fetched_once_each_and_unusable_ones_mean_a_whole_listing() {
        let ids = vec![ObjectId::parse("a").unwrap(), ObjectId::parse("b").unwrap()];
        let fetched = Plan::Get { resource: resource("TRANSACTIONS"), ids };
        let updated = |ids: &str| {
            plan("TRANSACTIONS", "transactions_updated", &format!(r#"{{"count":2,"updated_transactions":{ids}}}"#))
        };
        assert_eq!(updated(r#"["b","a","b"]"#), fetched);
        let whole = list("TRANSACTIONS", Filter::Whole, Announced::default());
        assert_eq!(updated(r#"["b","a/c"]"#), whole);
        assert_eq!(plan("TRANSACTIONS", "transactions_updated", "null"), whole);
    }

    #[test]
    fn deletions_need_ids() {
        let ids = vec![ObjectId::parse("a").unwrap()];
        let data = r#"{"count":2,"deleted_transactions":["a",7]}"#;
        let expected = Plan::Delete { resource: resource("TRANSACTIONS"), ids };
        assert_eq!(plan("TRANSACTIONS", "transactions_deleted", data), expected);
        let counted = r#"{"deleted_count":1,"deleted_transactions":["a"]}"#;
        assert_eq!(plan("TRANSACTIONS", "transactions_deleted", counted), expected, "a number is no list");
        assert!(matches!(plan("TRANSACTIONS", "transactions_deleted", "{}"), Plan::Refused(_)));
    }

    #[test]
    fn anything_else_is_unknown() {
        assert_eq!(plan("MOON_PHASES", "historical_update", "{}"), Plan::Unknown);
        assert_eq!(plan("TRANSACTIONS", "transactions_blessed", "{}"), Plan::Unknown);
    }
}
