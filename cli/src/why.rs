//! "Why is this transaction missing?", answered from what the table remembers.

use aws_sdk_dynamodb::types::AttributeValue;
use clap::Args;
use domain::{EpochMillis, ObjectId, Resource, now};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::LinkArgument;
use crate::error::Error;
use crate::events::{self, Found, Wanted};
use crate::item::{Item, number, text};
use crate::output::{Output, moment};
use crate::stack::Stack;

/// How many of the last events are shown, unless told otherwise; how many at most.
const EVENTS: u16 = 20;
const MAX_EVENTS: u16 = 1_000;

/// What to explain.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// Whose data.
    link_id: LinkArgument,
    /// A resource, such as TRANSACTIONS.
    #[arg(long, value_parser = crate::resync::resource)]
    resource: Option<&'static Resource>,
    /// An object of the resource, by Belvo's id.
    #[arg(long, requires = "resource", value_parser = object)]
    id: Option<ObjectId>,
    /// How many of the link's last events to show: 20 unless told otherwise, or 1000 with --since.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_EVENTS)))]
    events: Option<u16>,
    /// Only events that were received so lately, such as 90m or 48h.
    #[arg(long, value_name = "DURATION", value_parser = ago)]
    since: Option<SignedDuration>,
}

fn object(text: &str) -> Result<ObjectId, &'static str> {
    ObjectId::parse(text).map_err(|_| "an id of Belvo's has 1 to 128 characters of A-Z a-z 0-9 _ -")
}

pub(crate) async fn run(stack: &Stack, output: &Output, why: &Why) -> Result<(), Error> {
    let LinkArgument(link) = &why.link_id;
    let pk = format!("LINK#{link}");
    let link_item = stack.item(&pk, "LINK").await?;
    let (words, object) = of_link(link_item.as_ref());
    output.result(&format!("link      {words}"), &json!({ "link": object }));

    for state in stack.items(&pk, "SYNC#").await? {
        let resource = text(&state, "sk").and_then(|sk| sk.strip_prefix("SYNC#")).unwrap_or_default().to_owned();
        if why.resource.is_none_or(|wanted| wanted.webhook_type == resource) {
            let (words, object) = of_state(&resource, &state);
            output.result(&format!("sync      {words}"), &json!({ "sync": object }));
        }
    }
    if let (Some(resource), Some(id)) = (why.resource, &why.id) {
        let record = stack.item(&pk, &format!("{}#{id}", resource.webhook_type)).await?;
        let (words, object) = of_record(record.as_ref());
        output.result(&format!("record    {words}"), &json!({ "record": object }));
    }
    let found = events::read(&stack.dynamodb, &stack.table_name, &why.wanted(now())).await?;
    for event in &found.events {
        let (words, object) = of_event(event);
        output.result(&format!("event     {words}"), &json!({ "event": object }));
    }
    match (why.since, found) {
        (Some(_), Found { events, .. }) if events.is_empty() => output.hint("No event of this link is so young."),
        (None, Found { events, .. }) if events.is_empty() => {
            output.hint("No webhook about this link is on record: was it announced at all? See the front door's log.");
        }
        (Some(_), Found { has_more: true, .. }) => output.hint("There are more: --events N shows N of them."),
        _ => {}
    }
    Ok(())
}

impl Why {
    /// The events to show.
    fn wanted(&self, now: EpochMillis) -> Wanted<'_> {
        let LinkArgument(link) = &self.link_id;
        let since = self.since.map(|ago| now.saturating_sub(EpochMillis::try_from(ago.as_millis()).unwrap_or(now)));
        let unless_told = if since.is_some() { MAX_EVENTS } else { EVENTS };
        Wanted { link, since, at_most: usize::from(self.events.unwrap_or(unless_told)) }
    }
}

/// How long ago. Events are kept for 90 days.
fn ago(text: &str) -> Result<SignedDuration, &'static str> {
    let known: Option<SignedDuration> = text.parse().ok();
    let kept = SignedDuration::from_hours(90 * 24);
    known.filter(|ago| ago.is_positive() && *ago <= kept).ok_or("write it like 90m or 48h; events are kept for 90 days")
}

/// The same for people and for programs.
pub(crate) type Shown = (String, Value);

/// What the table knows of a link.
pub(crate) fn of_link(item: Option<&Item>) -> Shown {
    let Some(item) = item else {
        return (
            "unknown to the table: no webhook, no resync and no list of links has named it".to_owned(),
            Value::Null,
        );
    };
    let status = text(item, "status").unwrap_or("active");
    let action = text(item, "action").map(|action| format!(", its user has to: {action}")).unwrap_or_default();
    let last = |name| number(item, name).map_or_else(|| "never".to_owned(), moment);
    let words =
        format!("{status}{action}; last webhook {}, last synced {}", last("last_event_at"), last("last_synced_at"));
    (
        words,
        picked(
            item,
            &["status", "action", "last_event_at", "last_synced_at", "access_mode", "refresh_rate", "purged_at"],
        ),
    )
}

fn of_state(resource: &str, item: &Item) -> Shown {
    let at = |name| number(item, name).map_or_else(|| "never".to_owned(), moment);
    let error = text(item, "last_error").map(|error| format!("; LAST ERROR {error}")).unwrap_or_default();
    let words = format!(
        "{resource}: check {}, listed whole {}, last success {}, increments since {}{error}",
        text(item, "check").unwrap_or("none"),
        at("listed_at"),
        at("last_success_at"),
        text(item, "watermark").unwrap_or("the beginning"),
    );
    let names =
        ["check", "count", "listed_at", "last_pass_at", "last_success_at", "last_error", "watermark", "relist_at"];
    let mut object = picked(item, &names);
    object["resource"] = resource.into();
    (words, object)
}

