//! The client behind a proxy that silently drops connections, as can happen while an environment is frozen.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use belvo::{Client, Credentials, Error, Limits, Listing, ResponseClass};
use domain::LinkId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

const EMPTY_PAGE: &str = r#"{"count":0,"next":null,"previous":null,"results":[]}"#;
const TIMEOUT: Duration = Duration::from_millis(500);
const CONNECTIONS: u64 = 4;

/// A TCP proxy.
struct Proxy {
    url: String,
    /// The number of connections so far.
    opened: Arc<AtomicU64>,
    /// Connections up to this number are dropped: they transfer nothing and stay open.
    dropped: Arc<AtomicU64>,
    /// Whether the proxy resets a dropped connection that receives bytes.
    resets: Arc<AtomicBool>,
}

impl Proxy {
    async fn before(server: &MockServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Self { url, opened: Arc::default(), dropped: Arc::default(), resets: Arc::default() };
        let (opened, dropped, resets) = (proxy.opened.clone(), proxy.dropped.clone(), proxy.resets.clone());
        let to = *server.address();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = opened.fetch_add(1, Ordering::SeqCst) + 1;
                let (dropped, resets) = (dropped.clone(), resets.clone());
                tokio::spawn(async move {
                    let is_dropped = move || dropped.load(Ordering::SeqCst) >= number;
                    forward(client, TcpStream::connect(to).await.unwrap(), is_dropped, resets).await;
                });
            }
        });
        proxy
    }

    fn drop_all_connections(&self) {
        self.dropped.store(self.opened.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    fn opened(&self) -> u64 {
        self.opened.load(Ordering::SeqCst)
    }
}

/// Forwards bytes in both directions. Discards bytes that arrive on a dropped connection.
async fn forward(mut client: TcpStream, mut server: TcpStream, is_dropped: impl Fn() -> bool, resets: Arc<AtomicBool>) {
    let (mut request, mut response) = ([0; 4_096], [0; 4_096]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => match read {
                Ok(1..) if is_dropped() => if resets.load(Ordering::SeqCst) { return },
                Ok(size @ 1..) => server.write_all(&request[..size]).await.unwrap(),
                _ => return,
            },
            read = server.read(&mut response), if !is_dropped() => match read {
                Ok(size @ 1..) => client.write_all(&response[..size]).await.unwrap(),
                _ => return,
            },
        }
    }
}

async fn belvo(delay: Duration) -> MockServer {
    let server = MockServer::start().await;
    let page = ResponseTemplate::new(200).set_body_raw(EMPTY_PAGE, "application/json").set_delay(delay);
    Mock::given(any()).respond_with(page).mount(&server).await;
    server
}

fn client(proxy: &Proxy, limits: Limits) -> Client {
    let credentials = Credentials { secret_id: "id".to_owned(), secret_password: "password".into() };
    Client::new(&proxy.url, credentials, Limits { response_timeout: TIMEOUT, quick_retries: 0, ..limits }).unwrap()
}

async fn page(client: &Client) -> Result<(), Error> {
    let link = LinkId::parse("l-1").unwrap();
    let listing = Listing { path: "/api/accounts/", link, filters: Vec::new(), page_size: 1_000 };
    client.page(&listing, 1).await.map(|_| ())
}

/// Requests as many pages concurrently as a listing.
async fn pages(client: &Client) -> Result<(), Error> {
    let (one, two, three, four) = tokio::join!(page(client), page(client), page(client), page(client));
    one.and(two).and(three).and(four)
}

async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn successive_requests_reuse_a_connection() {
    let server = belvo(Duration::ZERO).await;
    let proxy = Proxy::before(&server).await;
    let client = client(&proxy, Limits::default());
    for _ in 0..3 {
        page(&client).await.unwrap();
    }
    assert_eq!((proxy.opened(), requests(&server).await), (1, 3));
}

#[tokio::test]
async fn a_connection_is_not_reused_after_the_idle_timeout() {
    let server = belvo(Duration::ZERO).await;
    let proxy = Proxy::before(&server).await;
    let idle = Duration::from_millis(50);
    let client = client(&proxy, Limits { idle_timeout: idle, ..Limits::default() });
    pages(&client).await.unwrap();
    tokio::time::sleep(2 * idle).await;
    proxy.drop_all_connections();
    let begun = Instant::now();
    pages(&client).await.unwrap();
    assert!(begun.elapsed() < TIMEOUT, "no request timed out");
}

#[tokio::test]
async fn silently_dropped_connections_do_not_count_as_timeouts() {
    let server = belvo(Duration::ZERO).await;
    let proxy = Proxy::before(&server).await;
    let client = client(&proxy, Limits::default());
    pages(&client).await.unwrap();
    proxy.drop_all_connections();
    client.take_response_counts();
    assert_eq!(pages(&client).await, Ok(()));
    assert_eq!(u64::try_from(requests(&server).await).unwrap(), 2 * CONNECTIONS);
    let counts = client.take_response_counts();
    let of = |wanted| counts.iter().find(|(class, _)| *class == wanted).map(|(_, count)| *count);
    let counts = [ResponseClass::Success, ResponseClass::Unreachable, ResponseClass::TimedOut].map(of);
    assert_eq!(counts, [Some(CONNECTIONS), Some(CONNECTIONS), Some(0)]);
}

#[tokio::test]
async fn reset_connections_cost_a_single_further_attempt() {
    let server = belvo(Duration::from_millis(20)).await;
    let proxy = Proxy::before(&server).await;
    let client = client(&proxy, Limits::default());
    pages(&client).await.unwrap();
    proxy.resets.store(true, Ordering::SeqCst);
    proxy.drop_all_connections();
    for _ in 0..CONNECTIONS {
        assert_eq!(page(&client).await, Ok(()));
    }
    assert_eq!(proxy.opened(), CONNECTIONS + 1, "the first reset replaced the pool");
}

#[tokio::test]
async fn a_timeout_on_a_new_connection_is_a_timeout() {
    let server = belvo(Duration::ZERO).await;
    let proxy = Proxy::before(&server).await;
    let client = client(&proxy, Limits::default());
    page(&client).await.unwrap();
    server.reset().await;
    let late = ResponseTemplate::new(200).set_delay(10 * TIMEOUT);
    Mock::given(any()).respond_with(late).mount(&server).await;
    let begun = Instant::now();
    assert_eq!(page(&client).await, Err(Error::TimedOut));
    assert_eq!(requests(&server).await, 2);
    assert!(begun.elapsed() < 3 * TIMEOUT);
    assert_eq!(page(&client).await, Err(Error::TimedOut), "no repetition: this connection is new");
    assert_eq!(requests(&server).await, 3);
}
