//! The client and its read requests.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use domain::{LinkId, ObjectId};
use reqwest::{Method, RequestBuilder, Url};
use secrecy::ExposeSecret;
use serde_json::value::RawValue;

use crate::connections::{self, Connections, Pool, SendError};
use crate::response::{read_ok_body, transport_error};
use crate::response_counters::ResponseCounters;
use crate::throttle::Throttle;
use crate::{Credentials, Error, Limits, Link, Page, RESPONSE_CLASSES, ResponseClass, Retry};

/// A list to read: endpoint, link, filters and page size.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The path of the list endpoint.
    pub path: &'static str,
    /// The link whose objects are listed.
    pub link: LinkId,
    /// Further filters, with Belvo's names.
    pub filters: Vec<(&'static str, String)>,
    /// The number of objects per page; Belvo allows 1 to 1,000.
    pub page_size: u32,
}

/// An error that prevents building a client. It does not show the URL, which may hold credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The setting is invalid.
    #[error("the base URL of Belvo must be an http or https URL without credentials")]
    InvalidBaseUrl,
    /// The machine lacks a requirement, such as root certificates.
    #[error("cannot build the HTTPS client")]
    NoHttpClient,
}

/// A client of Belvo's API. It keeps connections: use a single client in an execution environment.
#[derive(Debug)]
pub struct Client {
    connections: Connections,
    base: Url,
    credentials: RwLock<Arc<Credentials>>,
    pub(crate) limits: Limits,
    pub(crate) throttle: Throttle,
    pub(crate) counters: ResponseCounters,
}

impl Client {
    /// Returns a client for `https://sandbox.belvo.com`, `https://api.belvo.com`, or a fake Belvo server.
    ///
    /// # Errors
    /// [`BuildError`]
    pub fn new(base_url: &str, credentials: Credentials, limits: Limits) -> Result<Self, BuildError> {
        let base = Url::parse(base_url).map_err(|_| BuildError::InvalidBaseUrl)?;
        if !matches!(base.scheme(), "http" | "https") || !base.username().is_empty() || base.password().is_some() {
            return Err(BuildError::InvalidBaseUrl);
        }
        let connections = Connections::new(limits).map_err(|_| BuildError::NoHttpClient)?;

        Ok(Self {
            connections,
            base,
            credentials: RwLock::new(Arc::new(credentials)),
            limits,
            throttle: Throttle::new(limits.requests_per_30s),
            counters: ResponseCounters::default(),
        })
    }

    /// Replaces the credentials. Later requests use the new ones.
    pub fn set_credentials(&self, credentials: Credentials) {
        *self.credentials.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(credentials);
    }

    /// Returns the number of responses in each class since the last call.
    pub fn take_response_counts(&self) -> [(ResponseClass, u64); RESPONSE_CLASSES.len()] {
        self.counters.take()
    }

    /// Returns a page of a list. Pages are numbered from 1.
    ///
    /// # Errors
    /// [`Error`]; past the last page [`Error::NotFound`].
    pub async fn page(&self, listing: &Listing, number: u64) -> Result<Page, Error> {
        let mut url = self.url(listing.path)?;
        url.query_pairs_mut()
            .append_pair("link", listing.link.as_str())
            .append_pair("page_size", &listing.page_size.to_string())
            .append_pair("page", &number.to_string())
            .extend_pairs(&listing.filters);
        self.page_at(url).await
    }

    /// Returns the page of a list at this URL.
    pub(crate) async fn page_at(&self, url: Url) -> Result<Page, Error> {
        let body = self.get(url).await?;
        Page::read(&body, &self.base)
    }

