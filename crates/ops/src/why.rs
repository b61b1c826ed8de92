//! "Why is this transaction missing?", answered from what the table remembers.

use aws_sdk_dynamodb::types::AttributeValue;
use clap::Args;
use domain::{ObjectId, Resource};
use serde_json::{Value, json};

use crate::LinkArgument;
use crate::json::{Item, number, text};
use crate::output::{Output, moment};
use crate::stack::Stack;
use crate::trouble::{Trouble, failed};

/// How many of the last events are shown, unless told otherwise.
const EVENTS: i32 = 20;

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
    /// How many of the link's last events to show.
    #[arg(long, default_value_t = EVENTS, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    events: i32,
}

fn object(text: &str) -> Result<ObjectId, &'static str> {
    ObjectId::parse(text).map_err(|_| "an id of Belvo's has 1 to 128 characters of A-Z a-z 0-9 _ -")
}

pub(crate) async fn run(stack: &Stack, output: &Output, why: &Why) -> Result<(), Trouble> {
    let LinkArgument(link) = &why.link_id;
    let pk = format!("LINK#{link}");
    let link_item = stack.item(&pk, "LINK").await?;
    let (words, object) = of_link(link_item.as_ref());
    output.result(&format!("link      {words}"), &json!({ "link": object }));

    for state in stack.items(&pk, "SYNC#", None).await? {
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
    let events = stack.items(&pk, "EVENT#", Some(why.events)).await?;
    for event in &events {
        let (words, object) = of_event(event);
        output.result(&format!("event     {words}"), &json!({ "event": object }));
    }
    if events.is_empty() {
        output.hint("No webhook about this link is on record: was it announced at all? See the front door's log.");
    }
    Ok(())
}

/// The links of one of your users.
pub(crate) async fn links(stack: &Stack, output: &Output, external_id: &str) -> Result<(), Trouble> {
    let query = stack.dynamodb.query().table_name(&stack.table_name).index_name("gsi1");
    let query = query
        .key_condition_expression("gsi1pk = :user")
        .expression_attribute_values(":user", AttributeValue::S(format!("EXTERNAL#{external_id}")));
    let mut items = query.into_paginator().items().send();
    let mut found = false;
    while let Some(item) = items.next().await {
        let item = item.map_err(failed("DynamoDB"))?;
        found = true;
        let link = text(&item, "pk").and_then(|pk| pk.strip_prefix("LINK#")).unwrap_or_default();
        let (words, object) = of_link(Some(&item));
        output.result(&format!("{link}  {words}"), &json!({ "link_id": link, "link": object }));
    }
    if !found {
        output
            .hint("No link of this user is known. Whose a link is, Belvo tells with the first data, or within a day.");
    }
    Ok(())
}

type Shown = (String, Value);

fn of_link(item: Option<&Item>) -> Shown {
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
    let names =
        ["received_at", "webhook_type", "webhook_code", "source", "outcome", "reason", "attempts", "request_id"];
    let counted = ["pages", "written", "unchanged", "stale", "deleted", "unreadable"];
    (words.trim_end().to_owned(), picked(item, &[&names[..], &counted[..]].concat()))
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
        let refused = item(&[("outcome", "refused"), ("reason", "the link was erased")]);
        assert!(of_event(&refused).0.ends_with("refused (the link was erased)"));
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
