//! The confirmation of an erasure at a terminal.

use std::io::{self, IsTerminal};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{LinkId, Resource};

use crate::error::Error;
use crate::item::text;
use crate::output::without_control_characters;
use crate::stack::Stack;
use crate::summary::Summary;

/// The maximum number of a link's items to count. The count only helps to recognize the link.
const MAX_COUNTED: usize = 10_000;

/// Shows each link and asks for its id. Fails if standard input is not a terminal, or another text is typed.
pub(crate) async fn confirm(stack: &Stack, links: &[LinkId]) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::Input(
            "an erasure is permanent, and there is no terminal to confirm it: nothing was erased; --yes skips the \
             confirmation"
                .to_owned(),
        ));
    }

    for link in links {
        eprintln!("{}", without_control_characters(&describe(stack, link).await?));
        eprintln!("This erases all of it permanently. To confirm, type the id of the link:");
        let mut typed = String::new();
        let read = io::stdin().read_line(&mut typed);
        read.map_err(|error| Error::Input(format!("cannot read the confirmation: {error}")))?;
        if typed.trim() != link.as_str() {
            return Err(Error::Input("that is not the id of the link: nothing was erased".to_owned()));
        }
    }
    Ok(())
}

async fn describe(stack: &Stack, link: &LinkId) -> Result<String, Error> {
    let item = stack.item(&format!("LINK#{link}"), "LINK").await?;
    let user = item.as_ref().and_then(|item| text(item, "external_id"));
    let user = user.map(|user| format!("  {user}")).unwrap_or_default();
    let records = count_records(&stack.dynamodb, &stack.table_name, link).await?;
    Ok(format!("{link}{user}  {}; {records}", Summary::of_link(item.as_ref()).text))
}

/// Returns the number of the link's records, as text.
async fn count_records(dynamodb: &Client, table_name: &str, link: &LinkId) -> Result<String, Error> {
    let query = dynamodb
        .query()
        .table_name(table_name)
        .projection_expression("sk")
        .key_condition_expression("pk = :pk")
        .expression_attribute_values(":pk", AttributeValue::S(format!("LINK#{link}")));

    let mut items = query.into_paginator().items().send();
    let (mut counted, mut records) = (0, 0);
    while let Some(item) = items.next().await {
        if counted == MAX_COUNTED {
            return Ok(format!("more than {records} records"));
        }
        let item = item.map_err(Error::aws("DynamoDB"))?;
        let resource = text(&item, "sk").and_then(|sk| sk.split_once('#')).map(|(resource, _)| resource);
        records += usize::from(resource.is_some_and(|name| Resource::of_webhook_type(name).is_some()));
        counted += 1;
    }
    Ok(format!("{records} records"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Item;

    #[tokio::test]
    async fn records_are_counted_and_other_items_are_not() {
        let (dynamodb, name) = (test_aws::dynamodb::start().await, test_aws::dynamodb::TABLE_NAME);
        let of_this = ["ACCOUNTS#a", "EVENT#1#k", "LINK", "SEEN#TRANSACTIONS#1", "SYNC#ACCOUNTS", "TRANSACTIONS#t"];
        let keys = of_this.map(|sk| ("LINK#l-1", sk)).into_iter().chain([("LINK#l-11", "ACCOUNTS#a")]);
        for (pk, sk) in keys {
            let s = |text: &str| AttributeValue::S(text.to_owned());
            let item = Item::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))]);
            dynamodb.put_item().table_name(name).set_item(Some(item)).send().await.unwrap();
        }
        let count = async |link| count_records(&dynamodb, name, &LinkId::parse(link).unwrap()).await.unwrap();
        assert_eq!(count("l-1").await, "2 records");
        assert_eq!(count("l-2").await, "0 records");
    }
}
