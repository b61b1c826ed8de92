//! One page of a Belvo list.

use std::fmt;

use reqwest::Url;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::Error;

/// Belvo's largest page. What has more is no page, however many were asked for.
const MAX_OBJECTS: usize = 1_000;

/// One page: some objects, still unread, and how many there are in all.
#[derive(Debug)]
pub struct Page {
    /// How many objects the whole list has, at this moment.
    pub count: u64,
    /// Does Belvo say that another page follows?
    pub has_next: bool,
    /// The objects of this page.
    pub objects: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Body {
    count: u64,
    next: Option<String>,
    #[serde(deserialize_with = "results")]
    results: Vec<Box<RawValue>>,
}

/// As many objects as a page may have; what has more is not read to its end.
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

/// Reads an object. An array of its members' values, which `serde` takes too, is none.
pub(crate) fn object<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Option<T> {
    let is_object = json.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(json).ok()).flatten()
}

impl Page {
    /// Reads the body of a page. `next` is only looked at, never followed: pages are asked for by their number. All the
    /// same a `next` that leaves our origin means that this is not the Belvo that we know.
    pub(crate) fn read(body: &[u8], base: &Url) -> Result<Self, Error> {
        let body: Body = object(body).ok_or(Error::Malformed("not a page"))?;
        let is_ours = |next: &String| base.join(next).is_ok_and(|next| next.origin() == base.origin());
        if !body.next.iter().all(is_ours) {
            return Err(Error::Malformed("the next page is not on Belvo"));
        }
        Ok(Self { count: body.count, has_next: body.next.is_some(), objects: body.results })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(next: &str) -> Result<Page, Error> {
        let body = format!(r#"{{"count":2,"next":{next},"previous":null,"results":[{{"amount":10.50}}]}}"#);
        Page::read(body.as_bytes(), &Url::parse("https://api.belvo.com").unwrap())
    }

    #[test]
    fn objects_stay_as_they_were_sent() {
        let page = read("null").unwrap();
        assert_eq!((page.count, page.has_next, page.objects[0].get()), (2, false, r#"{"amount":10.50}"#));
    }

    #[test]
    fn a_next_page_on_another_origin_is_refused() {
        assert!(read(r#""https://api.belvo.com/api/accounts/?page=2""#).unwrap().has_next);
        assert!(read(r#""/api/accounts/?page=2""#).unwrap().has_next);
        for foreign in [
            "https://evil.example/?page=2",
            "http://api.belvo.com/?page=2",
            "https://api.belvo.com:444/",
            "https://api.belvo.com@evil.example/",
            "https://api.belvo.com.evil.example/",
            "//evil.example/",
            r"\\\\evil.example",
            r"\t//evil.example",
            "file:///etc/passwd",
            "javascript:alert(1)",
        ] {
            assert!(matches!(read(&format!("\"{foreign}\"")), Err(Error::Malformed(_))), "{foreign}");
        }
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        let base = Url::parse("https://api.belvo.com").unwrap();
        for body in [
            "",
            "[]",
            "{}",
            "<html>",
            "[2,null,[]]",
            r#"{"count":-1,"next":null,"results":[]}"#,
            r#"{"count":1e999999999,"next":null,"results":[]}"#,
            r#"{"count":2,"next":null,"results":[{"id":"a"}],"results":[]}"#,
            r#"{"count":2,"next":null,"next":"https://evil.example/","results":[]}"#,
        ] {
            assert_eq!(Page::read(body.as_bytes(), &base).unwrap_err(), Error::Malformed("not a page"), "{body}");
        }
    }

    #[test]
    fn a_page_has_at_most_as_many_objects_as_belvos_largest() {
        let base = Url::parse("https://api.belvo.com").unwrap();
        let page = |objects: usize| {
            let results = vec!["{}"; objects].join(",");
            Page::read(format!(r#"{{"count":9,"next":null,"results":[{results}]}}"#).as_bytes(), &base)
        };
        assert_eq!(page(1_000).unwrap().objects.len(), 1_000);
        assert_eq!(page(1_001).unwrap_err(), Error::Malformed("not a page"));
    }
}
