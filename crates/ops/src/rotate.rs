//! Replacing secrets while webhooks come in.
//!
//! The webhook function accepts the version in force and the one before it, for `SecretGraceHours` after the rotation; what
//! it knows of the secret is at most five minutes old. So a new token is stored first, and entered in Belvo's dashboard
//! five minutes later. Two rotations within the grace retire the older token at once: then the first has to be entered
//! before the second is made.

use std::io::{self, IsTerminal};

use clap::Subcommand;
use domain::{EpochMillis, ListedLink, now};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::authorization::Credentials;
use crate::output::{Output, moment};
use crate::stack::Stack;
use crate::trouble::{Trouble, failed};

/// As long as the token that the template makes.
const TOKEN_CHARACTERS: i64 = 48;
/// How old the webhook function's knowledge of its secret is at most.
const CACHE_MS: EpochMillis = 5 * 60 * 1_000;
const HOUR_MS: EpochMillis = 60 * 60 * 1_000;
/// The template's default.
const DEFAULT_GRACE_HOURS: EpochMillis = 24;

/// Which secret to replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Which {
    /// Makes a new token (or password) for the webhooks' Authorization header. The old one is accepted for a while.
    Webhook,
    /// Stores a new API key of Belvo's, which is asked for, once Belvo accepts it.
    Belvo,
}

pub(crate) async fn run(stack: &Stack, output: &Output, which: Which) -> Result<(), Trouble> {
    match which {
        Which::Webhook => webhook(stack, output).await,
        Which::Belvo => belvo(stack, output).await,
    }
}

async fn webhook(stack: &Stack, output: &Output) -> Result<(), Trouble> {
    let id = stack.output("WebhookSecretArn")?;
    let current = Credentials::current(stack).await?;
    let made = stack.secrets.get_random_password().password_length(TOKEN_CHARACTERS).exclude_punctuation(true);
    let made = made.send().await.map_err(failed("Secrets Manager"))?.random_password;
    let made = made.filter(|made| !made.is_empty()).ok_or(Trouble::SecretMalformed)?;
    let (text, next) = succeeding(&current, made);
    let put = stack.secrets.put_secret_value().secret_id(id).secret_string(text);
    put.send().await.map_err(failed("Secrets Manager"))?;

    let header = next.header()?;
    let hours = stack.parameter("SecretGraceHours").and_then(|hours| hours.parse().ok());
    let enter_after = moment(now() + CACHE_MS);
    let old_until = moment(now() + hours.unwrap_or(DEFAULT_GRACE_HOURS) * HOUR_MS);
    output.result(
        &format!("Authorization: {header}"),
        &json!({ "authorization": header, "enter_after": enter_after, "old_accepted_until": old_until }),
    );
    output.hint(&format!(
        "Enter it in Belvo's dashboard after {enter_after}: by then every warm function knows it.\n\
         The old one is accepted until {old_until}. Do not rotate again before the new one is entered."
    ));
    Ok(())
}

/// The next version, as the secret keeps it and as credentials: of the same kind as the one in force.
fn succeeding(current: &Credentials, made: String) -> (String, Credentials) {
    let next = match &current.username {
        Some(user) if current.token.is_none() => {
            Credentials { token: None, username: Some(user.clone()), password: Some(made) }
        }
        _ => Credentials { token: Some(made), username: None, password: None },
    };
    let text = match (&next.token, &next.username, &next.password) {
        (Some(token), ..) => json!({ "token": token }),
        (None, username, password) => json!({ "username": username, "password": password }),
    };
    (text.to_string(), next)
}

async fn belvo(stack: &Stack, output: &Output) -> Result<(), Trouble> {
    let (secret_id, password) = (ask("Secret ID")?, ask("Secret Password")?);
    let base_url = stack.parameter("BelvoBaseUrl").unwrap_or_default();
    let credentials =
        belvo::Credentials { secret_id: secret_id.expose_secret().to_owned(), secret_password: password.clone() };
    let client = belvo::Client::new(base_url, credentials, belvo::Limits::default())
        .map_err(|error| Trouble::Input(error.to_string()))?;
    // A page of links is the cheapest question that needs a key.
    let links = client.links(1).await.map_err(Trouble::Belvo)?.links;
    if !links.is_empty() && !knows_any(stack, &links).await? {
        // To this stack all links would be gone, and a webhook that says that one was deleted would be believed.
        return Err(Trouble::Input(
            "that is a key of another Belvo account or environment: it has links, and the table knows none of the first \
             thousand; nothing was changed"
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

/// Does the table know one of these links?
async fn knows_any(stack: &Stack, links: &[ListedLink]) -> Result<bool, Trouble> {
    for link in links {
        if stack.item(&format!("LINK#{}", link.id), "LINK").await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Asks a person without showing what is typed; a program gives a line for each.
fn ask(what: &str) -> Result<SecretString, Trouble> {
    let typed = if io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{what}: "))
    } else {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    };
    let typed = typed.map_err(|error| Trouble::Input(format!("cannot read the {what}: {error}")))?.trim().to_owned();
    let is_usable = !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_graphic());
    is_usable.then(|| SecretString::from(typed)).ok_or_else(|| Trouble::Input(format!("that is no {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_succeeded_by_one_of_its_kind() {
        let secret = |text: &str| serde_json::from_str::<Credentials>(text).unwrap();
        let next = |text: &str| {
            let (next, _) = succeeding(&secret(text), "new".to_owned());
            serde_json::from_str::<serde_json::Value>(&next).unwrap()
        };
        assert_eq!(next(r#"{"token":"old"}"#), json!({ "token": "new" }));
        let basic = json!({ "username": "belvo", "password": "new" });
        assert_eq!(next(r#"{"username":"belvo","password":"old"}"#), basic);
    }
}
