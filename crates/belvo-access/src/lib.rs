//! Access to Belvo: its client, with the credentials from the secret `{"secret_id", "secret_password"}`.

use belvo::{CannotStart, Client, Credentials, Limits};
use platform::{Secret, SecretUnavailable};
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
    secret_id: String,
    secret_password: String,
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

    async fn read(&self) -> Result<Credentials, SecretUnavailable> {
        let version = self.secret.current().await?;
        let stored: Stored =
            serde_json::from_str(version.text.expose_secret()).map_err(|_| SecretUnavailable::Malformed)?;
        Ok(Credentials { secret_id: stored.secret_id, secret_password: stored.secret_password.into() })
    }
}
