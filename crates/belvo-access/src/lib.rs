//! Access to Belvo: its client, with the credentials from the secret `{"secret_id", "secret_password"}`.

use belvo::{CannotStart, Class, Client, Credentials, Limits};
use platform::metrics::{self, Metric};
use platform::{Line, Secret, SecretText, SecretUnavailable};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::sync::OnceCell;

/// Makes the client when it is first needed: a secret that cannot be read then costs one attempt of one invocation, not
/// the start of the function.
#[derive(Debug)]
pub struct Access {
    base_url: String,
    secret: Secret,
    limits: Limits,
    client: OnceCell<Client>,
}

/// Why Belvo cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum NoAccess {
    /// The credentials could not be read.
    #[error(transparent)]
    Secret(#[from] SecretUnavailable),
    /// A setting is wrong. A deployment mends it.
    #[error(transparent)]
    Settings(#[from] CannotStart),
}

/// The form of the secret.
#[derive(Deserialize)]
struct Stored {
    secret_id: SecretText,
    secret_password: SecretText,
}

impl Access {
    /// Access to the Belvo at this address, with what the secret holds.
    #[must_use]
    pub fn new(base_url: String, secret: Secret, limits: Limits) -> Self {
        Self { base_url, secret, limits, client: OnceCell::new() }
    }

    /// The client, with the credentials as they were last read.
    ///
    /// # Errors
    /// [`NoAccess`]
    pub async fn client(&self) -> Result<&Client, NoAccess> {
        let connect = || async { Ok(Client::new(&self.base_url, self.read().await?, self.limits)?) };
        self.client.get_or_try_init(connect).await
    }

    /// The client, with the credentials as they stand now: for requests that cannot be repeated when old credentials are
    /// refused.
    ///
    /// # Errors
    /// [`NoAccess`]
    pub async fn fresh_client(&self) -> Result<&Client, NoAccess> {
        if self.client.initialized() {
            self.renew().await?;
        }
        self.client().await
    }

    /// Reads the credentials again, after Belvo refused them.
    ///
    /// # Errors
    /// [`NoAccess`]
    pub async fn renew(&self) -> Result<(), NoAccess> {
        let credentials = self.read().await?;
        self.client().await?.set_credentials(credentials);
        Ok(())
    }

    /// Puts on a line how Belvo answered the requests since the last line.
    pub fn count_requests(&self, line: &mut Line<'_>) {
        for (class, count) in self.client.get().map(Client::take_answered).into_iter().flatten() {
            line.count_some(metric(class), count);
        }
    }

    async fn read(&self) -> Result<Credentials, SecretUnavailable> {
        let version = self.secret.current().await?;
        credentials(version.text.expose_secret())
    }
}

/// Belvo's key, from the text of its secret.
///
/// # Errors
/// [`SecretUnavailable::Malformed`] when it has another form.
pub fn credentials(text: &str) -> Result<Credentials, SecretUnavailable> {
    let stored: Stored = serde_json::from_str(text).map_err(|_| SecretUnavailable::Malformed)?;
    Ok(Credentials { secret_id: stored.secret_id.expose().to_owned(), secret_password: stored.secret_password.into() })
}

fn metric(class: Class) -> &'static Metric {
    match class {
        Class::Success => &metrics::BELVO_2XX,
        Class::Unauthorized => &metrics::BELVO_401,
        Class::RefusedByEdge => &metrics::BELVO_403_EDGE,
        Class::NotFound => &metrics::BELVO_404,
        Class::RateLimited => &metrics::BELVO_429,
        Class::Refused => &metrics::BELVO_4XX,
        Class::Unavailable => &metrics::BELVO_5XX,
        Class::TimedOut => &metrics::BELVO_TIMEOUT,
        Class::Unreachable => &metrics::BELVO_UNREACHABLE,
        Class::Other => &metrics::BELVO_OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_that_was_pasted_along_is_no_part_of_the_key() {
        let read = credentials(r#"{"secret_id":" key-id\n","secret_password":"\tpass word\r\n"}"#).unwrap();
        assert_eq!((read.secret_id.as_str(), read.secret_password.expose_secret()), ("key-id", "pass word"));
    }

    #[test]
    fn a_secret_of_another_form_is_malformed() {
        for text in ["", "key", r#"{"secret_id":"key-id"}"#] {
            assert!(matches!(credentials(text), Err(SecretUnavailable::Malformed)), "{text}");
        }
    }
}
