//! The readers of Belvo's answers by themselves, without a request: what a hostile Belvo could send reaches no others.

use reqwest::Url;

use crate::error::ErrorBody;
use crate::requests::waiting_time;
use crate::{Error, Link, Links, Page};

/// Reads the body of a 200 to a list, from the Belvo at this address.
///
/// # Errors
/// [`Error::Malformed`]
pub fn page(body: &[u8], base_url: &str) -> Result<Page, Error> {
    let base = Url::parse(base_url).map_err(|_| Error::Malformed("a path of ours"))?;
    Page::read(body, &base)
}

/// Reads the objects of a page as links.
#[must_use]
pub fn links(page: &Page) -> Links {
    Links::read(page)
}

/// Reads the body of a 200 to a link.
///
/// # Errors
/// [`Error::Malformed`]
pub fn link(body: &[u8]) -> Result<Link, Error> {
    Link::read(body)
}

/// Reads an answer that is no success, and the seconds that its text asks to wait.
#[must_use]
pub fn error_response(status: u16, body: &[u8]) -> (Error, Option<u64>) {
    (Error::of_answer(status, None, &ErrorBody::whole(body.to_vec())), waiting_time(body).map(|wait| wait.as_secs()))
}
