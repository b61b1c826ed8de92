//! The body of an answer of Belvo's.

use belvo::{Error, parse};
use domain::Resource;
use serde_json::value::RawValue;

const BASE_URL: &str = "https://api.belvo.com";
/// The longest page that is read.
const MAX_OBJECTS: usize = 10_000;
const STATUSES: [u16; 14] = [204, 302, 400, 401, 403, 404, 408, 409, 418, 428, 429, 500, 503, 600];

/// - What is taken for a page is an object with a bounded number of objects, and each of those can be dealt with.
/// - What is taken for a link has a name that can stand in the table.
/// - An error repeats nothing but a word of lower-case letters, and a time to wait that is no longer than a day.
///
/// # Panics
/// When that does not hold.
pub fn response(body: &[u8]) {
    match parse::page(body, BASE_URL) {
        Ok(page) => {
            assert!(is_object(body), "a page that is no object");
            assert!(page.objects.len() <= MAX_OBJECTS, "a page of {} objects", page.objects.len());
            let links = parse::links(&page);
            assert_eq!(links.links.len() + links.unreadable, page.objects.len(), "a link was lost");
            let resource = Resource::of_webhook_type("TRANSACTIONS").expect("a resource");
            for raw in page.objects.iter().take(20) {
                crate::object::check(resource, raw);
            }
        }
        Err(error) => is_discreet(&error),
    }
    match parse::link(body) {
        Ok(link) => {
            assert!(is_object(body), "a link that is no object");
            let is_name = |name: &str| (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
            assert!(link.institution.iter().all(|name| is_name(name)), "an institution that is no name");
        }
        Err(error) => is_discreet(&error),
    }
    for status in STATUSES {
        let (error, wait) = parse::error_response(status, body);
        is_discreet(&error);
        assert!(wait.is_none_or(|seconds| seconds <= 24 * 60 * 60), "a wait of {wait:?} seconds");
        if error == (Error::NotFound { confirmed: true }) {
            assert!(serde_json::from_slice::<Vec<Box<RawValue>>>(body).is_ok_and(|reasons| !reasons.is_empty()));
        }
    }
}

fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

fn is_discreet(error: &Error) {
    let is_word = |code: &str| (1..=64).contains(&code.len()) && code.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_'));
    match error {
        Error::LinkRefused { code } | Error::Refused { code, .. } => assert!(is_word(code), "a code that is no word"),
        _ => {}
    }
    let text = format!("{error} {error:?}");
    assert!(text.is_ascii() && text.len() < 300, "an error text of {} bytes", text.len());
}
