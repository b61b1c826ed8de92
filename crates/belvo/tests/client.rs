//! The client against a mock server: exact requests, exact bytes.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::time::Duration;

use belvo::{Client, Credentials, Error, Limits, LinksPage, Listing};
use domain::{LinkId, ObjectId};
use wiremock::matchers::{basic_auth, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const LINK: &str = "0284557b-df47-450a-po09e-7875195c2259";

fn limits() -> Limits {
    Limits { response_timeout: Duration::from_millis(300), max_response_bytes: 4_096, ..Limits::default() }
}

fn client(server: &MockServer) -> Client {
    let credentials = Credentials { secret_id: "id".to_owned(), secret_password: "password".into() };
    Client::new(&server.uri(), credentials, limits()).unwrap()
}

fn transactions() -> Listing {
    let filters = vec![("created_at__gte", "2024-02-29".to_owned())];
    Listing { path: "/api/transactions/", link: LinkId::parse(LINK).unwrap(), filters, page_size: 1_000 }
}

async fn belvo_responding(response: ResponseTemplate, times: u64) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(response).expect(times).mount(&server).await;
    server
}

fn json(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_owned(), "application/json")
}

const EMPTY_PAGE: &str = r#"{"count":0,"next":null,"previous":null,"results":[]}"#;

#[tokio::test]
async fn a_page_request_has_credentials_link_page_size_number_and_filters() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/api/transactions/"))
        .and(basic_auth("id", "password"))
        .and(query_param("link", LINK))
        .and(query_param("page_size", "1000"))
        .and(query_param("page", "3"))
        .and(query_param("created_at__gte", "2024-02-29"))
        .respond_with(json(200, EMPTY_PAGE))
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(client(&server).page(&transactions(), 3).await.unwrap().count, Some(0));
}

#[tokio::test]
async fn the_path_of_an_object_is_below_its_list_and_ends_with_a_slash() {
    let server = MockServer::start().await;
    let object = r#"{"id":"06xx4cdd4a17","amount":0.10}"#;
    Mock::given(path("/api/accounts/06xx4cdd4a17/")).respond_with(json(200, object)).expect(1).mount(&server).await;
    let id = ObjectId::parse("06xx4cdd4a17").unwrap();
    assert_eq!(client(&server).object("/api/accounts/", &id, &[]).await.unwrap().get(), object);
}

#[tokio::test]
async fn a_transient_error_is_retried_up_to_the_limit() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(502)).up_to_n_times(2).mount(&server).await;
    Mock::given(method("GET")).respond_with(json(200, EMPTY_PAGE)).expect(1).mount(&server).await;
    assert!(client(&server).page(&transactions(), 1).await.is_ok());

    let server = belvo_responding(ResponseTemplate::new(500), 3).await;
    assert_eq!(client(&server).page(&transactions(), 1).await.unwrap_err(), Error::Unavailable(500));
}

#[tokio::test]
async fn a_rate_limit_is_returned_after_a_single_request() {
    let response = ResponseTemplate::new(429).insert_header("retry-after", "30");
    let server = belvo_responding(response, 1).await;
    let expected = Error::RateLimited { retry_after: Some(Duration::from_secs(30)) };
    assert_eq!(client(&server).page(&transactions(), 1).await.unwrap_err(), expected);

    let html = ResponseTemplate::new(403).set_body_raw("<html>", "text/html");
    let server = belvo_responding(html, 1).await;
    assert_eq!(client(&server).page(&transactions(), 1).await.unwrap_err(), Error::RefusedByEdge);
}

#[tokio::test]
async fn a_slow_response_and_a_large_one_fail_after_a_single_request() {
    let server = belvo_responding(json(200, EMPTY_PAGE).set_delay(Duration::from_secs(5)), 1).await;
    assert_eq!(client(&server).page(&transactions(), 1).await.unwrap_err(), Error::TimedOut);

    let server = belvo_responding(json(200, &" ".repeat(5_000)), 1).await;
    assert_eq!(client(&server).page(&transactions(), 1).await.unwrap_err(), Error::TooLarge(4_096));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = MockServer::start().await;
    Mock::given(method("GET")).respond_with(json(200, EMPTY_PAGE)).expect(0).mount(&elsewhere).await;
    let redirect = ResponseTemplate::new(302).insert_header("location", elsewhere.uri().as_str());
    let server = belvo_responding(redirect, 1).await;
    assert!(matches!(client(&server).page(&transactions(), 1).await, Err(Error::Malformed(_))));
}

