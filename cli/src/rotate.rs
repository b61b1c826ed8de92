//! Replacing secrets while webhooks come in.
//!
//! The webhook function accepts the version in force and the one before it, for `SecretGraceHours` after the rotation; what
//! it knows of the secret is at most five minutes old. So a new token is stored first, and entered in Belvo's dashboard
//! five minutes later. Two rotations within the grace retire the older token at once, which Belvo may still send: the second
//! is refused unless it is forced.

use std::io::{self, IsTerminal};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue;
use belvo::LinksPage;
use clap::Subcommand;
use domain::{EpochMillis, ListedLink, now};
use runtime::WebhookCredentials;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::authorization::{self, Header};
use crate::error::{Error, failed};
use crate::links;
use crate::output::{Output, moment};
use crate::stack::Stack;

/// As long as the token that the template makes.
const TOKEN_CHARACTERS: i64 = 48;
/// How old the webhook function's knowledge of its secret is at most.
const CACHE_MS: EpochMillis = 5 * 60 * 1_000;
const HOUR_MS: EpochMillis = 60 * 60 * 1_000;
/// A table whose first pages, of a megabyte each, name no link is taken to have some further on.
const MAX_PAGES: usize = 50;
/// Links that are asked for when Belvo fails at a large page of them.
const A_FEW: u32 = 10;
/// The template's default.
const DEFAULT_GRACE_HOURS: EpochMillis = 24;

/// Which secret to replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Which {
    /// Makes a new token (or password) for the webhooks' Authorization header. The old one is accepted for a while.
    Webhook {
        /// Also while the one before the old one is accepted, which then is refused at once.
        #[arg(long)]
        force: bool,
    },
    /// Stores a new API key of Belvo's, which is asked for, once Belvo accepts it.
    Belvo {
        /// Also a key to an account whose links the table does not know.
        #[arg(long)]
        another_account: bool,
    },
}

pub(crate) async fn run(stack: &Stack, output: &Output, which: Which) -> Result<(), Error> {
    match which {
        Which::Webhook { force } => webhook(stack, output, force).await,
        Which::Belvo { another_account } => belvo(stack, output, another_account).await,
    }
}

async fn webhook(stack: &Stack, output: &Output, force: bool) -> Result<(), Error> {
    let id = stack.output("WebhookSecretArn")?;
    let hours = stack.parameter("SecretGraceHours").and_then(|hours| hours.parse().ok());
    let grace_ms = hours.unwrap_or(DEFAULT_GRACE_HOURS) * HOUR_MS;
    if !force && let Some(until) = accepted_until(&stack.secrets, id, grace_ms, now()).await? {
        return Err(Error::Input(format!(
            "the token was rotated already, and until {until} the one before it is accepted, which Belvo may still send; \
             another rotation would have that refused at once. The value to enter in Belvo's dashboard is what belvo-sync \
             authorization-header --value prints; --force rotates all the same"
        )));
    }
    let current = authorization::current(stack).await?;
    let made = stack.secrets.get_random_password().password_length(TOKEN_CHARACTERS).exclude_punctuation(true);
    let made = made.send().await.map_err(failed("Secrets Manager"))?.random_password;
    let made = made.filter(|made| !made.is_empty()).ok_or(Error::SecretMalformed)?;
    let (text, next) = succeeding(&current, made);
    let put = stack.secrets.put_secret_value().secret_id(id).secret_string(text);
    put.send().await.map_err(failed("Secrets Manager"))?;

    let header = Header::of(&next)?;
    let enter_after = moment(now() + CACHE_MS);
    let old_until = moment(now() + grace_ms);
    let mut object = header.object();
    object["enter_after"] = enter_after.as_str().into();
    object["old_accepted_until"] = old_until.as_str().into();
    output.result(&header.line(), &object);
    output.hint(&format!(
        "Enter its value in Belvo's dashboard after {enter_after}: by then every warm function knows it. The value is what \
         follows \"Authorization: \", without the name; belvo-sync authorization-header --value prints it alone.\n\
         The old one is accepted until {old_until}. Do not rotate again before the new one is entered."
    ));
    Ok(())
}

