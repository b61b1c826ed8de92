//! The client itself.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use domain::{LinkId, ObjectId};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::{Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;

use crate::connections::{self, Connections, Pool, Unanswered};
use crate::response::{body_of_ok, of_transport};
use crate::response_counters::ResponseCounters;
use crate::{Error, Link, Page, RESPONSE_CLASSES, ResponseClass, Retry};

/// How long the pace is halved after Belvo's edge refused a request: others share our address, or our budget is wrong.
const SLOW: Duration = Duration::from_mins(1);

/// What HTTP Basic authentication at Belvo needs.
#[derive(Debug)]
pub struct Credentials {
    /// Belvo's "secret ID".
    pub secret_id: String,
    /// Belvo's "secret password".
    pub secret_password: SecretString,
}

/// What one request may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long an answer may take, from the first byte sent to the last byte read.
    pub response_timeout: Duration,
    /// How large an answer may be.
    pub max_response_bytes: usize,
    /// How often a fault that passes is retried at once.
    pub quick_retries: usize,
    /// How many requests may be sent in any 30 seconds.
    pub requests_per_30s: NonZeroU32,
    /// How many connections are kept for later requests.
    pub max_idle_connections: usize,
    /// How long a connection is kept without a request.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            // Belvo's own limit is five minutes; a page that takes this long is better asked for in smaller pieces.
            response_timeout: Duration::from_secs(25),
            // A page of 1,000 transactions, each with its account, is about 4 MB.
            max_response_bytes: 8 * 1024 * 1024,
            quick_retries: 2,
            // Belvo's edge refuses more than 80 from one address.
            requests_per_30s: NonZeroU32::new(72).unwrap_or(NonZeroU32::MIN),
            // As many pages of a list as are asked for at once, and some.
            max_idle_connections: 8,
            // Far below the minute after which proxies and load balancers begin to drop idle connections.
            idle_timeout: Duration::from_secs(15),
        }
    }
}

/// Which list is asked for.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The list endpoint.
    pub path: &'static str,
    /// Whose objects.
    pub link: LinkId,
    /// More filters, as Belvo names them.
    pub filters: Vec<(&'static str, String)>,
    /// Objects a page; Belvo allows 1 to 1,000.
    pub page_size: u32,
}

/// Why there is no client. The URL is not shown: it may hold credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A setting is wrong.
    #[error("the base URL of Belvo is not an http or https URL without credentials")]
    InvalidBaseUrl,
    /// The machine lacks something, such as root certificates.
    #[error("no HTTPS client can be made on this machine")]
    NoHttpClient,
}

/// Asks Belvo. One for the life of an execution environment: it keeps connections.
#[derive(Debug)]
pub struct Client {
    connections: Connections,
    base: Url,
    credentials: RwLock<Arc<Credentials>>,
    pub(crate) limits: Limits,
    pace: DefaultDirectRateLimiter,
    /// Until when only half the pace is allowed.
    slow_until: Mutex<Option<Instant>>,
    pub(crate) answered: ResponseCounters,
}

impl Client {
    /// A client for `https://sandbox.belvo.com`, `https://api.belvo.com`, or one of our own.
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
            pace: RateLimiter::direct(quota(limits.requests_per_30s)),
            slow_until: Mutex::new(None),
            answered: ResponseCounters::default(),
        })
    }

    /// From now on these credentials are sent.
    pub fn set_credentials(&self, credentials: Credentials) {
        *self.credentials.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(credentials);
    }

    /// How Belvo answered the requests since this was last asked, by class.
    pub fn take_response_counts(&self) -> [(ResponseClass, u64); RESPONSE_CLASSES.len()] {
        self.answered.take()
    }

    /// One page of a list, counted from 1.
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

    /// The page of a list at this address.
    pub(crate) async fn page_at(&self, url: Url) -> Result<Page, Error> {
        let body = self.get(url).await?;
        Page::read(&body, &self.base)
    }

    /// One object, by its id. The query may say what to leave out of it.
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

    /// A link.
    ///
    /// # Errors
    /// [`Error`]; [`Error::NotFound`] when there is no such link.
    pub async fn link(&self, link: &LinkId) -> Result<Link, Error> {
        Link::read(&self.get(self.url(&format!("/api/links/{link}/"))?).await?)
    }

    /// Does Belvo have this link?
    ///
    /// # Errors
    /// [`Error`], unless Belvo itself says that there is no such link.
    pub async fn link_exists(&self, link: &LinkId) -> Result<bool, Error> {
        match self.get(self.url(&format!("/api/links/{link}/"))?).await {
            // A page of a proxy's is no proof: objects are buried on the strength of this.
            Ok(body) => Link::read(&body).map(|_| true),
            Err(Error::NotFound { confirmed: true }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn url(&self, path: &str) -> Result<Url, Error> {
        self.base.join(path).map_err(|_| Error::Malformed("a path of ours"))
    }

    /// The body of a 200, after quick retries of what passes.
    async fn get(&self, url: Url) -> Result<Vec<u8>, Error> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(150))
            .with_max_times(self.limits.quick_retries)
            .with_jitter();
        let attempt = || self.get_once(url.clone());
        let result = attempt.retry(backoff).when(|error| error.retry() == Retry::Immediately).await;
        if matches!(result, Err(Error::RefusedByEdge)) && !asks_for_ids(&url) {
            self.slow_down();
        }
        result
    }

    /// Halves the pace for a while.
    pub(crate) fn slow_down(&self) {
        *self.slow_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + SLOW);
    }

    /// Waits for a request's turn.
    pub(crate) async fn acquire_permit(&self) {
        self.pace.until_ready().await;
        if self.is_slow(Instant::now()) {
            self.pace.until_ready().await;
        }
    }

    fn is_slow(&self, now: Instant) -> bool {
        self.slow_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| now < until)
    }

    /// One attempt. A request that gets no answer on a kept connection is sent again at once on a new one: the connection
    /// may have died while nothing was sent, and that is no sign of a slow Belvo.
    async fn get_once(&self, url: Url) -> Result<Vec<u8>, Error> {
        let pool = self.connections.pool();
        match self.ask(&pool, url.clone()).await {
            Err(Failed { was_kept: true, .. }) => {
                self.connections.discard(&pool);
                self.ask(&self.connections.pool(), url).await.map_err(|failed| failed.error)
            }
            result => result.map_err(|failed| failed.error),
        }
    }

    /// One request, when its turn has come.
    async fn ask(&self, pool: &Pool, url: Url) -> Result<Vec<u8>, Failed> {
        self.acquire_permit().await;
        let answer = connections::send(self.request(pool, Method::GET, url)).await;
        let result = match answer {
            Ok(response) => body_of_ok(response, self.limits.max_response_bytes).await.map_err(Failed::from),
            Err(unanswered) => Err(unanswered.into()),
        };
        self.answered.note(&result.as_ref().map_err(Failed::seen));
        result
    }

    /// A request in our name.
    pub(crate) fn request(&self, pool: &Pool, method: Method, url: Url) -> RequestBuilder {
        let credentials = self.credentials();
        pool.http
            .request(method, url)
            .basic_auth(&credentials.secret_id, Some(credentials.secret_password.expose_secret()))
    }

    /// The connections for the next request.
    pub(crate) fn pool(&self) -> Pool {
        self.connections.pool()
    }

    pub(crate) fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.credentials.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Why a request did not give what was asked for.
