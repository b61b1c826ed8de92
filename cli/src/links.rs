//! Links: those of a user, and those whose users have to act.
//!
//! The table has no index of what users have to do. Which links there are is taken from Belvo's own list, and each is
//! looked up in the table by its key: that reads an item a link, and not the whole table. A user can only do something about
//! a link that Belvo has.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use belvo::LinksPage;
use clap::Args;
use domain::LinkId;
use serde_json::json;

use crate::error::{Error, failed};
use crate::item::{Item, text};
use crate::link_pages::{LinkPages, options};
use crate::output::Output;
use crate::stack::Stack;
use crate::why::of_link;

/// As many items as DynamoDB gives at once.
const BATCH: usize = 100;
/// How often DynamoDB may leave something of a batch out.
const ATTEMPTS: u32 = 10;

/// Which links.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The id that you gave the user's links at Belvo.
    #[arg(required_unless_present = "action_needed", conflicts_with = "action_needed")]
    external_id: Option<String>,
    /// Of all links that Belvo has, those that need their users: to log in again, give a token, renew a consent.
    #[arg(long)]
    action_needed: bool,
    /// With --action-needed: begin with this page of Belvo's list.
    #[arg(long, default_value_t = 1, requires = "action_needed", value_parser = clap::value_parser!(u64).range(1..))]
    page: u64,
    /// With --page: its size, where a command that was broken off names one.
    #[arg(long, default_value_t = 1_000, requires = "action_needed", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    page_size: u32,
}

/// Shows them.
pub(crate) async fn run(stack: &Stack, output: &Output, which: &Which) -> Result<(), Error> {
    match &which.external_id {
        Some(external_id) => of_user(stack, output, external_id).await,
        None => action_needed(stack, output, LinksPage::new(which.page, which.page_size)).await,
    }
}

async fn of_user(stack: &Stack, output: &Output, external_id: &str) -> Result<(), Error> {
    let query = stack.dynamodb.query().table_name(&stack.table_name).index_name("gsi1");
    let query = query
        .key_condition_expression("gsi1pk = :user")
        .expression_attribute_values(":user", AttributeValue::S(format!("EXTERNAL#{external_id}")));
    let mut items = query.into_paginator().items().send();
    let mut found = false;
    while let Some(item) = items.next().await {
        let item = item.map_err(failed("DynamoDB"))?;
        found = true;
        let link = id(&item);
        let (words, object) = of_link(Some(&item));
        output.result(&format!("{link}  {words}"), &json!({ "link_id": link, "link": object }));
    }
    if !found {
        output
            .hint("No link of this user is known. Whose a link is, Belvo tells with the first data, or within a day.");
    }
    Ok(())
}

async fn action_needed(stack: &Stack, output: &Output, from: LinksPage) -> Result<(), Error> {
    let mut pages = LinkPages::new(crate::resync::belvo(stack).await?, from);
    let bar = output.progress("asking Belvo for its links");
    let (mut looked_at, mut found) = (0, 0);
    while let Some(page) = pages.upcoming() {
        bar.set_message(format!("{looked_at} links; to go on after a break: {}", options(page)));
        let Some(listed) = pages.read().await? else { continue };
        let ids: BTreeSet<_> = listed.links.into_iter().map(|link| link.id).collect();
        let items = items(&stack.dynamodb, &stack.table_name, &ids).await.map_err(pages.at(page))?;
        for item in items.iter().filter(|item| needs_action(item)) {
            found += 1;
            // Not in the midst of the progress, where both go to one terminal.
            bar.suspend(|| show(*output, item));
        }
        looked_at += ids.len();
    }
    bar.finish_and_clear();
    output.hint(&format!("{found} of {looked_at} links need their users."));
    pages.finish(*output)
}

fn show(output: Output, item: &Item) {
    let (link, user) = (id(item), text(item, "external_id"));
    let (words, object) = of_link(Some(item));
    let whose = user.map(|user| format!("  {user}")).unwrap_or_default();
    output.result(&format!("{link}{whose}  {words}"), &json!({ "link_id": link, "external_id": user, "link": object }));
}

fn needs_action(item: &Item) -> bool {
    text(item, "action").is_some()
}

fn id(item: &Item) -> &str {
    text(item, "pk").and_then(|pk| pk.strip_prefix("LINK#")).unwrap_or_default()
}

/// The items of links, in their order; a link that the table does not know has none.
pub(crate) async fn items(
    dynamodb: &aws_sdk_dynamodb::Client,
    table_name: &str,
    links: &BTreeSet<LinkId>,
) -> Result<Vec<Item>, Error> {
    let links: Vec<_> = links.iter().collect();
    let mut items = Vec::new();
    for batch in links.chunks(BATCH) {
        let keys = batch.iter().map(|link| key(link)).collect();
        let keys = KeysAndAttributes::builder().set_keys(Some(keys)).build();
        let keys = keys.map_err(|_| Error::Input("no keys".to_owned()))?;
        let mut wanted = HashMap::from([(table_name.to_owned(), keys)]);
        for attempt in 1.. {
            let call = dynamodb.batch_get_item().set_request_items(Some(wanted));
            let answer = call.send().await.map_err(failed("DynamoDB"))?;
            items.extend(answer.responses.unwrap_or_default().into_values().flatten());
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                break;
            }
            if attempt == ATTEMPTS {
                return Err(Error::Waited("DynamoDB has no capacity for these reads; try again later".to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(100) * attempt).await;
        }
    }
    items.sort_by(|one, other| id(one).cmp(id(other)));
    Ok(items)
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

        let found = items(&dynamodb, test_aws::dynamodb::TABLE_NAME, &(0..250).map(link).collect()).await.unwrap();

        let expected: Vec<_> = (0..250).step_by(2).map(|number| link(number).to_string()).collect();
        assert_eq!(found.iter().map(id).collect::<Vec<_>>(), expected);
        assert!(items(&dynamodb, test_aws::dynamodb::TABLE_NAME, &BTreeSet::new()).await.unwrap().is_empty());
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
