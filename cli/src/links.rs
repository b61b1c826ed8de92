//! The command `links`: the links of a user, and the links whose users have to act.
//!
//! The table has no index of required actions. The command takes all links from Belvo's own list and reads the item of
//! each, which is cheaper than a scan of the table. A user can act only on a link that Belvo has.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use belvo::LinksPage;
use domain::LinkId;
use serde_json::json;

use crate::error::Error;
use crate::item::{Item, text};
use crate::link_pages::{LinkPages, options};
use crate::output::Output;
use crate::stack::Stack;
use crate::summary::Summary;

/// The maximum number of keys in a `BatchGetItem` call. (Source: DynamoDB API reference.)
const MAX_KEYS: usize = 100;
/// The maximum number of calls for one batch, while DynamoDB leaves keys unprocessed.
const MAX_ATTEMPTS: u32 = 10;
/// The backoff after the first of these calls. It grows linearly.
const BACKOFF: Duration = Duration::from_millis(100);

/// The arguments of `links`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Your id of the user: the `external_id` of the user's links at Belvo.
    #[arg(required_unless_present = "action_needed", conflicts_with = "action_needed")]
    external_id: Option<String>,
    /// All links at Belvo whose users have to act: log in again, enter a token, or renew a consent.
    #[arg(long)]
    action_needed: bool,
    /// With --action-needed: the page of Belvo's list to start at.
    #[arg(long, default_value_t = 1, requires = "action_needed", value_parser = clap::value_parser!(u64).range(1..))]
    page: u64,
    /// With --page: the page size that an interrupted command reported.
    #[arg(long, default_value_t = 1_000, requires = "action_needed", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    page_size: u32,
}

/// Shows the links.
pub(crate) async fn run(stack: &Stack, output: Output, arguments: &Arguments) -> Result<(), Error> {
    match &arguments.external_id {
        Some(external_id) => of_user(stack, output, external_id).await,
        None => action_needed(stack, output, LinksPage::new(arguments.page, arguments.page_size)).await,
    }
}

async fn of_user(stack: &Stack, output: Output, external_id: &str) -> Result<(), Error> {
    let query = stack.dynamodb.query().table_name(&stack.table_name).index_name("gsi1");
    let query = query
        .key_condition_expression("gsi1pk = :user")
        .expression_attribute_values(":user", AttributeValue::S(format!("EXTERNAL#{external_id}")));

    let mut items = query.into_paginator().items().send();
    let mut is_known = false;
    while let Some(item) = items.next().await {
        let item = item.map_err(Error::aws("DynamoDB"))?;
        is_known = true;
        let (link, summary) = (id(&item), Summary::of_link(Some(&item)));
        output.result(&format!("{link}  {}", summary.text), &json!({ "link_id": link, "link": summary.object }));
    }

    if !is_known {
        output.hint("The table has no link of this user. Belvo names the user with the first data, or within a day.");
    }
    Ok(())
}

async fn action_needed(stack: &Stack, output: Output, from: LinksPage) -> Result<(), Error> {
    let mut pages = LinkPages::new(stack.belvo().await?, from);
    let bar = output.progress("listing the links at Belvo");
    let (mut checked, mut found) = (0, 0);
    while let Some(page) = pages.upcoming() {
        bar.set_message(format!("{checked} links; to resume after an interruption: {}", options(page)));
        let Some(listed) = pages.read().await? else { continue };
        let ids: BTreeSet<_> = listed.links.into_iter().map(|link| link.id).collect();
        let items = read_items(&stack.dynamodb, &stack.table_name, &ids).await.map_err(pages.at(page))?;
        for item in items.iter().filter(|item| needs_action(item)) {
            found += 1;
            // The progress and the results can share a terminal.
            bar.suspend(|| show(output, item));
        }
        checked += ids.len();
    }
    bar.finish_and_clear();

    output.hint(&format!("{found} of {checked} links need their users."));
    pages.finish(output)
}

