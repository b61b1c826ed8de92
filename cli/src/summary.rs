//! Summaries of the table's items, without personal data.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::item::{Item, number, text};
use crate::output::format_time;

/// The counters of an event.
const COUNTERS: [&str; 6] = ["pages", "written", "unchanged", "stale", "deleted", "unreadable"];

/// What an item says.
pub(crate) struct Summary {
    /// A line for people.
    pub(crate) text: String,
    /// The same as JSON.
    pub(crate) object: Value,
}

impl Summary {
    /// Summarizes a link's item.
    pub(crate) fn of_link(item: Option<&Item>) -> Self {
        let Some(item) = item else {
            let text = "unknown to the table: no webhook, no resync and no list of links has named it".to_owned();
            return Self { text, object: Value::Null };
        };

        let status = text(item, "status").unwrap_or("active");
        let action = text(item, "action").map(|action| format!(", its user has to: {action}")).unwrap_or_default();
        let (event, sync) = (time_or_never(item, "last_event_at"), time_or_never(item, "last_synced_at"));
        let names = ["status", "action", "last_event_at", "last_synced_at", "access_mode", "refresh_rate", "purged_at"];
        Self {
            text: format!("{status}{action}; last webhook {event}, last synced {sync}"),
            object: attributes(item, &names),
        }
    }

    /// Summarizes the sync state of a resource.
    pub(crate) fn of_sync_state(resource: &str, item: &Item) -> Self {
        let error = text(item, "last_error").map(|error| format!("; LAST ERROR {error}")).unwrap_or_default();
        let text = format!(
            "{resource}: check {}, last complete listing {}, last success {}, increments since {}{error}",
            text(item, "check").unwrap_or("none"),
            time_or_never(item, "listed_at"),
            time_or_never(item, "last_success_at"),
            text(item, "watermark").unwrap_or("the beginning"),
        );

        let names =
            ["check", "count", "listed_at", "last_pass_at", "last_success_at", "last_error", "watermark", "relist_at"];
        let mut object = attributes(item, &names);
        object["resource"] = resource.into();
        Self { text, object }
    }

    /// Summarizes a record.
    pub(crate) fn of_record(item: Option<&Item>) -> Self {
        let Some(item) = item else {
            let text = "not in the table: Belvo has never listed it, or no webhook has announced it yet".to_owned();
            return Self { text, object: Value::Null };
        };

        let time = |name| number(item, name).map(format_time);
        let fetched = time("fetched_at").unwrap_or_default();
        let text = match (time("deleted_at"), time("missing_since")) {
            (Some(deleted), _) => {
                format!("a tombstone since {deleted}: Belvo announced the deletion, or does not have the object")
            }
            (None, Some(missing)) => {
                format!("present, but missing in Belvo's lists since {missing}; last fetched {fetched}")
            }
            (None, None) => format!("present, as fetched from Belvo {fetched}"),
        };
        Self { text, object: attributes(item, &["fetched_at", "deleted_at", "missing_since"]) }
    }

    /// Summarizes an event.
    pub(crate) fn of_event(item: &Item) -> Self {
        let word = |name| text(item, name).unwrap_or_default();
        let source = match word("source") {
            "" | "webhook" => String::new(),
            internal => format!(" by {internal}"),
        };
        let attempts = match (word("outcome"), number(item, "attempts")) {
            ("processing", Some(attempts)) => {
                format!(", attempt {attempts}; after the last attempt it becomes a dead letter")
            }
            _ => String::new(),
        };
        let reason = text(item, "reason").map(|reason| format!(" ({reason})")).unwrap_or_default();
        let counts = COUNTERS
            .into_iter()
            .filter_map(|name| number(item, name).filter(|count| *count > 0).map(|count| format!("{count} {name}")));
        let request = text(item, "request_id").map(|request| format!("  request {request}")).unwrap_or_default();

        let text = format!(
            "{}  {} {}{source}: {}{attempts}{reason} {}",
            number(item, "received_at").map(format_time).unwrap_or_default(),
            word("webhook_type"),
            word("webhook_code"),
            word("outcome"),
            counts.collect::<Vec<_>>().join(", "),
        );
        let names =
            ["received_at", "webhook_type", "webhook_code", "source", "outcome", "reason", "attempts", "request_id"];
        Self {
            text: format!("{}{request}", text.trim_end()),
            object: attributes(item, &[&names[..], &COUNTERS[..]].concat()),
        }
    }
}

