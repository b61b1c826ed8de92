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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(webhook_type: &str, code: &str, data: &str) -> Plan {
        let body =
            format!(r#"{{"webhook_type":"{webhook_type}","webhook_code":"{code}","link_id":"l","data":{data}}}"#);
        Plan::from_webhook(&Webhook::parse(body.as_bytes()).unwrap())
    }

    fn resource(name: &str) -> &'static Resource {
        Resource::of_webhook_type(name).unwrap()
    }

    fn list(name: &str, filter: Filter, announced: AnnouncedTotals) -> Plan {
        Plan::List { resource: resource(name), filter, announced }
    }

    fn total(total: u64) -> AnnouncedTotals {
        AnnouncedTotals { total: Some(total), ..AnnouncedTotals::default() }
    }

    #[test]
    fn accounts_are_always_listed_whole() {
        let whole = |announced| list("ACCOUNTS", Filter::Whole, announced);
        assert_eq!(plan("ACCOUNTS", "historical_update", r#"{"total_accounts":5}"#), whole(total(5)));
        let new = plan("ACCOUNTS", "new_accounts_available", r#"{"new_accounts":1}"#);
        assert_eq!(new, whole(AnnouncedTotals::default()), "one new account says nothing of how many there are");
    }

    #[test]
    fn the_announced_totals_and_days_are_read() {
        let data = r#"{"total_transactions":19,"total_inflow_transactions":10,"total_outflow_transactions":9,
                       "first_transaction_date":"2023-01-03","last_transaction_date":"2024-01-03"}"#;
        let announced = AnnouncedTotals {
            total: Some(19),
            inflows: Some(10),
            outflows: Some(9),
            days: Day::parse("2023-01-03").zip(Day::parse("2024-01-03")),
            kind: None,
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
        let whole = list("TRANSACTIONS", Filter::Whole, AnnouncedTotals::default());
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
    fn a_webhook_about_inflows_alone_lists_inflows_of_its_days() {
        let data = r#"{"total_invoices":7,"first_invoice_date":"2021-04-05","last_invoice_date":"2021-05-05"}"#;
        let days = Day::parse("2021-04-05").zip(Day::parse("2021-05-05"));
        let (first, last) = days.unwrap();
        for when in ["initial", "historical"] {
            let inflows = AnnouncedTotals { inflows: Some(7), days, ..AnnouncedTotals::default() };
            let filter = Filter::Flow { flow: Flow::Inflow, first, last };
            let expected = list("INVOICES", filter, inflows);
            assert_eq!(plan("INVOICES", &format!("{when}_inflow_update"), data), expected);
            let outflows = AnnouncedTotals { outflows: Some(7), days, ..AnnouncedTotals::default() };
            let filter = Filter::Flow { flow: Flow::Outflow, first, last };
            let expected = list("INVOICES", filter, outflows);
            assert_eq!(plan("INVOICES", &format!("{when}_outflow_update"), data), expected);
        }
        let dayless = plan("INVOICES", "initial_inflow_update", r#"{"total_invoices":7}"#);
        let inflows = AnnouncedTotals { inflows: Some(7), ..AnnouncedTotals::default() };
        assert_eq!(dayless, list("INVOICES", Filter::Whole, inflows));
    }

    #[test]
    fn a_list_without_such_filters_is_listed_whole_instead() {
        let day = Day::parse("2021-04-05").unwrap();
        let filter = Filter::Flow { flow: Flow::Inflow, first: day, last: day };
        assert_eq!(filter.for_list(resource("INVOICES")), filter);
        assert_eq!(filter.for_list(resource("INVOICES").at("sii_cl_fiscal")), Filter::Whole);
    }

    #[test]
    fn a_code_that_names_another_resource_wins_over_the_type() {
        let whole = |name| list(name, Filter::Whole, AnnouncedTotals::default());
        assert_eq!(plan("ACCOUNTS", "new_investments_available", r#"{"new_investments":1}"#), whole("INVESTMENTS"));
        assert_eq!(plan("ACCOUNTS", "bills_updated", "{}"), whole("BILLS"));
        assert_eq!(plan("ACCOUNTS", "moon_updated", "{}"), whole("ACCOUNTS"));
        assert_eq!(plan("LINK", "new_accounts_available", "{}"), Plan::Unknown, "LINK is no resource");
    }

    #[test]
    fn changes_of_employment_list_everything() {
        let data = r#"{"employment_changes":["EMPLOYED","SALARY_INCREASED"]}"#;
        let whole = list("EMPLOYMENT_RECORDS", Filter::Whole, AnnouncedTotals::default());
        assert_eq!(plan("EMPLOYMENT_RECORDS", "employment_changes", data), whole);
    }

    #[test]
    fn both_spellings_of_an_expired_consent_mean_the_same() {
        for code in ["openfinance_consent_expired", "consent_expired"] {
            assert_eq!(plan("CONSENT", code, "{}"), Plan::Consent(Consent::Expired));
        }
    }

    #[test]
    fn the_day_on_which_a_consent_ends_is_read_with_a_time_or_without() {
        let due = Day::parse("2024-05-21");
        for date in [r#""2024-05-21""#, r#""2024-05-21T08:32:00Z""#] {
            let data = format!(r#"{{"consent_due_date":{date}}}"#);
            assert_eq!(
                plan("CONSENT", "openfinance_consent_about_to_expire", &data),
                Plan::Consent(Consent::Expiring { due })
            );
        }
        let undated = Plan::Consent(Consent::Expiring { due: None });
        assert_eq!(plan("CONSENT", "openfinance_consent_about_to_expire", r#"{"consent_due_date":7}"#), undated);
    }

    #[test]
    fn consent_events_that_change_nothing_here_are_recorded_and_strange_ones_unknown() {
        for what in ["unrecoverable", "temporarily_unavailable"] {
            let code = format!("openfinance_consent_with_{what}_resources");
            assert!(matches!(plan("CONSENT", &code, "{}"), Plan::Record(_)), "{code}");
        }
        assert_eq!(plan("CONSENT", "openfinance_consent_framed", "{}"), Plan::Unknown);
    }

    #[test]
    fn a_deleted_link_is_understood_whatever_its_type() {
        for webhook_type in ["LINK", "LINKS", "ACCOUNTS"] {
            assert_eq!(plan(webhook_type, "link_deleted", "{}"), Plan::LinkDeleted);
        }
    }

    #[test]
    fn a_payment_is_never_taken_for_a_links_data() {
        let payment = r#"{"webhook_type":"TRANSACTIONS","webhook_code":"transactions_deleted","object_id":"o",
                          "data":{"deleted_transactions":["a"]}}"#;
        assert_eq!(Plan::from_webhook(&Webhook::parse(payment.as_bytes()).unwrap()), Plan::Unknown);
    }

    #[test]
    fn anything_else_is_unknown() {
        for (webhook_type, code) in [
            ("MOON_PHASES", "historical_update"),
            ("TRANSACTIONS", "transactions_blessed"),
            ("INVOICES", "initial_update"),
            ("INVOICES", "sideflow_update"),
            ("ACCOUNTS", "new_"),
            ("ACCOUNTS", "new_accounts"),
            ("LINK", "historical_update"),
            ("CONSENT", "historical_update"),
        ] {
            assert_eq!(plan(webhook_type, code, "{}"), Plan::Unknown, "{webhook_type} {code}");
        }
    }

    proptest! {
        #[test]
        fn every_resource_understands_the_codes_that_belvos_rule_gives_it(
            row in proptest::sample::select(Resource::all().collect::<Vec<_>>()), count in 0_u64..1_000
        ) {
            let first = resource(row.webhook_type);
            let word = first.webhook_type.to_lowercase();
            let historical = plan(first.webhook_type, "historical_update", &format!(r#"{{"{}":{count}}}"#, first.total));
            prop_assert_eq!(historical, list(first.webhook_type, Filter::Whole, total(count)));
            for code in [format!("new_{word}_available"), format!("new_{word}_updated")] {
                let new = plan(first.webhook_type, &code, &format!(r#"{{"new_{word}":{count}}}"#));
                let expected = match first.new {
                    Some(_) => list(first.webhook_type, Filter::SinceWatermark, total(count)),
                    None => list(first.webhook_type, Filter::Whole, AnnouncedTotals::default()),
                };
                prop_assert_eq!(new, expected);
            }
            let ids = vec![ObjectId::parse("a").unwrap()];
            let deleted = plan(first.webhook_type, &format!("{word}_deleted"), &format!(r#"{{"deleted_{word}":["a"]}}"#));
            prop_assert_eq!(deleted, Plan::Delete { resource: first, ids: ids.clone() });
            let updated = plan(first.webhook_type, &format!("{word}_updated"), &format!(r#"{{"updated_{word}":["a"]}}"#));
            prop_assert_eq!(updated, Plan::Get { resource: first, ids });
        }

        #[test]
        fn no_webhook_is_too_strange_to_have_a_plan(
            webhook_type in "[A-Z_]{1,20}|LINK|CONSENT|ACCOUNTS|INVOICES", code in "[a-z_]{1,30}", data in "[1-9][0-9]{0,3}|null|\\[\\]|\\{\\}"
        ) {
            // That it returns is the point: nothing in a webhook may make it panic.
            let plan = plan(&webhook_type, &code, &data);
            prop_assert!(!matches!(plan, Plan::Delete { .. }), "without ids nothing is deleted");
        }
    }
}
