//! The provider of the client, with credentials from the secret `{"secret_id", "secret_password"}`.

use runtime::metrics::{self, Metric};
use runtime::{LogEvent, Secret, SecretError, SecretText};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::{BuildError, Client, Credentials, Limits, ResponseClass};

/// Builds the client on first use. An unreadable secret then fails one invocation, and not the start of the function.
#[derive(Debug)]
pub struct BelvoProvider {
    base_url: String,
    secret: Secret,
    limits: Limits,
    client: OnceCell<Client>,
}

/// An error that prevents requests to Belvo.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The credentials cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A setting is invalid. A deployment fixes it.
    #[error(transparent)]
    Settings(#[from] BuildError),
}

/// The content of the secret.
#[derive(Deserialize)]
struct SecretContent {
    secret_id: SecretText,
    secret_password: SecretText,
}

impl BelvoProvider {
    /// Returns a provider for the Belvo at this URL, with the credentials of the secret.
    #[must_use]
    pub fn new(base_url: String, secret: Secret, limits: Limits) -> Self {
        Self { base_url, secret, limits, client: OnceCell::new() }
    }

    /// Returns the client, with the credentials that were last read.
    ///
    /// # Errors
    /// [`ProviderError`]
    pub async fn client(&self) -> Result<&Client, ProviderError> {
        let build = || async { Ok(Client::new(&self.base_url, self.read().await?, self.limits)?) };
        self.client.get_or_try_init(build).await
    }

    /// Returns the client after reading the credentials again: for requests that must not be repeated after a 401.
    ///
    /// # Errors
    /// [`ProviderError`]
    pub async fn fresh_client(&self) -> Result<&Client, ProviderError> {
        if self.client.initialized() {
            self.renew().await?;
        }
        self.client().await
    }

    /// Reads the credentials again, after Belvo rejected them.
    ///
    /// # Errors
    /// [`ProviderError`]
    pub async fn renew(&self) -> Result<(), ProviderError> {
        let credentials = self.read().await?;
        self.client().await?.set_credentials(credentials);
        Ok(())
    }

    /// Adds the number of responses in each class since the last call to a log event.
    pub fn count_requests(&self, event: &mut LogEvent<'_>) {
        for (class, count) in self.client.get().map(Client::take_response_counts).into_iter().flatten() {
            event.count_nonzero(metric(class), count);
        }
    }

    async fn read(&self) -> Result<Credentials, SecretError> {
        let version = self.secret.current().await?;
        credentials(version.text.expose_secret())
    }
}

/// Reads the credentials from the text of the secret.
///
/// # Errors
/// [`SecretError::Malformed`] when the text has another form.
pub fn credentials(text: &str) -> Result<Credentials, SecretError> {
    let stored: SecretContent = serde_json::from_str(text).map_err(|_| SecretError::Malformed)?;
    Ok(Credentials { secret_id: stored.secret_id.expose().to_owned(), secret_password: stored.secret_password.into() })
}

fn metric(class: ResponseClass) -> &'static Metric {
    match class {
        ResponseClass::Success => &metrics::BELVO_2XX,
        ResponseClass::Unauthorized => &metrics::BELVO_401,
        ResponseClass::RefusedByEdge => &metrics::BELVO_403_EDGE,
        ResponseClass::NotFound => &metrics::BELVO_404,
        ResponseClass::RateLimited => &metrics::BELVO_429,
        ResponseClass::Refused => &metrics::BELVO_4XX,
        ResponseClass::Unavailable => &metrics::BELVO_5XX,
        ResponseClass::TimedOut => &metrics::BELVO_TIMEOUT,
        ResponseClass::Unreachable => &metrics::BELVO_UNREACHABLE,
        ResponseClass::Other => &metrics::BELVO_OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrounding_white_space_is_removed_from_the_credentials() {
        let read = credentials(r#"{"secret_id":" key-id\n","secret_password":"\tpass word\r\n"}"#).unwrap();
        assert_eq!((read.secret_id.as_str(), read.secret_password.expose_secret()), ("key-id", "pass word"));
    }

    #[test]
    fn a_secret_of_another_form_is_malformed() {
        for text in ["", "key", r#"{"secret_id":"key-id"}"#] {
            assert!(matches!(credentials(text), Err(SecretError::Malformed)), "{text}");
        }
    }
}
