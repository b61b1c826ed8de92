//! What is refused, and how: error arrays from the API, HTML from the edge.

use crate::support::{HISTORICAL_LINK, client, delete, get, post, send, server};
use fake_belvo::Settings;

#[tokio::test]
async fn everything_under_api_wants_the_right_credentials() {
    let server = server().await;
    let url = |path: &str| format!("{}{path}", server.base_url());
    for path in ["/api/", "/api/links/", "/api/nothing/"] {
        let none = send(client().get(url(path))).await;
        assert_eq!(none.error(), (401, "authentication_failed".into(), None), "{path}");
        let wrong = send(client().get(url(path)).basic_auth("secret-id", Some("wrong"))).await;
        assert_eq!(wrong.error().0, 401, "{path}");
        let bearer = send(client().get(url(path)).bearer_auth("secret-password")).await;
        assert_eq!(bearer.error().0, 401, "{path}");
    }
    assert_eq!(get(&server, "/api/").await.status, 200);
}

#[tokio::test]
async fn a_list_of_transactions_wants_a_link() {
    let server = server().await;
    for path in ["/api/transactions/", "/api/transactions/?link="] {
        assert_eq!(get(&server, path).await.error(), (400, "required".into(), Some("link".into())));
    }
}

#[tokio::test]
async fn a_path_without_its_slash_is_404() {
    let server = server().await;
    for path in ["/api/links", "/api", "/api/nothing/", "/api/accounts//", "/", "/api/links/x/y/"] {
        assert_eq!(get(&server, path).await.error(), (404, "not_found".into(), None), "{path}");
    }
}

#[tokio::test]
async fn an_unknown_object_is_404() {
    let server = server().await;
    for path in [
        "/api/links/2f5d361d-dad6-45d4-a0bf-26d479766067/",
        "/api/transactions/2f5d361d-dad6-45d4-a0bf-26d479766067/",
        "/api/accounts/7d0afe4c-373d-490c-90e4-06xx4cdd4a17/",
        "/api/institutions/1/",
    ] {
        assert_eq!(get(&server, path).await.error(), (404, "not_found".into(), None), "{path}");
    }
}

#[tokio::test]
async fn the_firewall_refuses_parameters_that_the_schema_lacks() {
    let server = server().await;
    for path in [
        format!("/api/transactions/?link={HISTORICAL_LINK}&limit=10"),
        format!("/api/transactions/?link={HISTORICAL_LINK}&value_date__in=2024-01-01"),
        "/api/links/?link=x".to_owned(),
        "/api/institutions/?omit=id".to_owned(),
        format!("/api/links/{HISTORICAL_LINK}/?omit=id"),
    ] {
        assert!(get(&server, &path).await.is_html(403), "{path}");
    }
    let long = format!("/api/accounts/?id__in={}", "x".repeat(8_001));
    assert!(get(&server, &long).await.is_html(414));
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_is_400() {
    let server = server().await;
    for (filter, field) in [
        ("created_at__gte=yesterday", "created_at__gte"),
        ("created_at__gte=2024-01-01T00:00:00Z", "created_at__gte"),
        ("value_date__range=2024-01-01", "value_date__range"),
        ("amount__gte=1e3", "amount__gte"),
    ] {
        let answer = get(&server, &format!("/api/transactions/?link={HISTORICAL_LINK}&{filter}")).await;
        assert_eq!(answer.error(), (400, "invalid".into(), Some(field.into())), "{filter}");
    }
}

#[tokio::test]
async fn the_edge_limit_refuses_in_html_once_it_is_switched_on() {
    let server = server().await;
    server.control().set_settings(Settings { edge_limit_per_30s: 3, ..Settings::default() });
    for _ in 0..3 {
        assert_eq!(get(&server, "/api/").await.status, 200);
    }
    assert!(get(&server, "/api/").await.is_html(403));
}

#[tokio::test]
async fn pages_that_are_too_large_time_out() {
    let server = server().await;
    server.control().set_settings(Settings { max_page_size_before_408: 250, ..Settings::default() });
    let path = |size: usize| format!("/api/transactions/?link={HISTORICAL_LINK}&page_size={size}");
    assert_eq!(get(&server, &path(500)).await.error(), (408, "request_timeout".into(), None));
    assert_eq!(get(&server, &path(250)).await.status, 200);
}

#[tokio::test]
async fn a_link_request_that_lacks_something_says_what() {
    let server = server().await;
    let answer = post(&server, "/api/links/", r#"{"institution":"erebor_mx_retail"}"#).await;
    let fields: Vec<_> = answer.json().as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
    assert_eq!((answer.status, fields), (400, vec!["username".into(), "password".into()]));

    let unknown = r#"{"institution":"no_such_bank","username":"u","password":"p"}"#;
    assert_eq!(post(&server, "/api/links/", unknown).await.error().1, "does_not_exist");
    let mode = r#"{"institution":"erebor_mx_retail","username":"u","password":"p","access_mode":"often"}"#;
    assert_eq!(post(&server, "/api/links/", mode).await.error().2.as_deref(), Some("access_mode"));
    assert_eq!(post(&server, "/api/links/", "{").await.error().1, "parse_error");
}

#[tokio::test]
async fn other_methods_are_405() {
    let server = server().await;
    assert_eq!(delete(&server, "/api/links/").await.error(), (405, "method_not_allowed".into(), None));
    assert_eq!(post(&server, "/api/institutions/", "{}").await.error().0, 405);
}
