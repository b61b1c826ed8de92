//! Replaces Belvo's API key.

use std::io::{self, IsTerminal};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use belvo::LinksPage;
use domain::ListedLink;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::error::Error;
use crate::links;
use crate::output::Output;
use crate::stack::Stack;

/// The maximum number of pages to search for a link, of a megabyte each. A larger table counts as one with links.
const MAX_PAGES: usize = 50;
/// The page size of the second request, if Belvo fails on a page of full size.
const SMALL_PAGE: u32 = 10;

/// Reads a new key from standard input and stores it, if Belvo accepts it.
pub(super) async fn rotate(stack: &Stack, output: Output, another_account: bool) -> Result<(), Error> {
    let (secret_id, password) = (read_secret("Secret ID")?, read_secret("Secret Password")?);
    let credentials =
        belvo::Credentials { secret_id: secret_id.expose_secret().to_owned(), secret_password: password.clone() };
    let links = some_links(&stack.belvo_with(credentials)?).await.map_err(Error::NewKey)?;

    if !another_account && is_of_another_account(&stack.dynamodb, &stack.table_name, &links).await? {
        // With such a key all links would count as gone, and the stack would believe a webhook that reports a deletion.
        return Err(Error::Input(
            "the key is of another Belvo account or environment: the account has links, the table has links, and the \
             table has none of the account's first thousand; nothing was changed. If it is the right key: --another-account"
                .to_owned(),
        ));
    }

    let text = json!({ "secret_id": secret_id.expose_secret(), "secret_password": password.expose_secret() });
    stack.put_secret("BelvoSecretArn", text.to_string()).await?;
    output.result("Belvo accepts the new key, and it is stored.", &json!({ "rotated": "belvo" }));
    output.hint(
        "Running functions read it when Belvo rejects the old one. You can delete the old one in Belvo's dashboard now.",
    );
    Ok(())
}

/// Returns some of Belvo's links, which is the cheapest request that needs a key. A failure on a large page says
/// nothing about the key, so a small page is requested then.
async fn some_links(client: &belvo::Client) -> Result<Vec<ListedLink>, belvo::Error> {
    match client.links(LinksPage::FIRST).await {
        Err(error) if error.concerns_one_page() => Ok(client.links(LinksPage::new(1, SMALL_PAGE)).await?.links),
        response => Ok(response?.links),
    }
}

/// Returns `true` if the account and the table both have links, and the table has none of the account's. A table
/// without links fits every account.
async fn is_of_another_account(dynamodb: &Client, table_name: &str, links: &[ListedLink]) -> Result<bool, Error> {
    let ids = links.iter().map(|link| link.id.clone()).collect();
    let is_known = links.is_empty() || !links::read_items(dynamodb, table_name, &ids).await?.is_empty();
    Ok(!is_known && has_links(dynamodb, table_name).await?)
}

/// Returns `true` if the table has a link. Nearly every item belongs to a link, so that a scan ends with its first
/// page.
async fn has_links(dynamodb: &Client, table_name: &str) -> Result<bool, Error> {
    let scan = dynamodb
        .scan()
        .table_name(table_name)
        .consistent_read(true)
        .projection_expression("pk")
        .filter_expression("begins_with(pk, :link)")
        .expression_attribute_values(":link", AttributeValue::S("LINK#".to_owned()));

    let mut pages = scan.into_paginator().send();
    for _ in 0..MAX_PAGES {
        let Some(page) = pages.next().await else { return Ok(false) };
        if !page.map_err(Error::aws("DynamoDB"))?.items().is_empty() {
            return Ok(true);
        }
    }
    Ok(true)
}

/// Reads a part of the key: from a terminal without echo, otherwise a line of standard input.
fn read_secret(name: &str) -> Result<SecretString, Error> {
    let text = if io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{name}: "))
    } else {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    };
    let text = text.map_err(|error| Error::Input(format!("cannot read the {name}: {error}")))?.trim().to_owned();

    let is_valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_valid.then(|| SecretString::from(text)).ok_or_else(|| Error::Input(format!("the {name} is invalid")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_of_another_account_if_the_table_has_links_but_none_of_that_account() {
        let (dynamodb, name) = (test_aws::dynamodb::start().await, test_aws::dynamodb::TABLE_NAME);
        let links = [listed("l-1"), listed("l-2")];
        let is_of_another = async |links: &[ListedLink]| is_of_another_account(&dynamodb, name, links).await.unwrap();
        let put = async |pk: &str, sk: &str| {
            let put = dynamodb.put_item().table_name(name).item("pk", AttributeValue::S(pk.to_owned()));
            put.item("sk", AttributeValue::S(sk.to_owned())).send().await.unwrap();
        };
        // The first key was mistyped, so the table has no link yet.
        put("UNROUTED#2026-11-22", "EVENT#1#k").await;
        assert!(!is_of_another(&links).await);
        put("LINK#l-3", "LINK").await;
        assert!(is_of_another(&links).await);
        assert!(!is_of_another(&[]).await);
        put("LINK#l-2", "LINK").await;
        assert!(!is_of_another(&links).await);
    }

    fn listed(id: &str) -> ListedLink {
        ListedLink {
            id: domain::LinkId::parse(id).unwrap(),
            access: None,
            external_id: None,
            access_mode: None,
            refresh_rate: None,
            fetch_resources: Vec::new(),
            created_at: None,
        }
    }
}
