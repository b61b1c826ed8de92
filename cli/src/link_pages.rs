//! Belvo's list of links, page by page.
//!
//! A page that Belvo does not give costs only itself: the command goes on behind it, asks for it once more at the end, and then
//! says what is missing.

use std::collections::VecDeque;

use belvo::{Client, Links, LinksPage};
use serde_json::json;

use crate::error::Error;
use crate::output::Output;

/// After so many pages that Belvo did not give, one after the other, it counts as away.
const MAX_FAILED_PAGES: usize = 3;

/// The list, while it is read.
pub(crate) struct LinkPages {
    belvo: Client,
    next: Option<LinksPage>,
    /// Whether anything of the list was seen. Before that, a page that is not there is a mistake of whoever asks for it.
    has_begun: bool,
    /// The last pages, as far as Belvo did not give them.
    failed_in_a_row: Vec<LinksPage>,
    /// Pages to ask for once more.
    again: VecDeque<LinksPage>,
    /// Pages that Belvo did not give, asked twice.
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
            again: VecDeque::new(),
            missing: Vec::new(),
            unreadable: 0,
        }
    }

    /// The page that is read next. None when the list was read to its end.
    pub(crate) fn upcoming(&self) -> Option<LinksPage> {
        self.next.or(self.again.front().copied())
    }

    /// Reads the next page. None when Belvo does not give it, or does not have it.
    pub(crate) async fn read(&mut self) -> Result<Option<Links>, Error> {
        match self.next {
            Some(page) => self.read_on(page).await,
            None => self.read_again().await,
        }
    }

    /// For `map_err` on anything that is done for this page: says where to begin again, so that nothing is missing.
    pub(crate) fn at(&self, page: LinksPage) -> impl FnOnce(Error) -> Error + use<> {
        let missing = self.missing.iter().map(|(page, _)| page);
        let left = missing.chain(&self.again).chain(&self.failed_in_a_row).chain([&page]);
        let place = |page: &&LinksPage| (page.number() - 1).saturating_mul(page.size().into());
        let page = options(left.min_by_key(place).copied().unwrap_or(page));
        move |error| Error::AtPage { page, error: Box::new(error) }
    }

    /// Notes links that were left out.
    pub(crate) fn leave_out(&mut self, links: usize) {
        self.unreadable += links;
    }

    /// Says what is missing.
    pub(crate) fn finish(self, output: Output) -> Result<(), Error> {
        if self.unreadable > 0 {
            let words = format!("{} links cannot be read and were left out.", self.unreadable);
            output.note(&words, &json!({ "unreadable_links": self.unreadable }));
        }
        match self.missing.into_iter().next() {
            None => Ok(()),
            Some((first, error)) => Err(Error::PagesLeftOut { first: options(first), error }),
        }
    }

    async fn read_on(&mut self, page: LinksPage) -> Result<Option<Links>, Error> {
        match self.belvo.links(page).await {
            Ok(links) => {
                self.has_begun = true;
                self.again.extend(self.failed_in_a_row.drain(..));
                self.unreadable += links.unreadable;
                self.next = links.next(page);
                Ok(Some(links))
            }
            Err(belvo::Error::NotFound { .. }) if self.has_begun || !self.failed_in_a_row.is_empty() => {
                self.again.extend(self.failed_in_a_row.drain(..));
                self.next = None;
                Ok(None)
            }
            Err(error @ belvo::Error::NotFound { .. }) => Err(self.at(page)(Error::BelvoList(error))),
            Err(error) if error.concerns_one_page() && self.failed_in_a_row.len() + 1 < MAX_FAILED_PAGES => {
                self.failed_in_a_row.push(page);
                self.next = Some(page.behind());
                Ok(None)
            }
            Err(error) => Err(self.at(page)(Error::BelvoList(error))),
        }
    }

    async fn read_again(&mut self) -> Result<Option<Links>, Error> {
        let Some(page) = self.again.pop_front() else { return Ok(None) };
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
            Err(error) => Err(self.at(page)(Error::BelvoList(error))),
        }
    }
}

/// The options with which a command begins at this page.
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

    /// A Belvo that has pages of one link each, and fails at these.
    async fn belvo(pages: u64, failing: &[u64], status: u16) -> MockServer {
        let server = MockServer::start().await;
        for number in 1..=pages {
            let next = if number < pages { r#""/api/links/""# } else { "null" };
            let page = format!(r#"{{"count":{pages},"next":{next},"results":[{{"id":"l-{number}"}},{{"id":7}}]}}"#);
            let is_failing = failing.contains(&number);
            let answer = if is_failing {
                ResponseTemplate::new(status)
            } else {
                ResponseTemplate::new(200).set_body_string(page)
            };
            Mock::given(query_param("page", number.to_string())).respond_with(answer).mount(&server).await;
        }
        server
    }

    fn client(server: &MockServer) -> Client {
        let credentials = belvo::Credentials { secret_id: "id".to_owned(), secret_password: "password".into() };
        let limits = belvo::Limits { quick_retries: 0, ..belvo::Limits::default() };
        Client::new(&server.uri(), credentials, limits).unwrap()
    }

    /// The ids that are read, and how it ends.
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
    async fn a_page_that_belvo_never_gives_is_passed_over_and_named_at_the_end() {
        let server = belvo(4, &[2, 3], 500).await;
        let (ids, end) = read(&server, 1).await;
        assert_eq!(ids, ["l-1", "l-4"]);
        let end = end.unwrap_err();
        assert!(end.contains("Belvo answered 500") && end.ends_with(": --page 2 --page-size 10"), "{end}");
    }

    #[tokio::test]
    async fn a_last_page_that_belvo_never_gives_is_missing_too() {
        let server = belvo(2, &[2], 500).await;
        let (ids, end) = read(&server, 1).await;
        assert_eq!((ids.len(), end.is_err()), (1, true));
    }

    #[tokio::test]
    async fn a_page_that_belvo_gives_at_the_second_time_is_not_missing() {
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
    async fn a_belvo_that_is_away_or_refuses_us_ends_the_command_where_it_is() {
        for (status, requests) in [(500, MAX_FAILED_PAGES), (401, 1), (429, 1)] {
            let server = belvo(9, &[1, 2, 3, 4, 5, 6, 7, 8, 9], status).await;
            let (ids, end) = read(&server, 7).await;
            assert!(ids.is_empty() && end.unwrap_err().ends_with("to go on where this stopped: --page 7"), "{status}");
            assert_eq!(server.received_requests().await.unwrap().len(), requests, "{status}");
        }
    }

    #[tokio::test]
    async fn a_page_behind_the_end_is_a_mistake_only_when_it_was_asked_for() {
        let server = belvo(2, &[], 500).await;
        assert!(read(&server, 9).await.1.unwrap_err().contains("Belvo does not have it"));
        assert_eq!(read(&server, 2).await, (vec!["l-2".to_owned()], Ok(())));
    }

    #[tokio::test]
    async fn where_to_go_on_is_the_first_page_that_is_missing() {
        let server = belvo(4, &[2], 500).await;
        let mut pages = LinkPages::new(client(&server), LinksPage::FIRST);
        for _ in 0..3 {
            pages.read().await.unwrap();
        }
        let at = pages.at(LinksPage::new(3, 10))(Error::SecretMalformed).to_string();
        assert!(at.ends_with("--page 2 --page-size 10"), "{at}");
    }
}
