//! Requests that start work at Belvo: their exact bytes, sent exactly once.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::time::Duration;

use belvo::{Accepted, Client, Credentials, Error, Limits, SubmitError};
use domain::{LinkId, RequestId};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{basic_auth, body_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const LINK: &str = "0284557b-df47-450a-po09e-7875195c2259";
const ACCEPTED: &str = r#"{"request_id":"B5D0106A-c9cc-43d5-b361-99fe831f6bbe"}"#;

fn client(base_url: &str) -> Client {
    let credentials = Credentials { secret_id: "id".to_owned(), secret_password: "password".into() };
    let limits = Limits { response_timeout: Duration::from_millis(300), max_idle_connections: 0, ..Limits::default() };
    Client::new(base_url, credentials, limits).unwrap()
}

fn link() -> LinkId {
    LinkId::parse(LINK).unwrap()
}

fn parameters(json: Value) -> Map<String, Value> {
    let Value::Object(parameters) = json else { panic!("an object") };
    parameters
}

fn transactions() -> Map<String, Value> {
    parameters(json!({"link": LINK, "date_from": "2024-01-01", "date_to": "2024-01-31"}))
}

fn response(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_owned(), "application/json")
}

fn pending() -> Accepted {
    Accepted::Pending(RequestId::parse("b5d0106ac9cc43d5b36199fe831f6bbe").unwrap())
}

/// Starts a server that expects exactly one request.
async fn belvo_responding_once(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/api/transactions/")).respond_with(response).expect(1).mount(&server).await;
    server
}

async fn retrieve(server: &MockServer) -> Result<Accepted, SubmitError> {
    client(&server.uri()).retrieve("/api/transactions/", &transactions()).await
}

/// Starts a server that records the requests and sends these bytes on each connection.
async fn belvo_on_a_socket(response: &'static str) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = tokio::spawn(async move {
        let mut requests = Vec::new();
        while let Ok(Ok((mut socket, _))) = tokio::time::timeout(Duration::from_millis(600), listener.accept()).await {
            let mut bytes = vec![0; 4096];
            let read = socket.read(&mut bytes).await.unwrap_or_default();
            requests.push(String::from_utf8_lossy(&bytes[..read]).into_owned());
            let _ = socket.write_all(response.as_bytes()).await;
        }
        requests
    });
    (url, requests)
}

#[tokio::test]
async fn a_retrieval_is_posted_with_its_parameters_and_its_request_id_is_normalized() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/api/transactions/"))
        .and(basic_auth("id", "password"))
        .and(header("X-Belvo-Request-Mode", "async"))
        .and(header("content-type", "application/json"))
        .and(body_json(Value::Object(transactions())))
        .respond_with(response(202, ACCEPTED))
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(retrieve(&server).await, Ok(pending()));
}

#[tokio::test]
async fn the_header_is_sent_in_belvos_spelling() {
    let (url, requests) = belvo_on_a_socket("HTTP/1.1 204 No Content\r\n\r\n").await;
    client(&url).delete_link(&link()).await.unwrap();
    let requests = requests.await.unwrap();
    assert!(requests[0].starts_with(&format!("DELETE /api/links/{LINK}/ HTTP/1.1\r\n")), "{requests:?}");
    assert!(requests[0].contains("\r\nX-Belvo-Request-Mode: async\r\n"), "{requests:?}");
}

#[tokio::test]
async fn nothing_is_sent_twice_whatever_the_response() {
    for status in [202, 302, 400, 401, 403, 404, 408, 409, 428, 429, 500, 502, 503, 504] {
        let server = belvo_responding_once(response(status, "[]")).await;
        assert!(retrieve(&server).await.is_err(), "{status}");
    }
}

#[tokio::test]
async fn a_request_that_times_out_is_sent_once_and_its_result_is_unknown() {
    let server = belvo_responding_once(response(202, ACCEPTED).set_delay(Duration::from_secs(2))).await;
    assert_eq!(retrieve(&server).await, Err(SubmitError::Unknown(Error::TimedOut)));
}

