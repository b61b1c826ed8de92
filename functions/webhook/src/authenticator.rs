//! Authentication of the sender.
//!
//! Belvo does not sign webhooks. It sends a static `Authorization` header, which is set in Belvo's dashboard. The authenticator
//! compares digests of whole headers in constant time, so that neither content nor length leaks. Only the scheme is
//! case-insensitive, as in HTTP. It accepts the secret's current version, and the previous one for some hours after a rotation.
//!
//! It reads the secret again after five minutes. It also does so when a header does not match, because the secret may have been
//! rotated, but at most once a minute: wrong credentials must not cause many calls to Secrets Manager.

use std::ops::RangeInclusive;

use domain::EpochMillis;
use runtime::{Authorization, Scheme, Secret, SecretError, SecretVersion, WebhookCredentials};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::Mutex;
use tracing::warn;

use crate::mismatch::{self, Mismatch};

/// Hours for which the previous version is accepted after a rotation.
pub(crate) const DEFAULT_GRACE_HOURS: u32 = 24;
/// Valid values of `SECRET_GRACE_HOURS`.
pub(crate) const GRACE_HOURS: RangeInclusive<u32> = 0..=720;
/// Milliseconds after which the secret is read again.
const FRESH_MS: EpochMillis = 5 * 60 * 1_000;
/// Minimum milliseconds between two reads that wrong headers cause.
const MISMATCH_REFRESH_MS: EpochMillis = 60 * 1_000;
/// Age in milliseconds below which a version may have been created between the two calls that read the secret.
const JUST_ROTATED_MS: EpochMillis = 60 * 1_000;
const HOUR_MS: EpochMillis = 60 * 60 * 1_000;

/// Compares headers with the webhook secret.
#[derive(Debug)]
pub(crate) struct Authenticator {
    secret: Secret,
    grace_ms: EpochMillis,
    cache: Mutex<Cache>,
}

/// The secret as last read, and the last read that a wrong header caused.
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

/// The result of authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The header is one that the secret allows.
    Authentic,
    /// The header is wrong for this reason.
    Rejected(Mismatch),
}

/// The secret as last read. Only digests of it are kept.
#[derive(Debug)]
struct Known {
    current: HeaderDigests,
    previous: HeaderDigests,
    /// The schemes of the current version.
    schemes: Vec<Scheme>,
    /// When the current version was created: the beginning of the previous version's grace period.
    rotated_at: EpochMillis,
    read_at: EpochMillis,
}

/// Digests of the headers that one version allows.
type HeaderDigests = Vec<[u8; 32]>;

impl Authenticator {
    pub(crate) fn new(secret: Secret, grace_hours: u32) -> Self {
        Self { secret, grace_ms: EpochMillis::from(grace_hours) * HOUR_MS, cache: Mutex::default() }
    }

    /// Reads the secret. A failure is left to the first request.
    pub(crate) async fn warm_up(&self, now: EpochMillis) {
        match self.read(now).await {
            Ok(known) => self.cache.lock().await.known = Some(known),
            Err(error) => warn!(error = %error, "cannot read the webhook secret yet"),
        }
    }

    /// Returns whether the `Authorization` header of a request is authentic.
    ///
    /// # Errors
    /// The secret cannot be read. The header may be that of a version that was never read.
    pub(crate) async fn verdict(&self, header: Option<&str>, now: EpochMillis) -> Result<Verdict, SecretError> {
        let Some(header) = header.filter(|header| !header.is_empty()) else {
            return Ok(Verdict::Rejected(Mismatch::NoHeader));
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
                // The header may be that of a version that could not be read.
                Some(MismatchRead { failed: true, .. }) => {
                    return Err(SecretError::Unavailable("the last attempt failed less than a minute ago".into()));
                }
                Some(MismatchRead { failed: false, .. }) => return Ok(known.reject(header)),
                None => {}
            }
        }

        let read = self.read(now).await;
        if is_mismatch {
            cache.mismatch_read = Some(MismatchRead { at: now, failed: read.is_err() });
        }
        let known = cache.known.insert(read?);
        Ok(if known.allows(&digest, now, self.grace_ms) { Verdict::Authentic } else { known.reject(header) })
    }

    async fn read(&self, now: EpochMillis) -> Result<Known, SecretError> {
        let (current, previous) = tokio::join!(self.secret.current(), self.secret.previous());
        let (current, mut previous) = (current?, previous?);
        // `now` is before the two calls, so a rotation between them is later than it.
        if now.saturating_sub(current.created_at) < JUST_ROTATED_MS {
            // The two calls may have been on either side of a rotation: `previous` may be the version before the previous one.
            previous = self.secret.previous().await?;
        }
        let allowed = authorizations(&current)?;
        // A malformed previous version is not accepted.
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

    fn reject(&self, header: &str) -> Verdict {
        Verdict::Rejected(Mismatch::of(header, &self.schemes))
    }
}

/// Returns `true` if `then` is less than `span_ms` before `now`. A clock that was set back counts as expired.
fn is_within(then: EpochMillis, span_ms: EpochMillis, now: EpochMillis) -> bool {
    (0..span_ms).contains(&now.saturating_sub(then))
}

/// Returns the headers that a version of the secret allows.
fn authorizations(version: &SecretVersion) -> Result<Vec<Authorization>, SecretError> {
    WebhookCredentials::parse(version.text.expose_secret())?.authorizations()
}

fn digests(allowed: &[Authorization]) -> HeaderDigests {
    allowed.iter().map(|allowed| digest(allowed.scheme.as_str(), allowed.credentials.expose())).collect()
}

/// Returns the digest of a header, with its scheme in the usual spelling.
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