struct Failed {
    error: Error,
    /// Whether it got no answer on a connection that an earlier request had used.
    was_kept: bool,
}

impl Failed {
    /// What was seen of Belvo: nothing, if a kept connection gave no answer.
    fn seen(&self) -> Error {
        if self.was_kept { Error::Unreachable("a kept connection".to_owned()) } else { self.error.clone() }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, was_kept: false }
    }
}

impl From<Unanswered> for Failed {
    fn from(Unanswered { error, was_kept }: Unanswered) -> Self {
        Self { error: of_transport(&error), was_kept }
    }
}

/// Belvo's firewall may refuse a filter for ids, which its schema lacks. That says nothing of the pace.
fn asks_for_ids(url: &Url) -> bool {
    url.query_pairs().any(|(name, _)| name == "id__in")
}

/// A steady pace with a small burst: burst and refill together stay within the budget of any 30 seconds.
fn quota(requests_per_30s: NonZeroU32) -> Quota {
    let budget = requests_per_30s.get();
    let burst = (budget / 6).max(1);
    let refill = (budget - burst).max(1);
    let quota = Quota::with_period(Duration::from_secs(30) / refill).unwrap_or(Quota::per_minute(NonZeroU32::MIN));
    quota.allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN))
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use wiremock::matchers::query_param;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::LinksPage;

    #[tokio::test]
    async fn after_the_edge_refused_a_request_the_pace_is_halved_for_a_minute_but_not_after_a_refused_filter() {
        let server = MockServer::start().await;
        let html = || ResponseTemplate::new(403).set_body_raw("<html>", "text/html");
        Mock::given(query_param("page", "1")).respond_with(html()).mount(&server).await;
        let credentials = Credentials { secret_id: "id".to_owned(), secret_password: "password".into() };
        let client = Client::new(&server.uri(), credentials, Limits::default()).unwrap();
        let link = LinkId::parse("l-1").unwrap();
        let mut listing =
            Listing { path: "/api/accounts/", link, filters: vec![("id__in", "a".to_owned())], page_size: 1 };
        assert_eq!(client.page(&listing, 1).await.unwrap_err(), Error::RefusedByEdge);
        assert!(!client.is_slow(Instant::now()));
        listing.filters.clear();
        assert_eq!(client.page(&listing, 1).await.unwrap_err(), Error::RefusedByEdge);
        let now = Instant::now();
        assert!(client.is_slow(now) && !client.is_slow(now + SLOW));
    }

    #[tokio::test]
    async fn a_long_page_of_the_edge_halves_the_pace_whatever_was_asked() {
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
            assert!(client.is_slow(Instant::now()), "a list: {is_list}");
        }
    }

    /// How many requests pass in the first 30 seconds, when as many as possible are sent.
    fn sent_in_30s(budget: u32) -> u32 {
        let clock = FakeRelativeClock::default();
        let pace = RateLimiter::direct_with_clock(quota(NonZeroU32::new(budget).unwrap()), clock.clone());
        let mut sent = 0;
        for _ in 0..3_000 {
            while pace.check().is_ok() {
                sent += 1;
            }
            clock.advance(Duration::from_millis(10));
        }
        sent
    }

    #[test]
    fn the_budget_is_used_and_never_exceeded_whatever_is_asked() {
        for budget in [6, 36, 72, 1_000] {
            let sent = sent_in_30s(budget);
            assert!(sent <= budget && sent + 2 >= budget, "{sent} of {budget}");
        }
    }
}