fn of_record(item: Option<&Item>) -> Shown {
    let Some(item) = item else {
        return ("not in the table: Belvo has never listed it, or it was not announced yet".to_owned(), Value::Null);
    };
    let at = |name| number(item, name).map(moment);
    let fetched = at("fetched_at").unwrap_or_default();
    let words = match (at("deleted_at"), at("missing_since")) {
        (Some(deleted), _) => {
            format!("a tombstone: Belvo announced its deletion, or does not have it, since {deleted}")
        }
        (None, Some(missing)) => format!("there, but Belvo's lists lack it since {missing}; last seen {fetched}"),
        (None, None) => format!("there, as Belvo gave it {fetched}"),
    };
    (words, picked(item, &["fetched_at", "deleted_at", "missing_since"]))
}

fn of_event(item: &Item) -> Shown {
    let word = |name| text(item, name).unwrap_or_default();
    let counts: Vec<_> = ["pages", "written", "unchanged", "stale", "deleted", "unreadable"]
        .into_iter()
        .filter_map(|name| number(item, name).filter(|count| *count > 0).map(|count| format!("{count} {name}")))
        .collect();
    let reason = text(item, "reason").map(|reason| format!(" ({reason})")).unwrap_or_default();
    let attempts = match (word("outcome"), number(item, "attempts")) {
        ("processing", Some(attempts)) => format!(", attempt {attempts}; after the last it is among the dead letters"),
        _ => String::new(),
    };
    let request = text(item, "request_id").map(|request| format!("  request {request}")).unwrap_or_default();
    let source = match word("source") {
        "" | "webhook" => String::new(),
        ours => format!(" by {ours}"),
    };
    let words = format!(
        "{}  {} {}{source}: {}{attempts}{reason} {}",
        number(item, "received_at").map(moment).unwrap_or_default(),
        word("webhook_type"),
        word("webhook_code"),
        word("outcome"),
        counts.join(", "),
    );
    let words = format!("{}{request}", words.trim_end());
    let names =
        ["received_at", "webhook_type", "webhook_code", "source", "outcome", "reason", "attempts", "request_id"];
    let counted = ["pages", "written", "unchanged", "stale", "deleted", "unreadable"];
    (words, picked(item, &[&names[..], &counted[..]].concat()))
}

/// These attributes as JSON. None of them is anything personal.
fn picked(item: &Item, names: &[&str]) -> Value {
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
    use clap::Parser;

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
        let (words, object) = of_link(Some(&link));
        assert_eq!(
            words,
            "token_required, its user has to: give_token; last webhook 2026-11-21T12:00:01Z, last synced never"
        );
        assert_eq!(object["action"], "give_token");
        assert!(of_link(None).0.contains("unknown"));
    }

    #[test]
    fn a_record_says_why_it_is_not_there_and_shows_nothing_of_its_content() {
        let record = |extra: &[(&str, &str)]| {
            let attributes = [&[("fetched_at", "1795262401000"), ("data", "secret")], extra].concat();
            let (words, object) = of_record(Some(&item(&attributes)));
            assert!(!format!("{words}{object}").contains("secret"));
            words
        };
        assert!(record(&[]).starts_with("there, as Belvo gave it"));
        assert!(record(&[("missing_since", "1795262401000")]).contains("Belvo's lists lack it since 2026-11-21"));
        assert!(record(&[("deleted_at", "1795262401000")]).starts_with("a tombstone"));
        assert!(of_record(None).0.starts_with("not in the table"));
    }

    #[test]
    fn an_event_says_what_it_came_to() {
        let event = item(&[
            ("received_at", "1795262401000"),
            ("webhook_type", "TRANSACTIONS"),
            ("webhook_code", "transactions_updated"),
            ("outcome", "applied"),
            ("written", "3"),
            ("stale", "0"),
        ]);
        assert_eq!(of_event(&event).0, "2026-11-21T12:00:01Z  TRANSACTIONS transactions_updated: applied 3 written");
        let waiting = item(&[("outcome", "processing"), ("attempts", "3"), ("source", "resync")]);
        assert!(of_event(&waiting).0.contains("by resync: processing, attempt 3; after the last it is among the dead"));
        let refused = item(&[("outcome", "refused"), ("reason", "the link was erased"), ("request_id", "r-1")]);
        assert!(of_event(&refused).0.ends_with("refused (the link was erased)  request r-1"));
    }

    #[test]
    fn the_events_of_some_time_are_many_more_than_the_last_ones_and_bounded() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            why: Why,
        }
        let wanted = |line: &str| {
            let line = Line::try_parse_from(line.split(' ')).ok()?;
            let wanted = line.why.wanted(10_000_000);
            Some((wanted.since, wanted.at_most))
        };
        assert_eq!(wanted("why l-1"), Some((None, 20)));
        assert_eq!(wanted("why l-1 --events 7"), Some((None, 7)));
        assert_eq!(wanted("why l-1 --since 1h"), Some((Some(10_000_000 - 3_600_000), 1_000)));
        assert_eq!(wanted("why l-1 --since 90m --events 7"), Some((Some(10_000_000 - 5_400_000), 7)));
        for refused in ["--since 0h", "--since -1h", "--since 3000h", "--since soon", "--events 1001", "--events 0"] {
            assert_eq!(wanted(&format!("why l-1 {refused}")), None, "{refused}");
        }
    }

    #[test]
    fn a_sync_state_names_its_last_error() {
        let (words, object) = of_state("OWNERS", &item(&[("check", "drift"), ("last_error", "belvo_unauthorized")]));
        assert_eq!(
            words,
            "OWNERS: check drift, listed whole never, last success never, increments since the beginning; LAST ERROR \
             belvo_unauthorized"
        );
        assert_eq!(object["resource"], "OWNERS");
    }
}
