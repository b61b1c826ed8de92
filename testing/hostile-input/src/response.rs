//! The parsing of Belvo's responses.

use belvo::{Error, parse};
use domain::Resource;
use serde_json::value::RawValue;

const BASE_URL: &str = "https://api.belvo.com";
/// The maximum number of objects in a page.
const MAX_OBJECTS: usize = 10_000;
const STATUSES: [u16; 14] = [204, 302, 400, 401, 403, 404, 408, 409, 418, 428, 429, 500, 503, 600];

/// Checks the properties of a response.
///
/// - A page is a JSON object with a bounded number of objects, and each can be processed.
/// - A link's institution is safe to store.
/// - An error contains only a code of `a-z` and `_`, and a wait of at most a day.
///
/// # Panics
/// If a property does not hold.
pub fn response(body: &[u8]) {
    match parse::page(body, BASE_URL) {
        Ok(page) => {
            assert!(is_object(body), "a page that is not an object");
            assert!(page.objects.len() <= MAX_OBJECTS, "a page of {} objects", page.objects.len());
            let links = parse::links(&page);
            assert_eq!(links.links.len() + links.unreadable, page.objects.len(), "a link was lost");
            let resource = Resource::of_webhook_type("TRANSACTIONS").expect("a resource");
            for raw in page.objects.iter().take(20) {
                crate::object::check(resource, raw);
            }
        }
        Err(error) => check_error(&error),
    }
    match parse::link(body) {
        Ok(link) => {
            assert!(is_object(body), "a link that is not an object");
            let is_name = |name: &str| (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
            assert!(link.institution.iter().all(|name| is_name(name)), "an invalid institution");
        }
        Err(error) => check_error(&error),
    }
    for status in STATUSES {
        let (error, wait) = parse::error_response(status, body);
        check_error(&error);
        assert!(wait.is_none_or(|seconds| seconds <= 24 * 60 * 60), "a wait of {wait:?} seconds");
        if error == (Error::NotFound { confirmed: true }) {
            assert!(serde_json::from_slice::<Vec<Box<RawValue>>>(body).is_ok_and(|reasons| !reasons.is_empty()));
        }
    }
}

fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

/// Checks that an error contains no content of a response but a code.
fn check_error(error: &Error) {
    let is_code = |code: &str| (1..=64).contains(&code.len()) && code.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_'));
    match error {
        Error::LinkRefused { code } | Error::Refused { code, .. } => assert!(is_code(code), "an invalid code"),
        _ => {}
    }
    let text = format!("{error} {error:?}");
    assert!(text.is_ascii() && text.len() < 300, "an error text of {} bytes", text.len());
}
