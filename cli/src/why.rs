//! The command `why`: what the table knows of a link's data.

use domain::{EpochMillis, LinkId, ObjectId, Resource, now};
use jiff::SignedDuration;
use serde_json::json;

use crate::arguments;
use crate::error::Error;
use crate::events::{self, EventQuery, Events};
use crate::item::text;
use crate::output::Output;
use crate::stack::Stack;
use crate::summary::Summary;

/// The default number of events.
const DEFAULT_EVENTS: u16 = 20;
/// The maximum number of events, and the default with `--since`.
const MAX_EVENTS: u16 = 1_000;
/// The time that the table keeps events.
const RETENTION: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The arguments of `why`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The link.
    #[arg(value_parser = arguments::link_id)]
    link_id: LinkId,
    /// Only the sync state of this resource, such as TRANSACTIONS.
    #[arg(long, value_parser = arguments::resource)]
    resource: Option<&'static Resource>,
    /// Also the record of this object of the resource, by Belvo's id.
    #[arg(long, requires = "resource", value_parser = object_id)]
    id: Option<ObjectId>,
    /// The number of latest events to show [default: 20, or 1000 with --since]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_EVENTS)))]
    events: Option<u16>,
    /// Only events received within this time, such as 90m or 48h.
    #[arg(long, value_name = "DURATION", value_parser = age)]
    since: Option<SignedDuration>,
}

fn object_id(text: &str) -> Result<ObjectId, &'static str> {
    ObjectId::parse(text).map_err(|_| "an object id has 1 to 128 characters of A-Z a-z 0-9 _ -")
}

/// Parses the maximum age of events.
fn age(text: &str) -> Result<SignedDuration, &'static str> {
    let age: Option<SignedDuration> = text.parse().ok();
    age.filter(|age| age.is_positive() && *age <= RETENTION)
        .ok_or("write it like 90m or 48h; events are kept for 90 days")
}

/// Shows the link, its sync states, one record if requested, and the latest events.
pub(crate) async fn run(stack: &Stack, output: Output, arguments: &Arguments) -> Result<(), Error> {
    let pk = format!("LINK#{}", arguments.link_id);
    let link = Summary::of_link(stack.item(&pk, "LINK").await?.as_ref());
    output.result(&format!("link      {}", link.text), &json!({ "link": link.object }));

    show_sync_states(stack, output, &pk, arguments.resource).await?;
    if let (Some(resource), Some(id)) = (arguments.resource, &arguments.id) {
        let record = stack.item(&pk, &format!("{}#{id}", resource.webhook_type)).await?;
        let record = Summary::of_record(record.as_ref());
        output.result(&format!("record    {}", record.text), &json!({ "record": record.object }));
    }
    show_events(stack, output, arguments).await
}

async fn show_sync_states(
    stack: &Stack,
    output: Output,
    pk: &str,
    only: Option<&'static Resource>,
) -> Result<(), Error> {
    for item in stack.items(pk, "SYNC#").await? {
        let resource = text(&item, "sk").and_then(|sk| sk.strip_prefix("SYNC#")).unwrap_or_default();
        if only.is_none_or(|only| only.webhook_type == resource) {
            let state = Summary::of_sync_state(resource, &item);
            output.result(&format!("sync      {}", state.text), &json!({ "sync": state.object }));
        }
    }
    Ok(())
}

async fn show_events(stack: &Stack, output: Output, arguments: &Arguments) -> Result<(), Error> {
    let found = events::read(&stack.dynamodb, &stack.table_name, &arguments.event_query(now())).await?;
    for item in &found.items {
        let event = Summary::of_event(item);
        output.result(&format!("event     {}", event.text), &json!({ "event": event.object }));
    }

    match (arguments.since, found) {
        (Some(_), Events { items, .. }) if items.is_empty() => output.hint("The link has no event within this time."),
        (None, Events { items, .. }) if items.is_empty() => {
            output.hint("The link has no event: did Belvo send a webhook? See the log of the webhook function.");
        }
        (Some(_), Events { has_more: true, .. }) => output.hint("There are more events: --events N shows N of them."),
        _ => {}
    }
    Ok(())
}

impl Arguments {
    fn event_query(&self, now: EpochMillis) -> EventQuery<'_> {
        let since = self.since.map(|age| now.saturating_sub(EpochMillis::try_from(age.as_millis()).unwrap_or(now)));
        let default = if since.is_some() { MAX_EVENTS } else { DEFAULT_EVENTS };
        EventQuery { link: &self.link_id, since, limit: usize::from(self.events.unwrap_or(default)) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_query_by_time_has_a_larger_limit_of_events() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            why: Arguments,
        }
        let query = |line: &str| {
            let line = Line::try_parse_from(line.split(' ')).ok()?;
            let query = line.why.event_query(10_000_000);
            Some((query.since, query.limit))
        };
        assert_eq!(query("why l-1"), Some((None, 20)));
        assert_eq!(query("why l-1 --events 7"), Some((None, 7)));
        assert_eq!(query("why l-1 --since 1h"), Some((Some(10_000_000 - 3_600_000), 1_000)));
        assert_eq!(query("why l-1 --since 90m --events 7"), Some((Some(10_000_000 - 5_400_000), 7)));
        for invalid in ["--since 0h", "--since -1h", "--since 3000h", "--since soon", "--events 1001", "--events 0"] {
            assert_eq!(query(&format!("why l-1 {invalid}")), None, "{invalid}");
        }
    }
}
