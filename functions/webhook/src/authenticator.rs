//! Who sends this webhook?
//!
//! Belvo signs nothing: it sends one static `Authorization` header that is set in its dashboard. The header is compared
//! as a whole, in constant time, by its digest, so that neither content nor length leaks. The secret's current version
//! is accepted, and for some hours after a rotation the one before it.
//!
//! The secret is read again after five minutes, and when a header does not match (it may just have been rotated), then
//! at most once a minute: wrong credentials cannot make us hammer Secrets Manager.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::EpochMillis;
use platform::{Secret, SecretUnavailable, SecretVersion};
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::Mutex;
use tracing::warn;

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
    /// It does not.
    Refused,
}

/// The secret as it was last read. Only digests of it are kept.
#[derive(Debug)]
struct Known {
    current: HeaderDigests,
    previous: HeaderDigests,
    /// When the current version was made, from which the previous one's grace is counted.
    rotated_at: EpochMillis,
    read_at: EpochMillis,
}

/// Digests of the headers that one version allows.
type HeaderDigests = Vec<[u8; 32]>;

/// `{"token": ...}` or `{"username": ..., "password": ...}`.
#[derive(Deserialize)]
struct Credentials {
    token: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

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
    pub(crate) async fn verdict(&self, header: Option<&[u8]>, now: EpochMillis) -> Result<Verdict, SecretUnavailable> {
        let Some(header) = header else {
            return Ok(Verdict::Refused);
        };
        let digest = Sha256::digest(header).into();
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
                    return Err(SecretUnavailable::NotGiven("a minute ago".into()));
                }
                Some(MismatchRead { failed: false, .. }) => return Ok(Verdict::Refused),
                None => {}
            }
        }
        let read = self.read(now).await;
        if is_mismatch {
            cache.mismatch_read = Some(MismatchRead { at: now, failed: read.is_err() });
        }
        let known = cache.known.insert(read?);
        Ok(if known.allows(&digest, now, self.grace_ms) { Verdict::Authentic } else { Verdict::Refused })
    }

    async fn read(&self, now: EpochMillis) -> Result<Known, SecretUnavailable> {
        let (current, previous) = tokio::join!(self.secret.current(), self.secret.previous());
        let (current, mut previous) = (current?, previous?);
        if is_within(current.created_at, JUST_ROTATED_MS, now) {
            // The two calls may have seen the secret on either side of a rotation, and so the version before the previous.
            previous = self.secret.previous().await?;
        }
        Ok(Known {
            rotated_at: current.created_at,
            current: header_digests(&current)?,
            // A retired version that cannot be understood retires at once.
            previous: previous.as_ref().and_then(|version| header_digests(version).ok()).unwrap_or_default(),
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
}

/// Did this happen less than so long ago? A clock that was set back makes things old, not fresh for ever.
fn is_within(then: EpochMillis, span_ms: EpochMillis, now: EpochMillis) -> bool {
    (0..span_ms).contains(&now.saturating_sub(then))
}

/// The headers that a version of the secret allows. An empty token or password allows nothing.
fn header_digests(version: &SecretVersion) -> Result<HeaderDigests, SecretUnavailable> {
    let credentials: Credentials =
        serde_json::from_str(version.text.expose_secret()).map_err(|_| SecretUnavailable::Malformed)?;
    let bearer = credentials.token.filter(|token| !token.is_empty()).map(|token| format!("Bearer {token}"));
    let basic = credentials.username.zip(credentials.password.filter(|password| !password.is_empty()));
    let basic = basic.map(|(user, password)| format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))));
    let digests: HeaderDigests =
        [bearer, basic].into_iter().flatten().map(|header| Sha256::digest(header).into()).collect();
    if digests.is_empty() { Err(SecretUnavailable::Malformed) } else { Ok(digests) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeSecrets;

    const NEW: &str = r#"{"token":"new"}"#;
    const OLD: &str = r#"{"token":"old"}"#;
    const MINUTE_MS: EpochMillis = 60 * 1_000;

    async fn verdict(authenticator: &Authenticator, header: &str, now: EpochMillis) -> Verdict {
        authenticator.verdict(Some(header.as_bytes()), now).await.unwrap()
    }

    #[tokio::test]
    async fn only_the_exact_header_is_authentic() {
        let authenticator = FakeSecrets::holding(NEW, 0, None).authenticator(1);
        assert_eq!(verdict(&authenticator, "Bearer new", 0).await, Verdict::Authentic);
        for near_miss in [
            "",
            "new",
            "Bearer",
            "Bearer ",
            "Bearer ne",
            "Bearer newx",
            "Bearer NEW",
            "bearer new",
            " Bearer new",
            "Basic new",
        ] {
            assert_eq!(verdict(&authenticator, near_miss, 0).await, Verdict::Refused, "{near_miss:?}");
        }
        assert_eq!(authenticator.verdict(None, 0).await.unwrap(), Verdict::Refused);
    }

    #[tokio::test]
    async fn a_user_and_a_password_mean_basic_authentication() {
        let authenticator = FakeSecrets::holding(r#"{"username":"belvo","password":"p:w"}"#, 0, None).authenticator(1);
        assert_eq!(verdict(&authenticator, "Basic YmVsdm86cDp3", 0).await, Verdict::Authentic);
        assert_eq!(verdict(&authenticator, "Bearer p:w", 0).await, Verdict::Refused);
    }

    #[tokio::test]
    async fn a_secret_that_allows_nothing_is_our_trouble_and_opens_no_door() {
        for secret in [r#"{"token":""}"#, "{}", "token", r#"{"username":"belvo","password":""}"#] {
            let authenticator = FakeSecrets::holding(secret, 0, None).authenticator(1);
            assert!(authenticator.verdict(Some(b"Bearer "), 0).await.is_err(), "{secret}");
        }
    }

    #[tokio::test]
    async fn the_retired_token_is_accepted_for_its_grace_and_not_longer() {
        let authenticator = FakeSecrets::holding(NEW, 1_000, Some(OLD)).authenticator(1);
        assert_eq!(verdict(&authenticator, "Bearer old", 1_000 + HOUR_MS - 1).await, Verdict::Authentic);
        assert_eq!(verdict(&authenticator, "Bearer old", 1_000 + HOUR_MS).await, Verdict::Refused, "though cached");
        assert_eq!(verdict(&authenticator, "Bearer new", 1_000 + HOUR_MS).await, Verdict::Authentic);
    }

    #[tokio::test]
    async fn a_rotation_is_noticed_by_the_first_delivery_with_the_new_token() {
        let secrets = FakeSecrets::holding(OLD, 0, None);
        let authenticator = secrets.authenticator(1);
        assert_eq!(verdict(&authenticator, "Bearer old", 0).await, Verdict::Authentic);
        secrets.set(NEW, 10, Some(OLD));
        assert_eq!(verdict(&authenticator, "Bearer new", 20).await, Verdict::Authentic);
        assert_eq!(verdict(&authenticator, "Bearer old", 30).await, Verdict::Authentic);
    }

    #[tokio::test]
    async fn a_secret_that_is_rotated_while_it_is_read_keeps_the_token_that_belvo_still_sends() {
        let secrets = FakeSecrets::holding(NEW, 1_000, Some(OLD));
        secrets.give_once_as_previous(r#"{"token":"long retired"}"#);
        let authenticator = secrets.authenticator(1);
        assert_eq!(verdict(&authenticator, "Bearer old", 1_010).await, Verdict::Authentic);
    }

    #[tokio::test]
    async fn wrong_headers_cause_at_most_one_reading_a_minute() {
        let secrets = FakeSecrets::holding(NEW, 0, None);
        let authenticator = secrets.authenticator(1);
        for now in 0..100 {
            assert_eq!(verdict(&authenticator, "Bearer guess", now).await, Verdict::Refused);
        }
        assert_eq!(secrets.reads(), 2, "one to begin with, one because of a guess");
        verdict(&authenticator, "Bearer guess", MINUTE_MS + 1).await;
        assert_eq!(secrets.reads(), 3);
    }

    #[tokio::test]
    async fn what_was_read_is_used_for_five_minutes() {
        let secrets = FakeSecrets::holding(NEW, 0, None);
        let authenticator = secrets.authenticator(1);
        for now in [0, MINUTE_MS, FRESH_MS - 1] {
            assert_eq!(verdict(&authenticator, "Bearer new", now).await, Verdict::Authentic);
        }
        assert_eq!(secrets.reads(), 1);
        verdict(&authenticator, "Bearer new", FRESH_MS).await;
        assert_eq!(secrets.reads(), 2);
        verdict(&authenticator, "Bearer new", 0).await;
        assert_eq!(secrets.reads(), 3, "a clock that was set back does not make the secret last for ever");
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_is_never_a_refusal() {
        let secrets = FakeSecrets::out_of_order();
        let authenticator = secrets.authenticator(1);
        assert!(authenticator.verdict(Some(b"Bearer new"), 0).await.is_err());
        secrets.set(OLD, 0, None);
        assert_eq!(verdict(&authenticator, "Bearer old", 1).await, Verdict::Authentic);
        secrets.break_down();
        assert!(authenticator.verdict(Some(b"Bearer new"), 2).await.is_err(), "perhaps the new token");
        assert!(authenticator.verdict(Some(b"Bearer new"), 3).await.is_err());
        assert_eq!(verdict(&authenticator, "Bearer old", 4).await, Verdict::Authentic);
    }
}
