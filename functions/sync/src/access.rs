//! Access to Belvo: the client, and the credentials that it sends.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use belvo::{Client, Credentials, Limits};
use domain::EpochMillis;
use platform::{Secret, SecretUnavailable};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::failure::Failure;
use crate::listing::PAGE_SIZE;

/// Makes the client when it is first needed: a secret that cannot be read then costs one attempt of one message, not
/// the start of the function.
#[derive(Debug)]
pub(crate) struct Access {
    base_url: String,
    secret: Secret,
    limits: Limits,
    client: OnceCell<Client>,
    /// When Belvo last refused or ignored `id__in`; 0 for never.
    id_in_failed_at: AtomicI64,
    /// How many objects of a list Belvo has lately been able to give at once. Kept for the life of the environment: a
    /// list that was once too much for Belvo would otherwise cost its patience again at every attempt.
    piece: AtomicU32,
}

/// How long `id__in` is left alone after Belvo refused it.
const ID_IN_PAUSE_MS: EpochMillis = 60 * 60 * 1_000;

/// The form of Belvo's secret.
#[derive(Deserialize)]
struct Stored {
    secret_id: String,
    secret_password: String,
}

impl Access {
    pub(crate) fn new(base_url: String, secret: Secret, limits: Limits) -> Self {
        Self {
            base_url,
            secret,
            limits,
            client: OnceCell::new(),
            id_in_failed_at: AtomicI64::new(0),
            piece: AtomicU32::new(PAGE_SIZE),
        }
    }

    /// The client, with the credentials as they were last read.
    pub(crate) async fn client(&self) -> Result<&Client, Failure> {
        let connect = || async { Ok(Client::new(&self.base_url, self.read().await?, self.limits)?) };
        self.client.get_or_try_init(connect).await
    }

    /// Reads the credentials again, after Belvo refused them.
    pub(crate) async fn renew(&self) -> Result<(), Failure> {
        let credentials = self.read().await?;
        self.client().await?.set_credentials(credentials);
        Ok(())
    }

    /// How many objects of a list to ask for at once.
    pub(crate) fn piece(&self) -> &AtomicU32 {
        &self.piece
    }

    /// Is it worth listing objects with `id__in`?
    pub(crate) fn allows_id_in(&self, now: EpochMillis) -> bool {
        now.saturating_sub(self.id_in_failed_at.load(Ordering::Relaxed)) >= ID_IN_PAUSE_MS
    }

    /// Belvo refused or ignored `id__in`.
    pub(crate) fn note_id_in_failed(&self, now: EpochMillis) {
        self.id_in_failed_at.store(now, Ordering::Relaxed);
    }

    async fn read(&self) -> Result<Credentials, SecretUnavailable> {
        let version = self.secret.current().await?;
        let stored: Stored =
            serde_json::from_str(version.text.expose_secret()).map_err(|_| SecretUnavailable::Malformed)?;
        Ok(Credentials { secret_id: stored.secret_id, secret_password: stored.secret_password.into() })
    }
}
