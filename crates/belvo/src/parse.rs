//! The parsers of Belvo's responses, without a request. Every byte that Belvo sends passes through them.

use reqwest::Url;

use crate::error_body::ErrorBody;
use crate::requests::requested_wait;
use crate::{Error, Link, Links, Page};

/// Reads the body of a page from the Belvo at this URL.
///
/// # Errors
/// [`Error::Malformed`]
pub fn page(body: &[u8], base_url: &str) -> Result<Page, Error> {
    let base = Url::parse(base_url).map_err(|_| Error::Malformed("invalid request path"))?;
    Page::read(body, &base)
}

/// Reads the objects of a page as links.
#[must_use]
pub fn links(page: &Page) -> Links {
    Links::read(page)
}

/// Reads the body of a link.
///
/// # Errors
/// [`Error::Malformed`]
pub fn link(body: &[u8]) -> Result<Link, Error> {
    Link::read(body)
}

/// Classifies an error response, and returns the wait in seconds that its text asks for.
#[must_use]
pub fn error_response(status: u16, body: &[u8]) -> (Error, Option<u64>) {
    let error = ErrorBody::complete(body.to_vec()).classify(status, None);
    (error, requested_wait(body).map(|wait| wait.as_secs()))
}
