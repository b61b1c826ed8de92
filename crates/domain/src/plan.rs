//! The work that a webhook asks the sync function to do.
//!
//! Rules interpret the codes, not a list, so a new resource needs a row in the catalogue and no change here.
//!
//! Belvo's example queries have `type=INFLOW`, which would lose every outflow. Only webhooks about inflows alone, or about
//! outflows alone, are listed by type: Belvo sends a second webhook for the other type.

use serde_json::value::RawValue;

use crate::id_lists::{DELETED, UPDATED, id_lists};
use crate::{AnnouncedTotals, Consent, Day, Fields, Flow, ObjectId, Resource, Webhook};

/// The work that a message asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// List a resource and store its objects.
    List {
        /// The resource.
        resource: &'static Resource,
        /// The part of the resource to list.
        filter: Filter,
        /// The totals that the webhook announces.
        announced: AnnouncedTotals,
    },
    /// Get these objects by id and store them. An object that no longer exists was deleted.
    Get {
        /// Their resource.
        resource: &'static Resource,
        /// At most 500, see [`crate::MAX_IDS_PER_MESSAGE`].
        ids: Vec<ObjectId>,
    },
    /// Replace these objects by tombstones.
    Delete {
        /// Their resource.
        resource: &'static Resource,
        /// At most 500, see [`crate::MAX_IDS_PER_MESSAGE`].
        ids: Vec<ObjectId>,
    },
    /// Get the link's status from Belvo.
    LinkStatus,
    /// Store a change of the link's consent.
    Consent(Consent),
    /// Purge the link's data, after Belvo confirms that the link no longer exists.
    LinkDeleted,
    /// Purge the link's data, even if the link exists at Belvo.
    EraseLink,
    /// Record the event only. The code is known but requires no work; the text says what it means for the user.
    Record(&'static str),
    /// Record the event only. This release does not know the type or code.
    Unknown,
    /// Record the event only, with this reason. The code is known but `data` is not usable.
    Refused(&'static str),
}

/// The part of a resource to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// All objects of the link.
    Whole,
    /// Objects created since the watermark, or all objects if there is no watermark.
    SinceWatermark,
    /// Objects of one direction, dated within a range of days.
    Flow {
        /// The direction.
        flow: Flow,
        /// The first day, inclusive.
        first: Day,
        /// The last day, inclusive.
        last: Day,
    },
}

/// The internal code, of the type LINK, for: the status in Belvo's list of links differs from that in the table.
pub const STATUS_CHANGED: &str = "status_changed";
/// The internal code, of the type LINK, for: an operator requests the erasure of the link's data. A webhook cannot request
/// it.
pub const ERASE_LINK: &str = "erase_link";

impl Plan {
    /// Returns the plan for a webhook.
    #[must_use]
    pub fn from_webhook(webhook: &Webhook) -> Self {
        // Webhooks of Belvo's payments have an `object_id` and no link. One of their types is TRANSACTIONS.
        if webhook.link_id().is_none() {
            return Self::Unknown;
        }
        match (webhook.webhook_type(), webhook.webhook_code()) {
            // Belvo documents this code without its type.
            (_, "link_deleted") => Self::LinkDeleted,
            ("LINK", "invalid_credentials" | "token_required" | STATUS_CHANGED) => Self::LinkStatus,
            ("CONSENT", code) => Self::of_consent(code, &webhook.data()),
            (webhook_type, code) => Resource::of_webhook_type(webhook_type)
                .map_or(Self::Unknown, |resource| Self::of_data(resource, code, webhook)),
        }
    }

    /// Returns the plan for a webhook of the type CONSENT.
    fn of_consent(code: &str, data: &Fields<'_>) -> Self {
        match code {
            "openfinance_consent_about_to_expire" => {
                let due = data.text("consent_due_date").and_then(|date| Day::of_date(&date));
                Self::Consent(Consent::Expiring { due })
            }
            // An older page of Belvo's documentation has the code without the prefix.
            "openfinance_consent_expired" | "consent_expired" => Self::Consent(Consent::Expired),
            "openfinance_consent_expiration_changed" => Self::Consent(Consent::Changed),
            "openfinance_consent_with_unrecoverable_resources" => {
                Self::Record("a part of the consent cannot be used any more: the user may give a new one for it")
            }
            "openfinance_consent_with_temporarily_unavailable_resources" => {
                Self::Record("a part of the consent cannot be used for a while: there is nothing to do")
            }
            _ => Self::Unknown,
        }
    }