#[tokio::test]
async fn a_lost_connection_is_not_retried() {
    let (url, requests) = belvo_on_a_socket("").await;
    let result = client(&url).retrieve("/api/transactions/", &transactions()).await;
    assert!(matches!(result, Err(SubmitError::Unknown(Error::Unreachable(_)))), "{result:?}");
    assert_eq!(requests.await.unwrap().len(), 1);
}

#[tokio::test]
async fn belvo_did_nothing_without_a_connection() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let result = client(&format!("http://{closed}")).retrieve("/api/transactions/", &transactions()).await;
    assert!(matches!(result, Err(SubmitError::Refused(Error::Unreachable(_)))), "{result:?}");
}

#[tokio::test]
async fn the_result_of_an_accepted_request_without_an_id_is_unknown() {
    for body in ["", "{}", r#"{"request_id":"a/b"}"#, "<html>"] {
        let server = belvo_responding_once(response(202, body)).await;
        assert_eq!(retrieve(&server).await, Err(SubmitError::Unknown(Error::Malformed("not a request id"))), "{body}");
    }
}

#[tokio::test]
async fn a_belvo_that_ignores_the_header_completes_the_work() {
    let server = belvo_responding_once(response(201, r#"[{"id":"t-1","amount":1.00}]"#)).await;
    assert_eq!(retrieve(&server).await, Ok(Accepted::Completed));
}

#[tokio::test]
async fn a_refresh_contains_its_resources_or_none() {
    for (resources, body) in [(vec![], json!({})), (vec!["OWNERS".to_owned()], json!({"fetch_resources": ["OWNERS"]}))]
    {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path(format!("/api/links/{LINK}/refresh/")))
            .and(basic_auth("id", "password"))
            .and(body_json(body))
            .respond_with(response(202, ACCEPTED))
            .expect(1)
            .mount(&server)
            .await;
        assert_eq!(client(&server.uri()).refresh_link(&link(), &resources).await, Ok(pending()));
        let sent = server.received_requests().await.unwrap();
        assert!(!sent[0].headers.contains_key("x-belvo-request-mode"), "Belvo does not document it here");
    }
}

#[tokio::test]
async fn a_second_refresh_returns_the_requested_wait() {
    let server = MockServer::start().await;
    let body = r#"[{"request_id":"b5d0","message":"The link has already been refreshed. Please wait 7 minutes before trying again.","code":"link_refreshed"}]"#;
    Mock::given(method("POST")).respond_with(response(409, body)).expect(1).mount(&server).await;
    let wait = Some(Duration::from_mins(7));
    assert_eq!(client(&server.uri()).refresh_link(&link(), &[]).await, Err(SubmitError::RefreshedAlready { wait }));
}

#[tokio::test]
async fn a_widget_token_is_requested_with_the_credentials_in_the_body_and_never_printed() {
    let server = MockServer::start().await;
    let expected = json!({"id": "id", "password": "password", "scopes": "read_institutions,write_links",
                          "fetch_resources": ["ACCOUNTS"]});
    Mock::given(method("POST"))
        .and(path("/api/token/"))
        .and(basic_auth("id", "password"))
        .and(body_json(expected))
        .respond_with(response(200, r#"{"access":"CANARY","refresh":"CANARY"}"#))
        .expect(1)
        .mount(&server)
        .await;
    let options = json!({"scopes": "read_institutions,write_links", "fetch_resources": ["ACCOUNTS"]});
    let token = client(&server.uri()).widget_token(&parameters(options)).await.unwrap();
    assert_eq!(token.expose_secret(), "CANARY");
    assert!(!format!("{token:?}").contains("CANARY"));
}

#[tokio::test]
async fn an_error_contains_only_the_code_of_the_response() {
    for (status, body) in [
        (400, r#"[{"code":"CANARY","message":"CANARY","field":"CANARY"}]"#),
        (409, r#"[{"code":"link_refreshed","message":"CANARY wait 3 minutes"}]"#),
        (202, r#"{"request_id":"CANARY/"}"#),
    ] {
        let error = retrieve(&belvo_responding_once(response(status, body)).await).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("CANARY"), "{error:?}");
    }
}