/// Until when the version before the one in force is accepted, if there is one and it is accepted now. The webhook function
/// counts in the same way.
async fn accepted_until(
    secrets: &aws_sdk_secretsmanager::Client,
    id: &str,
    grace_ms: EpochMillis,
    now: EpochMillis,
) -> Result<Option<String>, Error> {
    let read = |stage| secrets.get_secret_value().secret_id(id).version_stage(stage).send();
    let current = read("AWSCURRENT").await.map_err(failed("Secrets Manager"))?;
    let rotated_at = current.created_date().and_then(|at| at.to_millis().ok()).unwrap_or(now);
    let until = rotated_at.saturating_add(grace_ms);
    if until <= now {
        return Ok(None);
    }
    match read("AWSPREVIOUS").await {
        Ok(_) => Ok(Some(moment(until))),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(failed("Secrets Manager")(error)),
    }
}

/// The next version, as the secret keeps it and as credentials: of the same kind as the one in force.
fn succeeding(current: &WebhookCredentials, made: String) -> (String, WebhookCredentials) {
    match &current.username {
        Some(user) if current.token.is_none() => {
            let text = json!({ "username": user.expose(), "password": made });
            let (username, password) = (Some(user.clone()), Some(made.into()));
            (text.to_string(), WebhookCredentials { token: None, username, password })
        }
        _ => {
            let text = json!({ "token": made });
            (text.to_string(), WebhookCredentials { token: Some(made.into()), username: None, password: None })
        }
    }
}

async fn belvo(stack: &Stack, output: &Output, another_account: bool) -> Result<(), Error> {
    let (secret_id, password) = (ask("Secret ID")?, ask("Secret Password")?);
    let base_url = stack.parameter("BelvoBaseUrl").unwrap_or_default();
    let credentials =
        belvo::Credentials { secret_id: secret_id.expose_secret().to_owned(), secret_password: password.clone() };
    let client = belvo::Client::new(base_url, credentials, belvo::Limits::default())
        .map_err(|error| Error::Input(error.to_string()))?;
    let links = some_links(&client).await.map_err(Error::Belvo)?;
    if !another_account && is_of_another_account(&stack.dynamodb, &stack.table_name, &links).await? {
        // To this stack all links would be gone, and a webhook that says that one was deleted would be believed.
        return Err(Error::Input(
            "that is a key of another Belvo account or environment: it has links, the table has links, and the table knows \
             none of the account's first thousand; nothing was changed. If it is the right one all the same: \
             --another-account"
                .to_owned(),
        ));
    }
    let text =
        json!({ "secret_id": secret_id.expose_secret(), "secret_password": password.expose_secret() }).to_string();
    let put = stack.secrets.put_secret_value().secret_id(stack.output("BelvoSecretArn")?).secret_string(text);
    put.send().await.map_err(failed("Secrets Manager"))?;
    output.result("Belvo accepts the new key, and it is stored.", &json!({ "rotated": "belvo" }));
    output.hint(
        "Functions that are warm read it when Belvo refuses the old one: delete that in Belvo's dashboard whenever you \
         like.",
    );
    Ok(())
}

/// Some of Belvo's links: the cheapest question that needs a key. That Belvo fails at a large page says nothing about the key:
/// then a small one is asked for.
async fn some_links(client: &belvo::Client) -> Result<Vec<ListedLink>, belvo::Error> {
    match client.links(LinksPage::FIRST).await {
        Err(error) if error.concerns_one_page() => Ok(client.links(LinksPage::new(1, A_FEW)).await?.links),
        answer => Ok(answer?.links),
    }
}

