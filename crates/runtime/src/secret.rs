//! Secrets in AWS Secrets Manager.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use domain::EpochMillis;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use crate::aws::{CallLimit, SdkConfig, describe_error, timeouts};

/// Returns a client of Secrets Manager whose calls have this limit.
#[must_use]
pub fn secrets_client(aws: &SdkConfig, limit: CallLimit) -> Client {
    Client::from_conf(aws_sdk_secretsmanager::config::Builder::from(aws).timeout_config(timeouts(limit)).build())
}

/// A secret and its versions.
#[derive(Debug, Clone)]
pub struct Secret {
    client: Client,
    id: String,
}

/// A version of a secret. Its text prints as `[REDACTED]`.
#[derive(Debug, Clone)]
pub struct SecretVersion {
    /// The content.
    pub text: SecretString,
    /// When this version was created.
    pub created_at: EpochMillis,
}

/// A text within a secret, trimmed. Pasting and piping add white space (`"abc\n"`), which no header can end with. Prints as
/// `[REDACTED]`.
#[derive(Debug, Clone)]
pub struct SecretText(SecretString);

/// An error that makes a secret unusable. The caller did not cause it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager failed to return it. The text holds nothing of the secret.
    #[error("cannot read the secret from Secrets Manager: {0}")]
    Unavailable(String),
    /// It does not have the documented form.
    #[error("the secret does not have the documented form")]
    Malformed,
}

impl SecretText {
    /// Returns the text.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        let text = SecretString::from(text);
        Self(text.expose_secret().trim().into())
    }
}

impl From<SecretText> for SecretString {
    fn from(text: SecretText) -> Self {
        text.0
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl Secret {
    /// Returns the secret with this name or ARN.
    #[must_use]
    pub fn new(client: Client, id: String) -> Self {
        Self { client, id }
    }

    /// Reads the current version.
    ///
    /// # Errors
    /// [`SecretError`] if there is none, or it cannot be read.
    pub async fn current(&self) -> Result<SecretVersion, SecretError> {
        let version = self.read("AWSCURRENT").await?;
        version.ok_or_else(|| SecretError::Unavailable("it has no current version".to_owned()))
    }

    /// Reads the previous version. A secret that never changed has none.
    ///
    /// # Errors
    /// [`SecretError`] if it cannot be read.
    pub async fn previous(&self) -> Result<Option<SecretVersion>, SecretError> {
        self.read("AWSPREVIOUS").await
    }

    async fn read(&self, stage: &str) -> Result<Option<SecretVersion>, SecretError> {
        let call = self.client.get_secret_value().secret_id(&self.id).version_stage(stage);
        let output = match call.send().await {
            Ok(output) => output,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(SecretError::Unavailable(describe_error(&error))),
        };
        let created_at = output.created_date.and_then(|date| date.to_millis().ok()).unwrap_or_default();
        let text = output.secret_string.ok_or(SecretError::Malformed)?;
        Ok(Some(SecretVersion { text: text.into(), created_at }))
    }
}

fn is_absent(error: &SdkError<GetSecretValueError>) -> bool {
    error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception)
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
    use aws_sdk_secretsmanager::types::error::{InternalServiceError, ResourceNotFoundException};
    use aws_smithy_mocks::{Rule, mock, mock_client};

    use super::*;

    fn secret(rule: &Rule) -> Secret {
        Secret::new(mock_client!(aws_sdk_secretsmanager, [rule]), "webhook".to_owned())
    }

    #[tokio::test]
    async fn the_current_version_is_asked_for_by_its_stage() {
        let rule = mock!(Client::get_secret_value)
            .match_requests(|input| input.version_stage() == Some("AWSCURRENT") && input.secret_id() == Some("webhook"))
            .then_output(|| GetSecretValueOutput::builder().secret_string("s3cret").build());
        let version = secret(&rule).current().await.unwrap();
        assert_eq!(version.text.expose_secret(), "s3cret");
        assert!(!format!("{version:?}").contains("s3cret"));
    }

    #[tokio::test]
    async fn a_secret_that_never_changed_has_no_previous_version_and_that_is_no_error() {
        let absent = || GetSecretValueError::ResourceNotFoundException(ResourceNotFoundException::builder().build());
        let rule = || mock!(Client::get_secret_value).then_error(absent);
        assert!(secret(&rule()).previous().await.unwrap().is_none());
        assert!(secret(&rule()).current().await.is_err(), "but without a current version there is no secret");
    }

    #[test]
    fn white_space_around_a_text_is_no_part_of_it() {
        for (json, text) in
            [(r#""abc\n""#, "abc"), (r#""\r\n\t abc \r\n""#, "abc"), (r#""\u00a0a b\u2003""#, "a b"), (r#"" \n""#, "")]
        {
            let read: SecretText = serde_json::from_str(json).unwrap();
            assert_eq!(read.expose(), text, "{json}");
            assert!(!format!("{read:?}").contains("abc"));
        }
    }

    #[tokio::test]
    async fn an_error_of_secrets_manager_is_not_absence() {
        let error = || GetSecretValueError::InternalServiceError(InternalServiceError::builder().build());
        let rule = mock!(Client::get_secret_value).then_error(error);
        assert!(matches!(secret(&rule).previous().await, Err(SecretError::Unavailable(_))));
    }
}
