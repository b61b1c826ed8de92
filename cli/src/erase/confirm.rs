//! Asking a person before what cannot be undone.

use std::io::{self, IsTerminal};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{LinkId, Resource};

use crate::error::{Error, failed};
use crate::item::text;
use crate::output::harmless;
use crate::stack::Stack;
use crate::why::of_link;

/// So many items of a link are counted at most: it is to be seen whether it is the link that was meant, and not to cost.
const MAX_COUNTED: usize = 10_000;

/// Shows each link and wants its id typed.
pub(crate) async fn erasure(stack: &Stack, links: &[LinkId]) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::Input(
            "an erasure is final, and there is nobody at a terminal to be asked: nothing was erased; --yes erases without \
             asking"
                .to_owned(),
        ));
    }
    for link in links {
        let item = stack.item(&format!("LINK#{link}"), "LINK").await?;
        let user = item.as_ref().and_then(|item| text(item, "external_id"));
        let user = user.map(|user| format!("  {user}")).unwrap_or_default();
        let (words, _) = of_link(item.as_ref());
        let records = records(&stack.dynamodb, &stack.table_name, link).await?;
        eprintln!("{}", harmless(&format!("{link}{user}  {words}; {records}")));
        eprintln!("All of this goes for good. To erase it, type the id of the link:");
        let mut typed = String::new();
        let read = io::stdin().read_line(&mut typed);
        read.map_err(|error| Error::Input(format!("cannot read what is typed: {error}")))?;
        if typed.trim() != link.as_str() {
            return Err(Error::Input("that is not its id: nothing was erased".to_owned()));
        }
    }
    Ok(())
}

/// How many records the table holds of a link, in words.
async fn records(dynamodb: &Client, table_name: &str, link: &LinkId) -> Result<String, Error> {
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
        let item = item.map_err(failed("DynamoDB"))?;
        let resource = text(&item, "sk").and_then(|sk| sk.split_once('#')).map(|(resource, _)| resource);
        records += usize::from(resource.is_some_and(|word| Resource::of_webhook_type(word).is_some()));
        counted += 1;
    }
    Ok(format!("{records} records"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Item;

    #[tokio::test]
    async fn records_are_counted_and_what_is_none_is_not() {
        let (dynamodb, name) = (test_aws::dynamodb::start().await, test_aws::dynamodb::TABLE_NAME);
        let of_this = ["ACCOUNTS#a", "EVENT#1#k", "LINK", "SEEN#TRANSACTIONS#1", "SYNC#ACCOUNTS", "TRANSACTIONS#t"];
        let keys = of_this.map(|sk| ("LINK#l-1", sk)).into_iter().chain([("LINK#l-11", "ACCOUNTS#a")]);
        for (pk, sk) in keys {
            let s = |text: &str| AttributeValue::S(text.to_owned());
            let item = Item::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))]);
            dynamodb.put_item().table_name(name).set_item(Some(item)).send().await.unwrap();
        }
        let told = async |link| records(&dynamodb, name, &LinkId::parse(link).unwrap()).await.unwrap();
        assert_eq!(told("l-1").await, "2 records");
        assert_eq!(told("l-2").await, "0 records");
    }
}
