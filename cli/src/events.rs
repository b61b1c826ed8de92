//! The last events of a link, as far back as asked for.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{EpochMillis, LinkId};

use crate::error::{Error, failed};
use crate::item::Item;

/// Which events of which link.
pub(crate) struct Wanted<'a> {
    pub(crate) link: &'a LinkId,
    /// Received since then; without it, ever.
    pub(crate) since: Option<EpochMillis>,
    pub(crate) at_most: usize,
}

/// Events, the last one first.
pub(crate) struct Found {
    pub(crate) events: Vec<Item>,
    /// There are older ones that were asked for.
    pub(crate) has_more: bool,
}

/// Reads them from the table, consistently.
pub(crate) async fn read(dynamodb: &Client, table_name: &str, wanted: &Wanted<'_>) -> Result<Found, Error> {
    let s = |text: String| AttributeValue::S(text);
    let query = dynamodb
        .query()
        .table_name(table_name)
        .consistent_read(true)
        .scan_index_forward(false)
        .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
        .expression_attribute_values(":pk", s(format!("LINK#{}", wanted.link)))
        .expression_attribute_values(":from", s(format!("EVENT#{:013}", wanted.since.unwrap_or_default().max(0))))
        // Behind every digit.
        .expression_attribute_values(":to", s("EVENT#:".to_owned()))
        .limit(i32::try_from(wanted.at_most + 1).unwrap_or(i32::MAX));
    // A page ends at a megabyte, too, so one may be fewer than there are.
    let mut items = query.into_paginator().items().send();
    let mut events = Vec::new();
    while let Some(item) = items.next().await {
        if events.len() == wanted.at_most {
            return Ok(Found { events, has_more: true });
        }
        events.push(item.map_err(failed("DynamoDB"))?);
    }
    Ok(Found { events, has_more: false })
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
                // Long enough for several pages of a megabyte.
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

    async fn times(dynamodb: &Client, since: Option<EpochMillis>, at_most: usize) -> (Vec<EpochMillis>, bool) {
        let link = LinkId::parse("l-1").unwrap();
        let wanted = Wanted { link: &link, since, at_most };
        let found = read(dynamodb, test_aws::dynamodb::TABLE_NAME, &wanted).await.unwrap();
        let time = |event: &Item| -> Option<EpochMillis> { text(event, "sk")?.split('#').nth(1)?.parse().ok() };
        (found.events.iter().filter_map(|event| Some(time(event)? - NOON)).collect(), found.has_more)
    }

    #[tokio::test]
    async fn the_last_events_come_first_over_as_many_pages_as_it_takes() {
        let dynamodb = a_table(30).await;
        assert_eq!(times(&dynamodb, None, 25).await, ((5..30).rev().collect(), true));
        assert_eq!(times(&dynamodb, None, 30).await, ((0..30).rev().collect(), false));
    }

    #[tokio::test]
    async fn what_was_received_before_is_left_out() {
        let dynamodb = a_table(30).await;
        assert_eq!(times(&dynamodb, Some(NOON + 27), 100).await, (vec![29, 28, 27], false));
        assert_eq!(times(&dynamodb, Some(NOON + 27), 2).await, (vec![29, 28], true));
        assert_eq!(times(&dynamodb, Some(NOON + 30), 100).await, (vec![], false));
    }
}