fn show(output: Output, item: &Item) {
    let (link, user, summary) = (id(item), text(item, "external_id"), Summary::of_link(Some(item)));
    let user_column = user.map(|user| format!("  {user}")).unwrap_or_default();
    output.result(
        &format!("{link}{user_column}  {}", summary.text),
        &json!({ "link_id": link, "external_id": user, "link": summary.object }),
    );
}

fn needs_action(item: &Item) -> bool {
    text(item, "action").is_some()
}

fn id(item: &Item) -> &str {
    text(item, "pk").and_then(|pk| pk.strip_prefix("LINK#")).unwrap_or_default()
}

/// Reads the items of links, sorted by link. The result lacks links that the table does not have.
pub(crate) async fn read_items(
    dynamodb: &aws_sdk_dynamodb::Client,
    table_name: &str,
    links: &BTreeSet<LinkId>,
) -> Result<Vec<Item>, Error> {
    let links: Vec<_> = links.iter().collect();
    let mut items = Vec::new();
    for batch in links.chunks(MAX_KEYS) {
        let keys = batch.iter().map(|link| key(link)).collect();
        items.extend(read_batch(dynamodb, table_name, keys).await?);
    }
    items.sort_by(|left, right| id(left).cmp(id(right)));
    Ok(items)
}

async fn read_batch(
    dynamodb: &aws_sdk_dynamodb::Client,
    table_name: &str,
    keys: Vec<Item>,
) -> Result<Vec<Item>, Error> {
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).build();
    let keys = keys.map_err(|_| Error::Input("no keys".to_owned()))?;
    let mut unprocessed = HashMap::from([(table_name.to_owned(), keys)]);
    let mut items = Vec::new();
    let mut attempt = 1;
    loop {
        let call = dynamodb.batch_get_item().set_request_items(Some(unprocessed));
        let response = call.send().await.map_err(Error::aws("DynamoDB"))?;
        items.extend(response.responses.unwrap_or_default().into_values().flatten());
        unprocessed = response.unprocessed_keys.unwrap_or_default();
        if unprocessed.is_empty() {
            return Ok(items);
        }
        if attempt == MAX_ATTEMPTS {
            return Err(Error::Incomplete("DynamoDB has no capacity for these reads; try again later".to_owned()));
        }
        tokio::time::sleep(BACKOFF * attempt).await;
        attempt += 1;
    }
}

fn key(link: &LinkId) -> Item {
    let s = |text: String| AttributeValue::S(text);
    Item::from([("pk".to_owned(), s(format!("LINK#{link}"))), ("sk".to_owned(), s("LINK".to_owned()))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(number: u32) -> LinkId {
        LinkId::parse(&format!("l-{number:03}")).unwrap()
    }

    #[tokio::test]
    async fn each_link_that_the_table_knows_is_looked_up_once_and_in_order() {
        let dynamodb = test_aws::dynamodb::start().await;
        for number in (0..250).filter(|number| number % 2 == 0) {
            let put = dynamodb.put_item().table_name(test_aws::dynamodb::TABLE_NAME).set_item(Some(key(&link(number))));
            put.send().await.unwrap();
        }

        let found = read_items(&dynamodb, test_aws::dynamodb::TABLE_NAME, &(0..250).map(link).collect()).await.unwrap();

        let expected: Vec<_> = (0..250).step_by(2).map(|number| link(number).to_string()).collect();
        assert_eq!(found.iter().map(id).collect::<Vec<_>>(), expected);
        assert!(read_items(&dynamodb, test_aws::dynamodb::TABLE_NAME, &BTreeSet::new()).await.unwrap().is_empty());
    }

    #[test]
    fn a_link_needs_its_user_when_it_has_an_action_whatever_its_status() {
        let mut item = key(&link(1));
        item.insert("status".to_owned(), AttributeValue::S("gone".to_owned()));
        assert!(!needs_action(&item));
        item.insert("action".to_owned(), AttributeValue::S("renew_consent".to_owned()));
        assert!(needs_action(&item));
    }
}
