//! Which headers are authentic, and how often the secret is read.

use super::*;
use crate::tests::fakes::FakeSecrets;

const NEW: &str = r#"{"token":"new"}"#;
const OLD: &str = r#"{"token":"old"}"#;
const MINUTE_MS: EpochMillis = 60 * 1_000;

async fn verdict(authenticator: &Authenticator, header: &str, now: EpochMillis) -> Verdict {
    authenticator.verdict(Some(header), now).await.unwrap()
}

async fn is_refused(authenticator: &Authenticator, header: &str, now: EpochMillis) -> bool {
    matches!(verdict(authenticator, header, now).await, Verdict::Rejected(_))
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
        "Bearer  new",
        "Bearer new ",
        "Bearernew",
        " Bearer new",
        "Basic new",
        "Authorization: Bearer new",
    ] {
        assert!(is_refused(&authenticator, near_miss, 0).await, "{near_miss:?}");
    }
    assert_eq!(authenticator.verdict(None, 0).await.unwrap(), Verdict::Rejected(Mismatch::NoHeader));
}

#[tokio::test]
async fn the_name_of_the_scheme_has_no_case() {
    let secret = r#"{"token":"new","username":"belvo","password":"p:w"}"#;
    let authenticator = FakeSecrets::holding(secret, 0, None).authenticator(1);
    for header in ["bearer new", "BEARER new", "basic YmVsdm86cDp3", "BaSiC YmVsdm86cDp3"] {
        assert_eq!(verdict(&authenticator, header, 0).await, Verdict::Authentic, "{header}");
    }
    assert!(is_refused(&authenticator, "basic ymvsdm86cdp3", 0).await, "credentials have");
}

#[tokio::test]
async fn a_refusal_says_what_is_wrong_with_the_header() {
    let authenticator = FakeSecrets::holding(NEW, 0, None).authenticator(1);
    for (header, mismatch) in [
        ("Authorization: Bearer new", Mismatch::HeaderName),
        ("new", Mismatch::Scheme),
        ("Bearer old", Mismatch::UnknownToken),
    ] {
        // Whether the secret is read again for it or not.
        for now in [0, 1] {
            assert_eq!(verdict(&authenticator, header, now).await, Verdict::Rejected(mismatch), "{header}");
        }
    }
}

#[tokio::test]
async fn white_space_around_the_token_in_the_secret_is_no_part_of_it() {
    let secret = r#"{"token":"abc\n","username":" belvo","password":"p:w\r\n"}"#;
    let authenticator = FakeSecrets::holding(secret, 0, Some(r#"{"token":"\told "}"#)).authenticator(1);
    for header in ["Bearer abc", "Basic YmVsdm86cDp3", "Bearer old"] {
        assert_eq!(verdict(&authenticator, header, 0).await, Verdict::Authentic, "{header}");
    }
}

#[tokio::test]
async fn a_user_and_a_password_mean_basic_authentication() {
    let authenticator = FakeSecrets::holding(r#"{"username":"belvo","password":"p:w"}"#, 0, None).authenticator(1);
    assert_eq!(verdict(&authenticator, "Basic YmVsdm86cDp3", 0).await, Verdict::Authentic);
    assert!(is_refused(&authenticator, "Bearer p:w", 0).await);
}

#[tokio::test]
async fn a_secret_that_allows_nothing_is_an_error_and_accepts_no_header() {
    for secret in [
        r#"{"token":""}"#,
        r#"{"token":"\n"}"#,
        r#"{"token":"a\nb"}"#,
        "{}",
        "token",
        r#"{"username":"belvo","password":""}"#,
    ] {
        let authenticator = FakeSecrets::holding(secret, 0, None).authenticator(1);
        assert!(authenticator.verdict(Some("Bearer "), 0).await.is_err(), "{secret}");
    }
}

#[tokio::test]
async fn the_retired_token_is_accepted_for_its_grace_and_not_longer() {
    let authenticator = FakeSecrets::holding(NEW, 1_000, Some(OLD)).authenticator(1);
    assert_eq!(verdict(&authenticator, "Bearer old", 1_000 + 60 * MINUTE_MS - 1).await, Verdict::Authentic);
    assert!(is_refused(&authenticator, "Bearer old", 1_000 + 60 * MINUTE_MS).await, "though cached");
    assert_eq!(verdict(&authenticator, "Bearer new", 1_000 + 60 * MINUTE_MS).await, Verdict::Authentic);
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
    // Before, at and after the time at which the request came: the rotation may be dated behind it, also by a clock that is
    // a little ahead.
    for rotated_at in [1_000, 1_010, 1_011, 1_200, 9_000] {
        let secrets = FakeSecrets::holding(NEW, rotated_at, Some(OLD));
        secrets.give_once_as_previous(r#"{"token":"long retired"}"#);
        let authenticator = secrets.authenticator(1);
        assert_eq!(verdict(&authenticator, "Bearer old", 1_010).await, Verdict::Authentic, "{rotated_at}");
    }
}

/// When the current version is a minute old, the second read of the previous version is left out.
#[tokio::test]
async fn a_version_younger_than_a_minute_has_its_previous_one_read_twice() {
    for (age, is_authentic) in [(59_999, true), (60_000, false)] {
        let secrets = FakeSecrets::holding(NEW, 1_000, Some(OLD));
        secrets.give_once_as_previous(r#"{"token":"long retired"}"#);
        let verdict = verdict(&secrets.authenticator(1), "Bearer old", 1_000 + age).await;
        assert_eq!(verdict == Verdict::Authentic, is_authentic, "{age}");
    }
}

#[tokio::test]
async fn wrong_headers_cause_at_most_one_reading_a_minute() {
    let secrets = FakeSecrets::holding(NEW, 0, None);
    let authenticator = secrets.authenticator(1);
    for now in 0..100 {
        assert!(is_refused(&authenticator, "Bearer guess", now).await);
    }
    assert_eq!(secrets.reads(), 2, "one to begin with, one because of a guess");
    verdict(&authenticator, "Bearer guess", MINUTE_MS - 1).await;
    assert_eq!(secrets.reads(), 2);
    verdict(&authenticator, "Bearer guess", MINUTE_MS + 1).await;
    assert_eq!(secrets.reads(), 3);
}

#[tokio::test]
async fn what_was_read_is_used_for_five_minutes() {
    let secrets = FakeSecrets::holding(NEW, 0, None);
    let authenticator = secrets.authenticator(1);
    for now in [0, MINUTE_MS, 5 * MINUTE_MS - 1] {
        assert_eq!(verdict(&authenticator, "Bearer new", now).await, Verdict::Authentic);
    }
    assert_eq!(secrets.reads(), 1);
    verdict(&authenticator, "Bearer new", 5 * MINUTE_MS).await;
    assert_eq!(secrets.reads(), 2);
    verdict(&authenticator, "Bearer new", 0).await;
    assert_eq!(secrets.reads(), 3, "a clock that was set back does not make the secret last for ever");
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_never_a_refusal() {
    let secrets = FakeSecrets::out_of_order();
    let authenticator = secrets.authenticator(1);
    assert!(authenticator.verdict(Some("Bearer new"), 0).await.is_err());
    secrets.set(OLD, 0, None);
    assert_eq!(verdict(&authenticator, "Bearer old", 1).await, Verdict::Authentic);
    secrets.break_down();
    assert!(authenticator.verdict(Some("Bearer new"), 2).await.is_err(), "perhaps the new token");
    assert!(authenticator.verdict(Some("Bearer new"), 3).await.is_err());
    assert_eq!(verdict(&authenticator, "Bearer old", 4).await, Verdict::Authentic);
}
