//! The client against a hostile Belvo or an attacker in front of it.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::time::Duration;

use belvo::{Client, Credentials, Error, Limits, Listing};
use domain::{LinkId, ObjectId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{any, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

const LIMIT: usize = 4_096;
const TIMEOUT: Duration = Duration::from_millis(400);
const EMPTY_PAGE: &str = r#"{"count":0,"next":null,"previous":null,"results":[]}"#;
/// `{"count":0,"next":null,"results":[]}`, compressed with gzip.
const GZIPPED: &[u8] = include_bytes!("empty-page.json.gz");

fn client(uri: &str) -> Client {
    let credentials = Credentials { secret_id: "id".to_owned(), secret_password: "password".into() };
    let limits = Limits { response_timeout: TIMEOUT, max_response_bytes: LIMIT, quick_retries: 0, ..Limits::default() };
    Client::new(uri, credentials, limits).unwrap()
}

fn accounts() -> Listing {
    let link = LinkId::parse("l-1").unwrap();
    Listing { path: "/api/accounts/", link, filters: Vec::new(), page_size: 1_000 }
}

async fn page_of(response: ResponseTemplate) -> Result<belvo::Page, Error> {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(response).mount(&server).await;
    client(&server.uri()).page(&accounts(), 1).await
}

/// Starts a server that sends a head, then the same bytes repeatedly until the client disconnects.
async fn dripping(head: &'static str, repeated: &'static [u8], pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4_096]).await;
            let _ = socket.write_all(head.as_bytes()).await;
            while socket.write_all(repeated).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        }
    });
    uri
}

#[tokio::test]
async fn a_response_that_arrives_slowly_times_out() {
    for head in ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 500 No\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n{"] {
        let uri = dripping(head, b"x-a: b\r\n", Duration::from_millis(50)).await;
        let result = client(&uri).page(&accounts(), 1).await;
        assert_eq!(result.unwrap_err(), Error::TimedOut, "{head}");
    }
}

#[tokio::test]
async fn a_response_without_an_end_or_with_a_false_length_is_read_up_to_the_limit() {
    let endless = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let uri = dripping(endless, b"10\r\n                \r\n".repeat(256).leak(), Duration::ZERO).await;
    assert_eq!(client(&uri).page(&accounts(), 1).await.unwrap_err(), Error::TooLarge(LIMIT));
    let huge = "HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775807\r\n\r\n";
    let uri = dripping(huge, &[b' '; LIMIT], Duration::ZERO).await;
    assert_eq!(client(&uri).page(&accounts(), 1).await.unwrap_err(), Error::TooLarge(LIMIT));
    let absurd = "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n";
    let uri = dripping(absurd, &[b' '; LIMIT], Duration::ZERO).await;
    assert!(client(&uri).page(&accounts(), 1).await.is_err());
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
    let uri = dripping(short, EMPTY_PAGE.as_bytes(), Duration::ZERO).await;
    assert_eq!(client(&uri).page(&accounts(), 1).await.unwrap_err(), Error::Malformed("not a page"));
}

#[tokio::test]
async fn headers_without_an_end_are_an_error() {
    let uri = dripping("HTTP/1.1 200 OK\r\n", b"x-a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n", Duration::ZERO).await;
    assert!(matches!(client(&uri).page(&accounts(), 1).await, Err(Error::Unreachable(_) | Error::TimedOut)));
}

#[tokio::test]
async fn compression_is_neither_requested_nor_decoded() {
    let gzipped = ResponseTemplate::new(200).insert_header("content-encoding", "gzip").set_body_bytes(GZIPPED);
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(gzipped).mount(&server).await;
    assert_eq!(client(&server.uri()).page(&accounts(), 1).await.unwrap_err(), Error::Malformed("not a page"));
    let requests = server.received_requests().await.unwrap();
    assert!(!requests[0].headers.contains_key("accept-encoding"));
}

#[tokio::test]
async fn the_body_decides_and_not_the_content_type() {
    let as_type = |body: &str, content_type| page_of(ResponseTemplate::new(200).set_body_raw(body, content_type));
    assert_eq!(as_type(EMPTY_PAGE, "text/html").await.unwrap().count, Some(0));
    for body in ["<html><body>Sign in</body></html>", "", "null", "[]"] {
        assert_eq!(as_type(body, "application/json").await.unwrap_err(), Error::Malformed("not a page"), "{body}");
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).expect(0).mount(&elsewhere).await;
    for status in [301, 302, 303, 307, 308] {
        for to in [elsewhere.uri(), "/api/other/".to_owned(), "file:///etc/passwd".to_owned()] {
            let redirect = ResponseTemplate::new(status).insert_header("location", to.as_str());
            assert_eq!(page_of(redirect).await.unwrap_err(), Error::Malformed("unexpected status"), "{status}");
        }
    }
}

