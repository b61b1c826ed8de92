//! Belvo's list of links, page by page.
//!
//! If Belvo does not return a page, the command continues with the next page, requests the page again at the end, and
//! then reports what is missing.

use std::collections::VecDeque;

use belvo::{Client, Links, LinksPage};
use serde_json::json;

use crate::error::Error;
use crate::output::Output;

/// The number of failed pages in a row after which Belvo counts as unavailable.
const MAX_FAILED_PAGES: usize = 3;

/// A reader of the list.
pub(crate) struct LinkPages {
    belvo: Client,
    next: Option<LinksPage>,
    /// Whether Belvo has returned a page. Until then, a page that does not exist is a mistake in the arguments.
    has_begun: bool,
    /// The pages that failed since the last success.
    failed_in_a_row: Vec<LinksPage>,
    /// The pages to request again.
    retries: VecDeque<LinksPage>,
    /// The pages that failed twice.
    missing: Vec<(LinksPage, belvo::Error)>,
    unreadable: usize,
}

impl LinkPages {
    pub(crate) fn new(belvo: Client, from: LinksPage) -> Self {
        Self {
            belvo,
            next: Some(from),
            has_begun: false,
            failed_in_a_row: Vec::new(),
            retries: VecDeque::new(),
            missing: Vec::new(),
            unreadable: 0,
        }
    }

    /// Returns the page that [`LinkPages::read`] reads next, or `None` at the end of the list.
    pub(crate) fn upcoming(&self) -> Option<LinksPage> {
        self.next.or(self.retries.front().copied())
    }

    /// Reads the next page. Returns `None` if Belvo does not return the page or does not have it.
    pub(crate) async fn read(&mut self) -> Result<Option<Links>, Error> {
        match self.next {
            Some(page) => self.read_next(page).await,
            None => self.retry().await,
        }
    }

    /// Returns a function for `map_err` on the work for a page. It adds the options that resume the command without a
    /// gap.
    pub(crate) fn at(&self, page: LinksPage) -> impl FnOnce(Error) -> Error + use<> {
        let missing = self.missing.iter().map(|(page, _)| page);
        let unfinished = missing.chain(&self.retries).chain(&self.failed_in_a_row).chain([&page]);
        let offset = |page: &&LinksPage| (page.number() - 1).saturating_mul(page.size().into());
        let resume = options(unfinished.min_by_key(offset).copied().unwrap_or(page));
        move |error| Error::StoppedAtPage { resume, error: Box::new(error) }
    }

    /// Counts a link whose items in the table cannot be read.
    pub(crate) fn skip_link(&mut self) {
        self.unreadable += 1;
    }

    /// Reports what is missing.
    pub(crate) fn finish(self, output: Output) -> Result<(), Error> {
        if self.unreadable > 0 {
            let text = format!("Skipped {} unreadable links.", self.unreadable);
            output.note(&text, &json!({ "unreadable_links": self.unreadable }));
        }
        match self.missing.into_iter().next() {
            None => Ok(()),
            Some((first, error)) => Err(Error::MissingPages { resume: options(first), error }),
        }
    }

    async fn read_next(&mut self, page: LinksPage) -> Result<Option<Links>, Error> {
        match self.belvo.links(page).await {
            Ok(links) => {
                self.has_begun = true;
                self.retries.extend(self.failed_in_a_row.drain(..));
                self.unreadable += links.unreadable;
                self.next = links.next(page);
                Ok(Some(links))
            }
            Err(belvo::Error::NotFound { .. }) if self.has_begun || !self.failed_in_a_row.is_empty() => {
                self.retries.extend(self.failed_in_a_row.drain(..));
                self.next = None;
                Ok(None)
            }
            Err(error @ belvo::Error::NotFound { .. }) => Err(self.at(page)(Error::LinkList(error))),
            Err(error) if error.concerns_one_page() && self.failed_in_a_row.len() + 1 < MAX_FAILED_PAGES => {
                self.failed_in_a_row.push(page);
                self.next = Some(page.behind());
                Ok(None)
            }
            Err(error) => Err(self.at(page)(Error::LinkList(error))),
        }
    }

    async fn retry(&mut self) -> Result<Option<Links>, Error> {
        let Some(page) = self.retries.pop_front() else { return Ok(None) };
        match self.belvo.links(page).await {
            Ok(links) => {
                self.unreadable += links.unreadable;
                Ok(Some(links))
            }
            Err(belvo::Error::NotFound { .. }) => Ok(None),
            Err(error) if error.concerns_one_page() => {
                self.missing.push((page, error));
                Ok(None)
            }
            Err(error) => Err(self.at(page)(Error::LinkList(error))),
        }
    }
}