    /// Returns an object by its id. The query may exclude members.
    ///
    /// # Errors
    /// [`Error`]; [`Error::NotFound`] when there is no such object.
    pub async fn object(
        &self,
        path: &str,
        id: &ObjectId,
        query: &[(&'static str, String)],
    ) -> Result<Box<RawValue>, Error> {
        let mut url = self.url(&format!("{path}{id}/"))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let body = self.get(url).await?;
        serde_json::from_slice(&body).map_err(|_| Error::Malformed("not an object"))
    }

    /// Returns a link by its id.
    ///
    /// # Errors
    /// [`Error`]; [`Error::NotFound`] when there is no such link.
    pub async fn link(&self, link: &LinkId) -> Result<Link, Error> {
        Link::read(&self.get(self.url(&format!("/api/links/{link}/"))?).await?)
    }

    /// Returns `true` if Belvo has this link, and `false` only if Belvo itself confirms that it does not.
    ///
    /// # Errors
    /// [`Error`], also for a 404 that does not come from Belvo.
    pub async fn link_exists(&self, link: &LinkId) -> Result<bool, Error> {
        match self.get(self.url(&format!("/api/links/{link}/"))?).await {
            // Objects are tombstoned because of this result: a page that a proxy sends with a 200 proves nothing.
            Ok(body) => Link::read(&body).map(|_| true),
            Err(Error::NotFound { confirmed: true }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn url(&self, path: &str) -> Result<Url, Error> {
        self.base.join(path).map_err(|_| Error::Malformed("invalid request path"))
    }

    /// Returns the body of a 200. Retries transient errors with backoff.
    async fn get(&self, url: Url) -> Result<Vec<u8>, Error> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(150))
            .with_max_times(self.limits.quick_retries)
            .with_jitter();
        let attempt = || self.get_once(url.clone());
        let result = attempt.retry(backoff).when(|error| error.retry() == Retry::Immediately).await;

        if matches!(result, Err(Error::RefusedByEdge)) && !filters_by_id(&url) {
            self.throttle.slow_down();
        }
        result
    }

    /// Makes a single attempt. After a failure on a kept connection it repeats the request on a new one: the kept one may
    /// have died while idle, which says nothing about Belvo.
    async fn get_once(&self, url: Url) -> Result<Vec<u8>, Error> {
        let pool = self.connections.pool();
        match self.send_get(&pool, url.clone()).await {
            Err(AttemptError { on_kept_connection: true, .. }) => {
                self.connections.discard(&pool);
                self.send_get(&self.connections.pool(), url).await.map_err(|failed| failed.error)
            }
            result => result.map_err(|failed| failed.error),
        }
    }

    /// Sends one request within the rate limit, and counts its response.
    async fn send_get(&self, pool: &Pool, url: Url) -> Result<Vec<u8>, AttemptError> {
        self.throttle.acquire_permit().await;
        let result = match connections::send(self.request(pool, Method::GET, url)).await {
            Ok(response) => read_ok_body(response, self.limits.max_response_bytes).await.map_err(AttemptError::from),
            Err(error) => Err(error.into()),
        };
        self.counters.count(&result.as_ref().map_err(AttemptError::to_counted));
        result
    }

    /// Returns a request with the credentials.
    pub(crate) fn request(&self, pool: &Pool, method: Method, url: Url) -> RequestBuilder {
        let credentials = self.credentials();
        pool.http
            .request(method, url)
            .basic_auth(&credentials.secret_id, Some(credentials.secret_password.expose_secret()))
    }

    /// Returns the connection pool for the next request.
    pub(crate) fn pool(&self) -> Pool {
        self.connections.pool()
    }

    pub(crate) fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.credentials.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An error of a single request.
struct AttemptError {
    error: Error,
    /// Whether the request failed without a response on a connection of an earlier request.
    on_kept_connection: bool,
}

impl AttemptError {
    /// Returns the error to count. A kept connection without a response counts as unreachable, not as a timeout.
    fn to_counted(&self) -> Error {
        if self.on_kept_connection { Error::Unreachable("kept connection".to_owned()) } else { self.error.clone() }
    }
}

impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        Self { error, on_kept_connection: false }
    }
}

impl From<SendError> for AttemptError {
    fn from(SendError { error, on_kept_connection }: SendError) -> Self {
        Self { error: transport_error(&error), on_kept_connection }
    }
}

/// Returns `true` if the query filters by ids. Belvo's firewall may reject that filter, whatever the request rate.
fn filters_by_id(url: &Url) -> bool {
    url.query_pairs().any(|(name, _)| name == "id__in")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use wiremock::matchers::query_param;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::LinksPage;
    use crate::throttle::SLOW_PERIOD;

    #[tokio::test]
    async fn a_rejection_by_the_edge_halves_the_rate_for_a_minute_unless_the_query_filters_by_id() {
        let server = MockServer::start().await;
        let html = || ResponseTemplate::new(403).set_body_raw("<html>", "text/html");
        Mock::given(query_param("page", "1")).respond_with(html()).mount(&server).await;
        let credentials = Credentials { secret_id: "id".to_owned(), secret_password: "password".into() };
        let client = Client::new(&server.uri(), credentials, Limits::default()).unwrap();
        let link = LinkId::parse("l-1").unwrap();
        let mut listing =
            Listing { path: "/api/accounts/", link, filters: vec![("id__in", "a".to_owned())], page_size: 1 };
        assert_eq!(client.page(&listing, 1).await.unwrap_err(), Error::RefusedByEdge);
        assert!(!client.throttle.is_slow(Instant::now()));
        listing.filters.clear();
        assert_eq!(client.page(&listing, 1).await.unwrap_err(), Error::RefusedByEdge);
        let now = Instant::now();
        assert!(client.throttle.is_slow(now) && !client.throttle.is_slow(now + SLOW_PERIOD));
    }

    #[tokio::test]
    async fn a_long_page_of_the_edge_halves_the_rate_for_lists_and_tokens() {
        let server = MockServer::start().await;
        let html = format!("<html>{}", "x".repeat(100 * 1024));
        let refusal = ResponseTemplate::new(403).set_body_raw(html, "text/html");
        Mock::given(wiremock::matchers::any()).respond_with(refusal).mount(&server).await;
        for is_list in [true, false] {
            let credentials = Credentials { secret_id: "id".to_owned(), secret_password: "password".into() };
            let client = Client::new(&server.uri(), credentials, Limits::default()).unwrap();
            if is_list {
                assert_eq!(client.links(LinksPage::FIRST).await.unwrap_err(), Error::RefusedByEdge);
            } else {
                assert!(client.widget_token(&serde_json::Map::new()).await.is_err());
            }
            assert!(client.throttle.is_slow(Instant::now()), "a list: {is_list}");
        }
    }
}