#[tokio::test]
async fn a_link_does_not_exist_only_if_belvo_itself_confirms_it() {
    let link = LinkId::parse(LINK).unwrap();
    let not_found = r#"[{"request_id":"b5d0","message":"Not found.","code":"not_found"}]"#;
    assert!(!client(&belvo_responding(json(404, not_found), 1).await).link_exists(&link).await.unwrap());
    assert!(client(&belvo_responding(json(200, "{}"), 1).await).link_exists(&link).await.unwrap());
    let proxy = belvo_responding(ResponseTemplate::new(404).set_body_raw("<html>", "text/html"), 1).await;
    assert!(client(&proxy).link_exists(&link).await.is_err());
}

#[tokio::test]
async fn a_list_of_an_unknown_link_is_an_unconfirmed_not_found() {
    let unknown = r#"[{"request_id":"b5d0","message":"Object with id=CANARY does not exist.","code":"does_not_exist",
        "field":"link"}]"#;
    let server = belvo_responding(json(400, unknown), 2).await;
    let client = client(&server);
    let error = client.page(&transactions(), 1).await.unwrap_err();
    assert_eq!(error, Error::NotFound { confirmed: false });
    let link = LinkId::parse(LINK).unwrap();
    assert_eq!(
        client.link_exists(&link).await,
        Err(error),
        "only a 404 from Belvo confirms that a link does not exist"
    );
}

#[tokio::test]
async fn links_with_invalid_members_are_listed_and_read() {
    let odd = r#"{"id":"l-1","status":"valid","external_id":12345,"refresh_rate":24,"institution":{"name":"x"},
        "fetch_resources":[null],"access_mode":null,"created_at":7}"#;
    let server = MockServer::start().await;
    let list = format!(r#"{{"count":1,"next":null,"previous":null,"results":[{odd}]}}"#);
    Mock::given(path("/api/links/")).respond_with(json(200, &list)).mount(&server).await;
    Mock::given(path("/api/links/l-1/")).respond_with(json(200, odd)).mount(&server).await;
    let client = client(&server);
    let found = client.links(LinksPage::FIRST).await.unwrap();
    assert_eq!((found.unreadable, found.links[0].id.as_str(), found.links[0].access.is_some()), (0, "l-1", true));
    assert!(found.links[0].external_id.is_none() && found.links[0].fetch_resources.is_empty());
    let link = client.link(&LinkId::parse("l-1").unwrap()).await.unwrap();
    assert_eq!((link.status.as_deref(), link.institution, link.external_id), (Some("valid"), None, None));
}

#[tokio::test]
async fn an_error_shows_neither_ids_nor_the_url() {
    let server = belvo_responding(ResponseTemplate::new(200), 0).await;
    let client = client(&server);
    let uri = server.uri();
    drop(server);
    let listing = Listing { path: "//127.0.0.1:1/", ..transactions() };
    let text = format!("{0} {0:?}", client.page(&listing, 1).await.unwrap_err());
    assert!(!text.contains(LINK) && !text.contains(&uri) && !text.contains("127.0.0.1"), "{text}");
}

#[tokio::test]
async fn the_next_request_sends_new_credentials() {
    let server = MockServer::start().await;
    Mock::given(basic_auth("new", "word")).respond_with(json(200, EMPTY_PAGE)).expect(1).mount(&server).await;
    let client = client(&server);
    client.set_credentials(Credentials { secret_id: "new".to_owned(), secret_password: "word".into() });
    client.page(&transactions(), 1).await.unwrap();
}

#[test]
fn an_invalid_base_url_or_one_with_credentials_is_rejected_and_not_shown() {
    for base in ["", "belvo", "ftp://belvo", "https://user:CANARY@api.belvo.com"] {
        let credentials = Credentials { secret_id: String::new(), secret_password: "".into() };
        let error = Client::new(base, credentials, limits()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }
}