    /// Returns the plan for a webhook about a resource.
    fn of_data(resource: &'static Resource, code: &str, webhook: &Webhook) -> Self {
        let (meaning, word) = Meaning::of(code);
        // One of Belvo's examples has `new_investments_available` under the type ACCOUNTS.
        let named = word.and_then(|word| Resource::of_webhook_type(&word.to_ascii_uppercase()));
        let resource = named.unwrap_or(resource);
        let data = webhook.data();
        match meaning {
            Meaning::Historical => {
                Self::List { resource, filter: Filter::Whole, announced: AnnouncedTotals::all(resource, &data) }
            }
            Meaning::New if resource.new.is_some() => {
                let announced = AnnouncedTotals::new_ones(resource, &data);
                Self::List { resource, filter: Filter::SinceWatermark, announced }
            }
            // The number of new objects does not verify a whole listing.
            Meaning::New | Meaning::Changed => Self::whole(resource),
            Meaning::Flow(flow) => {
                let announced = AnnouncedTotals::flow(resource, flow, &data);
                let within = |(first, last)| Filter::Flow { flow, first, last };
                Self::List { resource, filter: announced.days.map_or(Filter::Whole, within), announced }
            }
            Meaning::Updated => Self::get(resource, &data),
            Meaning::Deleted => Self::delete(resource, &data),
            Meaning::Unknown => Self::Unknown,
        }
    }

    /// Returns a plan to list the whole resource, without totals to verify it.
    fn whole(resource: &'static Resource) -> Self {
        Self::List { resource, filter: Filter::Whole, announced: AnnouncedTotals::default() }
    }

    /// Returns a plan to get the announced ids. If an id is unusable, the plan is a whole listing, which finds all of them.
    fn get(resource: &'static Resource, data: &Fields<'_>) -> Self {
        match ids(data, UPDATED) {
            Some(Ids { usable, unusable: 0 }) => Self::Get { resource, ids: usable },
            _ => Self::whole(resource),
        }
    }

    /// Returns a plan to delete the announced ids. It ignores unusable ids, because no record has one.
    fn delete(resource: &'static Resource, data: &Fields<'_>) -> Self {
        match ids(data, DELETED) {
            Some(Ids { usable, .. }) => Self::Delete { resource, ids: usable },
            None => Self::Refused("the webhook announces deletions without a list of ids"),
        }
    }
}

impl Filter {
    /// Returns the filter that the resource's list supports: a list without a range filter is listed whole.
    #[must_use]
    pub fn for_list(self, resource: &Resource) -> Self {
        match self {
            Self::Flow { .. } if resource.flow_range.is_none() => Self::Whole,
            filter => filter,
        }
    }
}

/// The meaning of a webhook code.
enum Meaning {
    Historical,
    New,
    Flow(Flow),
    Changed,
    Updated,
    Deleted,
    Unknown,
}

impl Meaning {
    /// Returns the meaning of a code, and the lower-case name of a resource if the code contains one.
    fn of(code: &str) -> (Self, Option<&str>) {
        // Belvo's documentation also writes `new_transactions_updated` for `new_transactions_available`.
        let new = code.strip_prefix("new_").and_then(|rest| either_suffix(rest, ["_available", "_updated"]));
        let flow = code.strip_prefix("initial_").or_else(|| code.strip_prefix("historical_"));
        match (code, flow) {
            ("historical_update", _) => (Self::Historical, None),
            ("employment_changes", _) => (Self::Changed, None),
            (_, Some("inflow_update")) => (Self::Flow(Flow::Inflow), None),
            (_, Some("outflow_update")) => (Self::Flow(Flow::Outflow), None),
            _ if new.is_some() => (Self::New, new),
            _ => match (code.strip_suffix("_updated"), code.strip_suffix("_deleted")) {
                (Some(word), _) => (Self::Updated, Some(word)),
                (_, Some(word)) => (Self::Deleted, Some(word)),
                _ => (Self::Unknown, None),
            },
        }
    }
}

fn either_suffix<'a>(text: &'a str, suffixes: [&str; 2]) -> Option<&'a str> {
    suffixes.into_iter().find_map(|suffix| text.strip_suffix(suffix))
}

struct Ids {
    usable: Vec<ObjectId>,
    unusable: usize,
}

/// Returns the ids of the first list whose name starts with `prefix`, without duplicates. `None` if there is no such list.
fn ids(data: &Fields<'_>, prefix: &str) -> Option<Ids> {
    let (_, items) = id_lists(data).find(|(name, _)| name.starts_with(prefix))?;
    let read = |raw: &&RawValue| crate::json::text(raw).and_then(|text| ObjectId::parse(&text).ok());
    let mut usable: Vec<ObjectId> = items.iter().filter_map(read).collect();
    let unusable = items.len() - usable.len();
    usable.sort_unstable();
    usable.dedup();
    Some(Ids { usable, unusable })
}

#[cfg(test)]
mod tests;
