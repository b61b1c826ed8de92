//! One page of a Belvo list.

use reqwest::Url;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Error;

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
    results: Vec<Box<RawValue>>,
}

impl Page {
    /// Reads the body of a page. `next` is only looked at, never followed: pages are asked for by their number. All the
    /// same a `next` that leaves our origin means that this is not the Belvo that we know.
    pub(crate) fn read(body: &[u8], base: &Url) -> Result<Self, Error> {
        let body: Body = serde_json::from_slice(body).map_err(|_| Error::Malformed("not a page"))?;
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
        for foreign in ["https://evil.example/?page=2", "http://api.belvo.com/?page=2", "//evil.example/"] {
            assert!(matches!(read(&format!("\"{foreign}\"")), Err(Error::Malformed(_))), "{foreign}");
        }
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        let base = Url::parse("https://api.belvo.com").unwrap();
        for body in ["", "[]", "{}", r#"{"count":-1,"next":null,"results":[]}"#, "<html>"] {
            assert_eq!(Page::read(body.as_bytes(), &base).unwrap_err(), Error::Malformed("not a page"), "{body}");
        }
    }
}