/// Returns the options that start a command at this page.
pub(crate) fn options(page: LinksPage) -> String {
    let size = page.size();
    if size == LinksPage::FIRST.size() {
        return format!("--page {}", page.number());
    }
    format!("--page {} --page-size {size}", page.number())
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::query_param;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    /// Starts a Belvo with pages of one link each, some of which fail.
    async fn belvo(pages: u64, failing: &[u64], status: u16) -> MockServer {
        let server = MockServer::start().await;
        for number in 1..=pages {
            let next = if number < pages { r#""/api/links/""# } else { "null" };
            let page = format!(r#"{{"count":{pages},"next":{next},"results":[{{"id":"l-{number}"}},{{"id":7}}]}}"#);
            let is_failing = failing.contains(&number);
            let response = if is_failing {
                ResponseTemplate::new(status)
            } else {
                ResponseTemplate::new(200).set_body_string(page)
            };
            Mock::given(query_param("page", number.to_string())).respond_with(response).mount(&server).await;
        }
        server
    }

    fn client(server: &MockServer) -> Client {
        let credentials = belvo::Credentials { secret_id: "id".to_owned(), secret_password: "password".into() };
        let limits = belvo::Limits { quick_retries: 0, ..belvo::Limits::default() };
        Client::new(&server.uri(), credentials, limits).unwrap()
    }

    /// Reads all pages. Returns the ids and the final result.
    async fn read(server: &MockServer, from: u64) -> (Vec<String>, Result<(), String>) {
        let mut pages = LinkPages::new(client(server), LinksPage::new(from, 1_000));
        let mut ids = Vec::new();
        while pages.upcoming().is_some() {
            let found = match pages.read().await {
                Ok(found) => found.map(|found| found.links).unwrap_or_default(),
                Err(error) => return (ids, Err(error.to_string())),
            };
            ids.extend(found.iter().map(|link| link.id.to_string()));
        }
        let end = pages.finish(Output::new(true));
        (ids, end.map_err(|error| error.to_string()))
    }

    #[tokio::test]
    async fn a_page_that_belvo_never_returns_is_skipped_and_reported_at_the_end() {
        let server = belvo(4, &[2, 3], 500).await;
        let (ids, end) = read(&server, 1).await;
        assert_eq!(ids, ["l-1", "l-4"]);
        let end = end.unwrap_err();
        assert!(end.contains("Belvo answered 500") && end.ends_with(": --page 2 --page-size 10"), "{end}");
    }

    #[tokio::test]
    async fn a_last_page_that_belvo_never_returns_is_missing_too() {
        let server = belvo(2, &[2], 500).await;
        let (ids, end) = read(&server, 1).await;
        assert_eq!((ids.len(), end.is_err()), (1, true));
    }

    #[tokio::test]
    async fn a_page_that_belvo_returns_on_the_retry_is_not_missing() {
        let server = MockServer::start().await;
        let page = |id: &str, next: &str| {
            ResponseTemplate::new(200)
                .set_body_string(format!(r#"{{"count":2,"next":{next},"results":[{{"id":"{id}"}}]}}"#))
        };
        let first = || Mock::given(query_param("page", "1"));
        first().respond_with(ResponseTemplate::new(500)).up_to_n_times(1).mount(&server).await;
        first().respond_with(page("l-1", r#""/api/links/""#)).mount(&server).await;
        Mock::given(query_param("page", "2")).respond_with(page("l-2", "null")).mount(&server).await;
        let (ids, end) = read(&server, 1).await;
        assert_eq!((ids, end), (vec!["l-2".to_owned(), "l-1".to_owned()], Ok(())));
    }

    #[tokio::test]
    async fn an_unavailable_or_rejecting_belvo_stops_the_command() {
        for (status, requests) in [(500, MAX_FAILED_PAGES), (401, 1), (429, 1)] {
            let server = belvo(9, &[1, 2, 3, 4, 5, 6, 7, 8, 9], status).await;
            let (ids, end) = read(&server, 7).await;
            assert!(ids.is_empty() && end.unwrap_err().ends_with("to resume: --page 7"), "{status}");
            assert_eq!(server.received_requests().await.unwrap().len(), requests, "{status}");
        }
    }

    #[tokio::test]
    async fn a_page_after_the_end_is_an_error_only_as_an_argument() {
        let server = belvo(2, &[], 500).await;
        assert!(read(&server, 9).await.1.unwrap_err().contains("not found at Belvo"));
        assert_eq!(read(&server, 2).await, (vec!["l-2".to_owned()], Ok(())));
    }

    #[tokio::test]
    async fn a_command_resumes_at_the_first_missing_page() {
        let server = belvo(4, &[2], 500).await;
        let mut pages = LinkPages::new(client(&server), LinksPage::FIRST);
        for _ in 0..3 {
            pages.read().await.unwrap();
        }
        let at = pages.at(LinksPage::new(3, 10))(Error::SecretMalformed).to_string();
        assert!(at.ends_with("--page 2 --page-size 10"), "{at}");
    }
}