fn time_or_never(item: &Item, name: &str) -> String {
    number(item, name).map_or_else(|| "never".to_owned(), format_time)
}

/// Returns these attributes as JSON. None of them is personal data.
fn attributes(item: &Item, names: &[&str]) -> Value {
    let value = |name: &&str| {
        let value = match item.get(*name)? {
            AttributeValue::S(text) => json!(text),
            AttributeValue::N(digits) => json!(digits.parse::<i64>().ok()?),
            _ => return None,
        };
        Some(((*name).to_owned(), value))
    };
    names.iter().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(attributes: &[(&str, &str)]) -> Item {
        let value = |text: &str| match text.parse::<i64>() {
            Ok(_) => AttributeValue::N(text.to_owned()),
            Err(_) => AttributeValue::S(text.to_owned()),
        };
        attributes.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect()
    }

    #[test]
    fn a_link_says_what_its_user_has_to_do() {
        let link = item(&[("status", "token_required"), ("action", "give_token"), ("last_event_at", "1795262401000")]);
        let summary = Summary::of_link(Some(&link));
        assert_eq!(
            summary.text,
            "token_required, its user has to: give_token; last webhook 2026-11-21T12:00:01Z, last synced never"
        );
        assert_eq!(summary.object["action"], "give_token");
        assert!(Summary::of_link(None).text.contains("unknown"));
    }

    #[test]
    fn a_record_says_why_it_is_absent_and_shows_nothing_of_its_content() {
        let record = |extra: &[(&str, &str)]| {
            let attributes = [&[("fetched_at", "1795262401000"), ("data", "secret")], extra].concat();
            let Summary { text, object } = Summary::of_record(Some(&item(&attributes)));
            assert!(!format!("{text}{object}").contains("secret"));
            text
        };
        assert!(record(&[]).starts_with("present, as fetched from Belvo"));
        assert!(record(&[("missing_since", "1795262401000")]).contains("missing in Belvo's lists since 2026-11-21"));
        assert!(record(&[("deleted_at", "1795262401000")]).starts_with("a tombstone"));
        assert!(Summary::of_record(None).text.starts_with("not in the table"));
    }

    #[test]
    fn an_event_shows_its_outcome_and_counts() {
        let event = item(&[
            ("received_at", "1795262401000"),
            ("webhook_type", "TRANSACTIONS"),
            ("webhook_code", "transactions_updated"),
            ("outcome", "applied"),
            ("written", "3"),
            ("stale", "0"),
        ]);
        let expected = "2026-11-21T12:00:01Z  TRANSACTIONS transactions_updated: applied 3 written";
        assert_eq!(Summary::of_event(&event).text, expected);
        let waiting = item(&[("outcome", "processing"), ("attempts", "3"), ("source", "resync")]);
        let expected = "by resync: processing, attempt 3; after the last attempt it becomes a dead letter";
        assert!(Summary::of_event(&waiting).text.contains(expected));
        let refused = item(&[("outcome", "refused"), ("reason", "the link was erased"), ("request_id", "r-1")]);
        assert!(Summary::of_event(&refused).text.ends_with("refused (the link was erased)  request r-1"));
    }

    #[test]
    fn a_sync_state_names_its_last_error() {
        let state = item(&[("check", "drift"), ("last_error", "belvo_unauthorized")]);
        let Summary { text, object } = Summary::of_sync_state("OWNERS", &state);
        assert_eq!(
            text,
            "OWNERS: check drift, last complete listing never, last success never, increments since the beginning; LAST \
             ERROR belvo_unauthorized"
        );
        assert_eq!(object["resource"], "OWNERS");
    }
}