#[tokio::test]
async fn the_url_of_the_next_page_is_never_requested() {
    let server = MockServer::start().await;
    let page = |next: &str| format!(r#"{{"count":9000,"next":"{next}","results":[]}}"#);
    let own = page(&format!("{}/api/links/x/?page=7", server.uri()));
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_string(own)).expect(1).mount(&server).await;
    assert!(client(&server.uri()).page(&accounts(), 1).await.unwrap().has_next);
}

#[tokio::test]
async fn a_link_exists_only_if_the_response_is_a_link() {
    let link = LinkId::parse("l-1").unwrap();
    for body in ["<html>Sign in</html>", "[]", "", "null"] {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_string(body)).mount(&server).await;
        let exists = client(&server.uri()).link_exists(&link).await;
        assert_eq!(exists.unwrap_err(), Error::Malformed("not a link"), "{body}");
    }
}

#[tokio::test]
async fn the_longest_id_stays_one_segment_of_the_path() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_string("{}")).mount(&server).await;
    let ids = ["-".repeat(128), "_".repeat(128), "a".repeat(128)];
    for id in &ids {
        client(&server.uri()).object("/api/accounts/", &ObjectId::parse(id).unwrap(), &[]).await.unwrap();
    }
    let paths: Vec<_> = server.received_requests().await.unwrap().iter().map(|r| r.url.path().to_owned()).collect();
    assert_eq!(paths, ids.map(|id| format!("/api/accounts/{id}/")));
}

#[tokio::test]
async fn the_longest_retry_after_is_returned_and_an_invalid_one_ignored() {
    let response = |seconds: &str| page_of(ResponseTemplate::new(429).insert_header("retry-after", seconds));
    let wait = |seconds| Error::RateLimited { retry_after: Some(Duration::from_secs(seconds)) };
    assert_eq!(response("18446744073709551615").await.unwrap_err(), wait(u64::MAX));
    for text in ["-1", "1e9", "18446744073709551616", "Wed, 21 Oct 2015 07:28:00 GMT", ""] {
        assert_eq!(response(text).await.unwrap_err(), Error::RateLimited { retry_after: None }, "{text}");
    }
}

#[tokio::test]
async fn a_long_error_response_is_classified_by_its_beginning() {
    let page = |head: &str| format!("{head}{}", "x".repeat(100 * 1024));
    let of_type = |body: String, content_type| page_of(ResponseTemplate::new(403).set_body_raw(body, content_type));
    assert_eq!(of_type(page("<html>"), "text/html").await.unwrap_err(), Error::RefusedByEdge);
    let spaces = format!("{}<html>", " ".repeat(100 * 1024));
    assert_eq!(of_type(spaces, "text/html; charset=UTF-8").await.unwrap_err(), Error::RefusedByEdge);
    let refused = Error::Refused { status: 403, code: "permission_denied".to_owned() };
    let error = page(r#"[{"code":"permission_denied"},{"message":""#);
    assert_eq!(of_type(error, "application/json").await.unwrap_err(), refused);
}

#[tokio::test]
async fn an_incomplete_error_response_is_classified_by_its_beginning() {
    let head = "HTTP/1.1 403 Forbidden\r\ncontent-length: 900000\r\n\r\n<html>";
    for pause in [Duration::ZERO, TIMEOUT] {
        let uri = dripping(head, b"x", pause).await;
        assert_eq!(client(&uri).page(&accounts(), 1).await.unwrap_err(), Error::RefusedByEdge, "{pause:?}");
    }
}

#[tokio::test]
async fn a_malformed_error_response_is_classified_by_its_status() {
    let large = "x".repeat(100 * 1024);
    assert_eq!(
        page_of(ResponseTemplate::new(503).set_body_string(large.as_str())).await.unwrap_err(),
        Error::Unavailable(503)
    );
    let not_found = format!(r#"[{{"code":"not_found"}}]{}"#, " ".repeat(100 * 1024));
    let error = page_of(ResponseTemplate::new(404).set_body_string(not_found)).await.unwrap_err();
    assert_eq!(error, Error::NotFound { confirmed: false }, "only a complete body confirms it");
}
