//! Who sends this webhook?
//!
//! Belvo signs nothing: it sends one static `Authorization` header that is set in its dashboard. The header is compared
//! as a whole, in constant time, by its digest, so that neither content nor length leaks; only the case of its scheme is of
//! no account, as HTTP has it. The secret's current version is accepted, and for some hours after a rotation the one before it.
//!
//! The secret is read again after five minutes, and when a header does not match (it may just have been rotated), then
//! at most once a minute: wrong credentials cannot make us hammer Secrets Manager.

use std::ops::RangeInclusive;

use domain::EpochMillis;
use runtime::{Authorization, Scheme, Secret, SecretError, SecretVersion, WebhookCredentials};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::Mutex;
use tracing::warn;

use crate::mismatch::{self, Mismatch};

/// How long the previous version is accepted after a rotation.
pub(crate) const DEFAULT_GRACE_HOURS: u32 = 24;
/// What `SECRET_GRACE_HOURS` may be.
pub(crate) const GRACE_HOURS: RangeInclusive<u32> = 0..=720;
/// How long what was read is used.
const FRESH_MS: EpochMillis = 5 * 60 * 1_000;
/// How often a wrong header may make us read the secret again.
const MISMATCH_REFRESH_MS: EpochMillis = 60 * 1_000;
/// A version that is younger may have come between two calls that read the secret.
const JUST_ROTATED_MS: EpochMillis = 60 * 1_000;
const HOUR_MS: EpochMillis = 60 * 60 * 1_000;

/// Compares headers with the webhook secret.
#[derive(Debug)]
pub(crate) struct Authenticator {
    secret: Secret,
    grace_ms: EpochMillis,
    cache: Mutex<Cache>,
}

/// What was read of the secret, and how the last reading that a wrong header caused went.
#[derive(Debug, Default)]
struct Cache {
    known: Option<Known>,
    mismatch_read: Option<MismatchRead>,
}

#[derive(Debug, Clone, Copy)]
struct MismatchRead {
    at: EpochMillis,
    failed: bool,
}

/// What is to become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It carries the secret.
    Authentic,
    /// It does not, for this reason.
    Refused(Mismatch),
}

/// The secret as it was last read. Only digests of it are kept.
#[derive(Debug)]
struct Known {
    current: HeaderDigests,
    previous: HeaderDigests,
    /// Those of the current version.
    schemes: Vec<Scheme>,
    /// When the current version was made, from which the previous one's grace is counted.
    rotated_at: EpochMillis,
    read_at: EpochMillis,
}

/// Digests of the headers that one version allows.
type HeaderDigests = Vec<[u8; 32]>;

impl Authenticator {
    pub(crate) fn new(secret: Secret, grace_hours: u32) -> Self {
        Self { secret, grace_ms: EpochMillis::from(grace_hours) * HOUR_MS, cache: Mutex::default() }
    }

    /// Reads the secret, if that can be done.
    pub(crate) async fn warm_up(&self, now: EpochMillis) {
        match self.read(now).await {
            Ok(known) => self.cache.lock().await.known = Some(known),
            Err(trouble) => warn!(error = %trouble, "cannot read the webhook secret yet"),
        }
    }

    /// Judges the `Authorization` header of a request.
    pub(crate) async fn verdict(&self, header: Option<&str>, now: EpochMillis) -> Result<Verdict, SecretError> {
        let Some(header) = header.filter(|header| !header.is_empty()) else {
            return Ok(Verdict::Refused(Mismatch::NoHeader));
        };
        let digest = digest_of_header(header);
        let mut cache = self.cache.lock().await;
        let fresh = cache.known.as_ref().filter(|known| is_within(known.read_at, FRESH_MS, now));
        let is_mismatch = fresh.is_some();
        if let Some(known) = fresh {
            if known.allows(&digest, now, self.grace_ms) {
                return Ok(Verdict::Authentic);
            }
            match cache.mismatch_read.filter(|read| is_within(read.at, MISMATCH_REFRESH_MS, now)) {
                // The header may be of a version that could not be read: that is our trouble.
                Some(MismatchRead { failed: true, .. }) => {
                    return Err(SecretError::NotGiven("a minute ago".into()));
                }
                Some(MismatchRead { failed: false, .. }) => return Ok(known.refuse(header)),
                None => {}
            }
        }
        let read = self.read(now).await;
        if is_mismatch {
            cache.mismatch_read = Some(MismatchRead { at: now, failed: read.is_err() });
        }
        let known = cache.known.insert(read?);
        Ok(if known.allows(&digest, now, self.grace_ms) { Verdict::Authentic } else { known.refuse(header) })
    }

    async fn read(&self, now: EpochMillis) -> Result<Known, SecretError> {
        let (current, previous) = tokio::join!(self.secret.current(), self.secret.previous());
        let (current, mut previous) = (current?, previous?);
        // `now` is before the two calls, so a rotation between them is later than it.
        if now.saturating_sub(current.created_at) < JUST_ROTATED_MS {
            // The two calls may have seen the secret on either side of a rotation, and so the version before the previous.
            previous = self.secret.previous().await?;
        }
        let allowed = authorizations(&current)?;
        // A retired version that cannot be understood retires at once.
        let retired = previous.as_ref().and_then(|version| authorizations(version).ok()).unwrap_or_default();
        Ok(Known {
            rotated_at: current.created_at,
            current: digests(&allowed),
            previous: digests(&retired),
            schemes: allowed.iter().map(|allowed| allowed.scheme).collect(),
            read_at: now,
        })
    }
}

impl Known {
    fn allows(&self, digest: &[u8; 32], now: EpochMillis, grace_ms: EpochMillis) -> bool {
        let in_grace = now.saturating_sub(self.rotated_at) < grace_ms;
        let previous = if in_grace { self.previous.as_slice() } else { &[] };
        let matches = self.current.iter().chain(previous).map(|known| known.ct_eq(digest));
        matches.fold(Choice::from(0), |any, one| any | one).into()
    }

    fn refuse(&self, header: &str) -> Verdict {
        Verdict::Refused(Mismatch::of(header, &self.schemes))
    }
}

/// Did this happen less than so long ago? A clock that was set back makes things old, not fresh for ever.
fn is_within(then: EpochMillis, span_ms: EpochMillis, now: EpochMillis) -> bool {
    (0..span_ms).contains(&now.saturating_sub(then))
}

/// The headers that a version of the secret allows.
fn authorizations(version: &SecretVersion) -> Result<Vec<Authorization>, SecretError> {
    WebhookCredentials::parse(version.text.expose_secret())?.authorizations()
}

fn digests(allowed: &[Authorization]) -> HeaderDigests {
    allowed.iter().map(|allowed| digest(allowed.scheme.as_str(), allowed.credentials.expose())).collect()
}

/// The digest of a header as it was sent, but with its scheme written as we write it.
fn digest_of_header(header: &str) -> [u8; 32] {
    let (scheme, credentials) = mismatch::parts(header);
    digest(Scheme::named(scheme).map_or(scheme, |known| known.as_str()), credentials)
}

fn digest(scheme: &str, credentials: &str) -> [u8; 32] {
    let parts = [scheme.as_bytes(), b" ", credentials.as_bytes()];
    parts.into_iter().fold(Sha256::new(), Sha256::chain_update).finalize().into()
}

#[cfg(test)]
mod tests;