/// Has the table links, and none of these, of which there are some? A table that has none may become that of any account.
async fn is_of_another_account(dynamodb: &Client, table_name: &str, links: &[ListedLink]) -> Result<bool, Error> {
    let ids = links.iter().map(|link| link.id.clone()).collect();
    let is_known = links.is_empty() || !links::items(dynamodb, table_name, &ids).await?.is_empty();
    Ok(!is_known && has_any_link(dynamodb, table_name).await?)
}

/// Is there any link in the table? Nearly every item belongs to one, so that a scan ends with its first page.
async fn has_any_link(dynamodb: &Client, table_name: &str) -> Result<bool, Error> {
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
        if !page.map_err(failed("DynamoDB"))?.items().is_empty() {
            return Ok(true);
        }
    }
    // It is large, so it has been in use.
    Ok(true)
}

/// Asks a person without showing what is typed; a program gives a line for each.
fn ask(what: &str) -> Result<SecretString, Error> {
    let typed = if io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{what}: "))
    } else {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    };
    let typed = typed.map_err(|error| Error::Input(format!("cannot read the {what}: {error}")))?.trim().to_owned();
    let is_usable = !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_graphic());
    is_usable.then(|| SecretString::from(typed)).ok_or_else(|| Error::Input(format!("that is no {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_succeeded_by_one_of_its_kind() {
        let secret = |text: &str| WebhookCredentials::parse(text).unwrap();
        let next = |text: &str| {
            let (next, _) = succeeding(&secret(text), "new".to_owned());
            serde_json::from_str::<serde_json::Value>(&next).unwrap()
        };
        assert_eq!(next(r#"{"token":"old"}"#), json!({ "token": "new" }));
        let basic = json!({ "username": "belvo", "password": "new" });
        assert_eq!(next(r#"{"username":"belvo\n","password":"old"}"#), basic);
    }

    #[tokio::test]
    async fn a_key_is_of_another_account_when_the_table_has_links_and_none_of_the_keys() {
        let (dynamodb, name) = (test_aws::dynamodb::start().await, test_aws::dynamodb::TABLE_NAME);
        let links = [listed("l-1"), listed("l-2")];
        let is_of_another = async |links: &[ListedLink]| is_of_another_account(&dynamodb, name, links).await.unwrap();
        let put = async |pk: &str, sk: &str| {
            let put = dynamodb.put_item().table_name(name).item("pk", AttributeValue::S(pk.to_owned()));
            put.item("sk", AttributeValue::S(sk.to_owned())).send().await.unwrap();
        };
        // The first key was mistyped, so no link was ever met.
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

    #[tokio::test]
    async fn the_version_before_is_accepted_for_as_long_as_the_webhook_function_takes_it() {
        use aws_sdk_secretsmanager::operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput};
        use aws_sdk_secretsmanager::types::error::ResourceNotFoundException;
        use aws_smithy_mocks::{RuleMode, mock, mock_client};

        let until = async |has_previous: bool, now: EpochMillis| {
            let made = || aws_sdk_secretsmanager::primitives::DateTime::from_millis(10 * HOUR_MS);
            let current = mock!(aws_sdk_secretsmanager::Client::get_secret_value)
                .match_requests(move |input| has_previous || input.version_stage() == Some("AWSCURRENT"))
                .then_output(move || GetSecretValueOutput::builder().created_date(made()).build());
            let none = mock!(aws_sdk_secretsmanager::Client::get_secret_value).then_error(|| {
                let meta = aws_sdk_secretsmanager::error::ErrorMetadata::builder().code("ResourceNotFoundException");
                let none = ResourceNotFoundException::builder().meta(meta.build());
                GetSecretValueError::ResourceNotFoundException(none.build())
            });
            let secrets = mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [&current, &none]);
            accepted_until(&secrets, "secret", 24 * HOUR_MS, now).await.unwrap()
        };
        assert_eq!(until(true, 34 * HOUR_MS - 1).await.as_deref(), Some("1970-01-02T10:00:00Z"));
        assert_eq!(until(true, 34 * HOUR_MS).await, None);
        assert_eq!(until(false, 10 * HOUR_MS).await, None, "nothing was rotated yet");
    }
}
