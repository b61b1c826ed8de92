//! A page of a list.

use std::fmt;

use reqwest::Url;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::Error;

/// The maximum number of objects of a page. Belvo's own limit is 1,000; a page may be longer than requested.
const MAX_OBJECTS: usize = 10_000;

/// A page: its unparsed objects, and the number of objects in the list.
#[derive(Debug)]
pub struct Page {
    /// The number of objects in the whole list, or `None` if it is missing or invalid.
    pub count: Option<u64>,
    /// Whether Belvo announces another page.
    pub has_next: bool,
    /// Whether `next` is anything but a URL on Belvo's origin. The client never follows it; the value is only logged.
    pub has_foreign_next: bool,
    /// The objects of this page.
    pub objects: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    count: Option<&'a RawValue>,
    #[serde(borrow)]
    next: Option<&'a RawValue>,
    #[serde(deserialize_with = "results")]
    results: Vec<Box<RawValue>>,
}

/// Reads the objects of a page. Fails after [`MAX_OBJECTS`].
fn results<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Box<RawValue>>, D::Error> {
    struct Results;

    impl<'de> Visitor<'de> for Results {
        type Value = Vec<Box<RawValue>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the objects of a page")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut objects: A) -> Result<Self::Value, A::Error> {
            let mut results = Vec::new();
            while let Some(object) = objects.next_element()? {
                if results.len() == MAX_OBJECTS {
                    return Err(A::Error::custom("too many objects"));
                }
                results.push(object);
            }
            Ok(results)
        }
    }

    deserializer.deserialize_seq(Results)
}

/// Reads an object. Rejects an array of its members' values, which `serde` accepts.
pub(crate) fn object<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Option<T> {
    let is_object = json.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(json).ok()).flatten()
}

impl Page {
    /// Reads the body of a page. Only the presence of `next` counts: the client requests pages by number.
    pub(crate) fn read(body: &[u8], base: &Url) -> Result<Self, Error> {
        let body: Body<'_> = object(body).ok_or(Error::Malformed("not a page"))?;
        let count = body.count.and_then(|count| serde_json::from_str(count.get()).ok());
        let has_next = body.next.is_some_and(|next| !NO_NEXT.contains(&next.get()));
        let has_foreign_next = has_next && !body.next.is_some_and(|next| has_origin(base, next));
        Ok(Self { count, has_next, has_foreign_next, objects: body.results })
    }
}

/// The values of `next` that announce no page.
const NO_NEXT: [&str; 3] = ["null", "false", r#""""#];

/// Returns `true` if this is a URL with the origin of `base`.
fn has_origin(base: &Url, next: &RawValue) -> bool {
    let url = serde_json::from_str::<String>(next.get()).ok().and_then(|next| base.join(&next).ok());
    url.is_some_and(|next| next.origin() == base.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(next: &str) -> Result<Page, Error> {
        let body = format!(r#"{{"count":2,"next":{next},"previous":null,"results":[{{"amount":10.50}}]}}"#);
        Page::read(body.as_bytes(), &Url::parse("https://api.belvo.com").unwrap())
    }

    #[test]
    fn objects_are_not_changed() {
        let page = read("null").unwrap();
        assert_eq!((page.count, page.has_next, page.objects[0].get()), (Some(2), false, r#"{"amount":10.50}"#));
    }

    #[test]
    fn only_the_presence_of_next_counts_and_an_invalid_one_is_no_error() {
        for usual in [r#""https://api.belvo.com/api/accounts/?page=2""#, r#""/api/accounts/?page=2""#, r#""?page=2""#] {
            let page = read(usual).unwrap();
            assert_eq!((page.has_next, page.has_foreign_next), (true, false), "{usual}");
        }
        for odd in [
            r#""http://api.belvo.com/?page=2""#,
            r#""http://proxy.internal/api/accounts/?page=2""#,
            r#""https://api.belvo.com:444/""#,
            r#""https://api.belvo.com@evil.example/""#,
            r#""//evil.example/""#,
            r#""\\\\evil.example""#,
            r#""file:///etc/passwd""#,
            r#""https://[""#,
            "2",
            "true",
            r#"{"page":2}"#,
        ] {
            let page = read(odd).unwrap();
            assert_eq!((page.has_next, page.has_foreign_next), (true, true), "{odd}");
        }
        for absent in ["null", "false", r#""""#] {
            let page = read(absent).unwrap();
            assert_eq!((page.has_next, page.has_foreign_next), (false, false), "{absent}");
        }
    }

    #[test]
    fn an_invalid_count_counts_as_absent() {
        let base = Url::parse("https://api.belvo.com").unwrap();
        let count = |member: &str| {
            Page::read(format!(r#"{{{member}"next":null,"results":[]}}"#).as_bytes(), &base).unwrap().count
        };
        for odd in [r#""450""#, "-1", "null", "4.5", "1e999999999", "[]", "18446744073709551616"] {
            assert_eq!(count(&format!(r#""count":{odd},"#)), None, "{odd}");
        }
        assert_eq!((count(""), count(r#""count":450,"#)), (None, Some(450)));
        assert!(Page::read(br#"{"results":[]}"#, &base).is_ok(), "`next` may be absent");
    }

    #[test]
    fn a_body_that_is_not_a_page_is_an_error() {
        let base = Url::parse("https://api.belvo.com").unwrap();
        for body in [
            "",
            "[]",
            "{}",
            "<html>",
            "[2,null,[]]",
            r#"{"count":0,"next":null,"results":null}"#,
            r#"{"count":0,"next":null,"results":{}}"#,
            r#"{"count":2,"next":null,"results":[{"id":"a"}],"results":[]}"#,
            r#"{"count":2,"next":null,"next":"https://evil.example/","results":[]}"#,
            r#"{"count":1,"next":null,"results":[{"amount":NaN}]}"#,
        ] {
            assert_eq!(Page::read(body.as_bytes(), &base).unwrap_err(), Error::Malformed("not a page"), "{body}");
        }
    }

    #[test]
    fn a_page_that_is_longer_than_requested_is_read_within_a_bound() {
        let base = Url::parse("https://api.belvo.com").unwrap();
        let page = |objects: usize| {
            let results = vec!["{}"; objects].join(",");
            Page::read(format!(r#"{{"count":9,"next":null,"results":[{results}]}}"#).as_bytes(), &base)
        };
        assert_eq!(page(10_000).unwrap().objects.len(), 10_000);
        assert_eq!(page(10_001).unwrap_err(), Error::Malformed("not a page"));
    }
}
