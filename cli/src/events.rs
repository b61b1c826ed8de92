//! The latest events of a link.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{EpochMillis, LinkId};

use crate::error::Error;
use crate::item::Item;

/// Selects events of a link.
pub(crate) struct EventQuery<'a> {
    pub(crate) link: &'a LinkId,
    /// The earliest time of receipt. Without it, events of any age match.
    pub(crate) since: Option<EpochMillis>,
    /// The maximum number of events.
    pub(crate) limit: usize,
}

/// Events, latest first.
pub(crate) struct Events {
    pub(crate) items: Vec<Item>,
    /// Whether older events match the query, too.
    pub(crate) has_more: bool,
}

/// Reads events from the table, consistently.
pub(crate) async fn read(dynamodb: &Client, table_name: &str, query: &EventQuery<'_>) -> Result<Events, Error> {
    let s = |text: String| AttributeValue::S(text);
    let call = dynamodb
        .query()
        .table_name(table_name)
        .consistent_read(true)
        .scan_index_forward(false)
        .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
        .expression_attribute_values(":pk", s(format!("LINK#{}", query.link)))
        .expression_attribute_values(":from", s(format!("EVENT#{:013}", query.since.unwrap_or_default().max(0))))
        // `:` sorts after every digit.
        .expression_attribute_values(":to", s("EVENT#:".to_owned()))
        .limit(i32::try_from(query.limit + 1).unwrap_or(i32::MAX));

    // A page also ends at a megabyte, so it can have fewer items than the limit.
    let mut found = call.into_paginator().items().send();
    let mut items = Vec::new();
    while let Some(item) = found.next().await {
        if items.len() == query.limit {
            return Ok(Events { items, has_more: true });
        }
        items.push(item.map_err(Error::aws("DynamoDB"))?);
    }
    Ok(Events { items, has_more: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::text;

    const NOON: EpochMillis = 1_795_262_400_000;

    async fn a_table(events: i64) -> Client {
        let dynamodb = test_aws::dynamodb::start().await;
        for number in 0..events {
            let s = |text: String| AttributeValue::S(text);
            let item = Item::from([
                ("pk".to_owned(), s("LINK#l-1".to_owned())),
                ("sk".to_owned(), s(format!("EVENT#{:013}#k", NOON + number))),
                // Large enough for several pages of a megabyte.
                ("data".to_owned(), s("x".repeat(100_000))),
            ]);
            dynamodb.put_item().table_name(test_aws::dynamodb::TABLE_NAME).set_item(Some(item)).send().await.unwrap();
        }
        for sk in ["LINK", "EVENT", "SYNC#OWNERS", "EVENTS#1"] {
            let item = ("sk".to_owned(), AttributeValue::S(sk.to_owned()));
            let item = Item::from([("pk".to_owned(), AttributeValue::S("LINK#l-1".to_owned())), item]);
            dynamodb.put_item().table_name(test_aws::dynamodb::TABLE_NAME).set_item(Some(item)).send().await.unwrap();
        }
        dynamodb
    }

    async fn times(dynamodb: &Client, since: Option<EpochMillis>, limit: usize) -> (Vec<EpochMillis>, bool) {
        let link = LinkId::parse("l-1").unwrap();
        let query = EventQuery { link: &link, since, limit };
        let found = read(dynamodb, test_aws::dynamodb::TABLE_NAME, &query).await.unwrap();
        let time = |event: &Item| -> Option<EpochMillis> { text(event, "sk")?.split('#').nth(1)?.parse().ok() };
        (found.items.iter().filter_map(|event| Some(time(event)? - NOON)).collect(), found.has_more)
    }

    #[tokio::test]
    async fn the_latest_events_come_first_across_pages() {
        let dynamodb = a_table(30).await;
        assert_eq!(times(&dynamodb, None, 25).await, ((5..30).rev().collect(), true));
        assert_eq!(times(&dynamodb, None, 30).await, ((0..30).rev().collect(), false));
    }

    #[tokio::test]
    async fn earlier_events_are_left_out() {
        let dynamodb = a_table(30).await;
        assert_eq!(times(&dynamodb, Some(NOON + 27), 100).await, (vec![29, 28, 27], false));
        assert_eq!(times(&dynamodb, Some(NOON + 27), 2).await, (vec![29, 28], true));
        assert_eq!(times(&dynamodb, Some(NOON + 30), 100).await, (vec![], false));
    }
}
