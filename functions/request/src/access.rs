//! Access to Belvo: the client, with the credentials as they stand now.

use std::time::Duration;

use belvo::{Client, Credentials, Limits};
use platform::{Secret, SecretUnavailable};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::Refusal;

#[derive(Debug)]
pub(crate) struct Access {
    base_url: String,
    secret: Secret,
    limits: Limits,
    client: OnceCell<Client>,
}

/// The form of Belvo's secret.
#[derive(Deserialize)]
struct Stored {
    secret_id: String,
    secret_password: String,
}

impl Access {
    pub(crate) fn new(base_url: String, secret: Secret, limit: Duration) -> Self {
        // An environment is frozen between two invocations, and connections die meanwhile: an order that is written to a
        // dead one is an order of which nobody knows whether it arrived.
        let limits = Limits { answer: limit, idle_connections: 0, ..Limits::default() };
        Self { base_url, secret, limits, client: OnceCell::new() }
    }

    /// The client. The secret is read each time: orders are few, and one that is refused for old credentials would have
    /// to be sent again.
    pub(crate) async fn client(&self) -> Result<&Client, Refusal> {
        if let Some(client) = self.client.get() {
            client.set_credentials(self.read().await?);
            return Ok(client);
        }
        let connect = || async { Ok(Client::new(&self.base_url, self.read().await?, self.limits)?) };
        self.client.get_or_try_init(connect).await
    }

    async fn read(&self) -> Result<Credentials, SecretUnavailable> {
        let version = self.secret.current().await?;
        let stored: Stored =
            serde_json::from_str(version.text.expose_secret()).map_err(|_| SecretUnavailable::Malformed)?;
        Ok(Credentials { secret_id: stored.secret_id, secret_password: stored.secret_password.into() })
    }
}
