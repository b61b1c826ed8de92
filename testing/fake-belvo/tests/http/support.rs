//! A server, a client and a receiver of webhooks for the tests.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing,
};
use fake_belvo::{Config, Server, Settings, WebhookConfig};
use serde_json::Value;

pub(crate) const HISTORICAL_LINK: &str = "16f68516-bcbc-4cf7-b815-c500d4204e28";
pub(crate) const UPDATED_LINK: &str = "0284557b-df47-450a-po09e-7875195c2259";

/// A server with quick webhooks and loads.
pub(crate) async fn server() -> Server {
    fake_belvo::start(config()).await.unwrap()
}

pub(crate) fn config() -> Config {
    Config {
        webhook: WebhookConfig { retry_interval: Duration::from_millis(1), ..WebhookConfig::default() },
        settings: Settings { load_delay_ms: 20, ..Settings::default() },
        ..Config::default()
    }
}

/// An answer, as text: a JSON library may change numbers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let results = self.json()["results"].as_array().unwrap().clone();
        results.iter().map(|result| result["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Status, and code and field of the only error in Belvo's array.
    pub(crate) fn error(&self) -> (u16, String, Option<String>) {
        let body = self.json();
        let [error] = body.as_array().unwrap().as_slice() else { panic!("one error expected: {body}") };
        let request_id = error["request_id"].as_str().unwrap();
        assert!(request_id.len() == 32 && request_id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{request_id}");
        assert!(error["message"].is_string());
        (self.status, error["code"].as_str().unwrap().to_owned(), error["field"].as_str().map(str::to_owned))
    }

    pub(crate) fn is_html(&self, status: u16) -> bool {
        self.status == status && self.content_type.starts_with("text/html") && self.text.contains("<html>")
    }
}

/// GETs with the right credentials; `url` is absolute or a path of this server.
pub(crate) async fn get(server: &Server, url: &str) -> Answer {
    send(client().get(absolute(server, url)).basic_auth("secret-id", Some("secret-password"))).await
}

pub(crate) async fn post(server: &Server, path: &str, body: &str) -> Answer {
    let request = client().post(absolute(server, path)).header("content-type", "application/json");
    send(request.basic_auth("secret-id", Some("secret-password")).body(body.to_owned())).await
}

pub(crate) async fn put(server: &Server, path: &str, body: &str) -> Answer {
    let request = client().put(absolute(server, path)).header("content-type", "application/json");
    send(request.body(body.to_owned())).await
}

pub(crate) async fn delete(server: &Server, path: &str) -> Answer {
    send(client().delete(absolute(server, path)).basic_auth("secret-id", Some("secret-password"))).await
}

pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let content_type = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    Answer {
        status: response.status().as_u16(),
        content_type: content_type.unwrap_or_default(),
        text: response.text().await.unwrap(),
    }
}

/// One client for all requests of a test, which runs in a thread of its own: making one takes long.
pub(crate) fn client() -> reqwest::Client {
    thread_local! {
        static CLIENT: reqwest::Client =
            reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    }
    CLIENT.with(Clone::clone)
}

/// The ids of all pages, found by following `next`.
pub(crate) async fn all_ids(server: &Server, url: &str) -> Vec<String> {
    let (mut ids, mut next) = (Vec::new(), Some(url.to_owned()));
    while let Some(url) = next {
        let page = get(server, &url).await;
        assert_eq!(page.status, 200, "{}", page.text);
        ids.extend(page.ids());
        next = page.json()["next"].as_str().map(str::to_owned);
    }
    ids
}

fn absolute(server: &Server, url: &str) -> String {
    if url.starts_with("http") { url.to_owned() } else { format!("{}{url}", server.base_url()) }
}

/// What a receiver of webhooks got: the `Authorization` header and the body.
pub(crate) type Received = (Option<String>, Value);

/// The statuses that are left, in reverse, and what came.
type Inbox = Arc<Mutex<(Vec<u16>, Vec<Received>)>>;

/// Receives webhooks; answers with the given statuses in turn, then with 202.
pub(crate) struct Receiver {
    pub(crate) url: String,
    state: Inbox,
}

impl Receiver {
    pub(crate) async fn start(statuses: &[u16]) -> Self {
        let state = Arc::new(Mutex::new((statuses.iter().rev().copied().collect(), Vec::new())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks", listener.local_addr().unwrap());
        let router = Router::new().route("/webhooks", post_handler()).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().1.clone()
    }

    /// Forgets what came.
    pub(crate) fn forget(&self) {
        self.state.lock().unwrap().1.clear();
    }

    /// Waits until so many have come.
    pub(crate) async fn wait_for(&self, number: usize) -> Vec<Received> {
        for _ in 0..500 {
            if self.received().len() >= number {
                return self.received();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{number} webhooks expected, got {:?}", self.received())
    }
}

fn post_handler() -> axum::routing::MethodRouter<Inbox> {
    routing::post(|State(state): State<Inbox>, headers: HeaderMap, body: String| async move {
        let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        let mut state = state.lock().unwrap();
        state.1.push((authorization, serde_json::from_str(&body).unwrap_or(Value::String(body))));
        StatusCode::from_u16(state.0.pop().unwrap_or(202)).unwrap()
    })
}
