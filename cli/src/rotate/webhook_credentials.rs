//! Rotates the credentials of webhooks.
//!
//! The webhook function accepts the current version of the secret, and for `SecretGraceHours` after a rotation also the
//! previous one. It caches the secret for five minutes. So the command stores the new token first, and the operator
//! enters it in Belvo's dashboard five minutes later. A second rotation within the grace period would invalidate the
//! older token, which Belvo may still send: the command refuses it unless it is forced.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use domain::{EpochMillis, now};
use runtime::WebhookCredentials;
use serde_json::json;

use crate::authorization::{self, Header};
use crate::error::Error;
use crate::output::{Output, format_time};
use crate::stack::Stack;

/// The length of a token, as in the template.
const TOKEN_CHARACTERS: i64 = 48;
/// The time for which the webhook function caches its secret.
const CACHE_MS: EpochMillis = 5 * 60 * 1_000;
const HOUR_MS: EpochMillis = 60 * 60 * 1_000;
/// The default of the parameter `SecretGraceHours`.
const DEFAULT_GRACE_HOURS: EpochMillis = 24;

/// Generates and stores a new token or password, and prints the new header.
pub(super) async fn rotate(stack: &Stack, output: Output, force: bool) -> Result<(), Error> {
    let hours = stack.parameter("SecretGraceHours").and_then(|hours| hours.parse().ok());
    let grace_ms = hours.unwrap_or(DEFAULT_GRACE_HOURS) * HOUR_MS;
    if !force {
        let previous = previous_valid_until(&stack.secrets, stack.output("WebhookSecretArn")?, grace_ms, now()).await?;
        previous.map_or(Ok(()), |until| Err(refusal(&until)))?;
    }

    let current = authorization::current(stack).await?;
    let (text, next) = successor(&current, random_token(&stack.secrets).await?);
    stack.put_secret("WebhookSecretArn", text).await?;

    let header = Header::of(&next)?;
    let enter_after = format_time(now() + CACHE_MS);
    let old_until = format_time(now() + grace_ms);
    let mut object = header.object();
    object["enter_after"] = enter_after.as_str().into();
    object["old_accepted_until"] = old_until.as_str().into();
    output.result(&header.line(), &object);
    output.hint(&format!(
        "Enter its value in Belvo's dashboard after {enter_after}: from then on, every function accepts it. The value is \
         the part after \"Authorization: \"; belvo-sync authorization-header --value prints it alone.\n\
         The old one stays valid until {old_until}. Do not rotate again before you have entered the new one."
    ));
    Ok(())
}

fn refusal(until: &str) -> Error {
    Error::Input(format!(
        "the last rotation is too recent: the token before it is valid until {until}, and Belvo may still send it; \
         another rotation would invalidate it immediately. belvo-sync authorization-header --value prints the value to \
         enter in Belvo's dashboard; --force rotates anyway"
    ))
}

async fn random_token(secrets: &Client) -> Result<String, Error> {
    let call = secrets.get_random_password().password_length(TOKEN_CHARACTERS).exclude_punctuation(true);
    let token = call.send().await.map_err(Error::aws("Secrets Manager"))?.random_password;
    token.filter(|token| !token.is_empty()).ok_or(Error::SecretMalformed)
}

/// Returns the end of the previous version's grace period, or `None` if the webhook function does not accept a previous
/// version. The webhook function computes it in the same way.
async fn previous_valid_until(
    secrets: &Client,
    id: &str,
    grace_ms: EpochMillis,
    now: EpochMillis,
) -> Result<Option<String>, Error> {
    let read = |stage| secrets.get_secret_value().secret_id(id).version_stage(stage).send();
    let current = read("AWSCURRENT").await.map_err(Error::aws("Secrets Manager"))?;
    let rotated_at = current.created_date().and_then(|at| at.to_millis().ok()).unwrap_or(now);
    let until = rotated_at.saturating_add(grace_ms);
    if until <= now {
        return Ok(None);
    }

    match read("AWSPREVIOUS").await {
        Ok(_) => Ok(Some(format_time(until))),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(Error::aws("Secrets Manager")(error)),
    }
}

/// Returns the next version, as the text of the secret and as credentials. It is of the same kind as the current one.
fn successor(current: &WebhookCredentials, token: String) -> (String, WebhookCredentials) {
    match &current.username {
        Some(user) if current.token.is_none() => {
            let text = json!({ "username": user.expose(), "password": token });
            let (username, password) = (Some(user.clone()), Some(token.into()));
            (text.to_string(), WebhookCredentials { token: None, username, password })
        }
        _ => {
            let text = json!({ "token": token });
            (text.to_string(), WebhookCredentials { token: Some(token.into()), username: None, password: None })
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::error::ErrorMetadata;
    use aws_sdk_secretsmanager::operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput};
    use aws_sdk_secretsmanager::primitives::DateTime;
    use aws_sdk_secretsmanager::types::error::ResourceNotFoundException;
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;

    #[test]
    fn the_successor_of_a_secret_is_of_the_same_kind() {
        let secret = |text: &str| WebhookCredentials::parse(text).unwrap();
        let next = |text: &str| {
            let (next, _) = successor(&secret(text), "new".to_owned());
            serde_json::from_str::<serde_json::Value>(&next).unwrap()
        };
        assert_eq!(next(r#"{"token":"old"}"#), json!({ "token": "new" }));
        let basic = json!({ "username": "belvo", "password": "new" });
        assert_eq!(next(r#"{"username":"belvo\n","password":"old"}"#), basic);
    }

    #[tokio::test]
    async fn the_previous_version_is_valid_as_long_as_the_webhook_function_accepts_it() {
        let until = async |has_previous: bool, now: EpochMillis| {
            let created = || DateTime::from_millis(10 * HOUR_MS);
            let current = mock!(Client::get_secret_value)
                .match_requests(move |input| has_previous || input.version_stage() == Some("AWSCURRENT"))
                .then_output(move || GetSecretValueOutput::builder().created_date(created()).build());
            let absent = mock!(Client::get_secret_value).then_error(|| {
                let meta = ErrorMetadata::builder().code("ResourceNotFoundException");
                let absent = ResourceNotFoundException::builder().meta(meta.build());
                GetSecretValueError::ResourceNotFoundException(absent.build())
            });
            let secrets = mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [&current, &absent]);
            previous_valid_until(&secrets, "secret", 24 * HOUR_MS, now).await.unwrap()
        };
        assert_eq!(until(true, 34 * HOUR_MS - 1).await.as_deref(), Some("1970-01-02T10:00:00Z"));
        assert_eq!(until(true, 34 * HOUR_MS).await, None);
        assert_eq!(until(false, 10 * HOUR_MS).await, None, "no rotation yet");
    }
}
