//! The function as Lambda runs it: its own process, invoked through the runtime API with the events that an HTTP API makes
//! of whatever a stranger sends. Nothing in a URL, a header or a body may make an invocation fail: API Gateway would answer
//! 502, and an alarm would wake the operator.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod lambda;

use lambda::Function;
use serde_json::{Value, json};

/// The body of the event is a webhook, and its `authorization` is right.
fn delivery() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/webhook/accounts-historical-update.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A member of the event by its JSON pointer, and what it is in this request. Its parents are there.
type Change = (&'static str, Value);

/// What is of no use to the function, in forms that readers of URLs and headers stumble over.
fn strange_requests() -> Vec<Vec<Change>> {
    let header = |name: &'static str, value: &str| vec![(name, value.into())];
    let query = |text: &str| vec![("/rawQueryString", text.into())];
    vec![
        query("a=<"),
        query("a=\"{}|\\^`"),
        query("a=%ZZ&%"),
        query("a=b c"),
        query("a=\u{0}\u{7f}é"),
        query("a=1#b?c"),
        vec![("/rawQueryString", Value::Null), ("/queryStringParameters", json!({ "a": null }))],
        vec![("/queryStringParameters", json!(["a"])), ("/pathParameters", json!(7)), ("/stageVariables", json!("x"))],
        header("/headers/host", ""),
        header("/headers/host", "a b"),
        header("/headers/host", "<a>"),
        header("/headers/host", "[::1"),
        header("/headers/host", "a:99999"),
        header("/headers/host", "é"),
        vec![("/headers/host", Value::Null), ("/requestContext/domainName", "a b".into())],
        header("/headers/x-forwarded-proto", "ht tp"),
        header("/headers/x-forwarded-proto", ""),
        header("/headers/x-amzn-trace-id", "Root=é\n"),
        header("/headers/user-agent", "a\nb\u{0}"),
        header("/headers/accept", "\u{fffd}\u{7f}é"),
        vec![("/headers/accept", json!(["a", "b"]))],
        vec![("/headers/accept", json!({ "a": 7 }))],
        vec![("/headers/not a name\n", "x".into())],
        vec![("/headers/", "x".into())],
        vec![("/cookies", json!(["a\nb", "é"]))],
        vec![("/cookies", json!({ "a": 1 }))],
        vec![("/requestContext/stage", "a b<".into()), ("/rawPath", "/a b</webhooks".into())],
        vec![("/rawPath", "//webhooks".into())],
        vec![("/rawPath", "/\u{0}/é/webhooks".into())],
        vec![("/requestContext/timeEpoch", "late".into()), ("/requestContext/authorizer", "none".into())],
        vec![("/requestContext/authentication", "none".into()), ("/requestContext/http/userAgent", json!(7))],
        vec![("/version", json!(2)), ("/routeKey", json!([])), ("/httpMethod", "no method".into())],
    ]
}

/// The event with these changes, as text: some of what it may hold no JSON value can.
fn changed(changes: &[Change]) -> String {
    let mut event = delivery();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        event.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    event.to_string()
}

#[test]
fn whatever_stands_in_the_url_and_the_headers_a_stranger_gets_401_and_belvo_gets_202() {
    let mut function = Function::start();
    for changes in strange_requests() {
        let known = changed(&changes);
        assert_eq!(function.status_of(&known), Ok(202), "{changes:?}");
        let unknown = known.replace("Bearer local-webhook-token", "Bearer guess");
        assert_eq!(function.status_of(&unknown), Ok(401), "{changes:?}");
        let mut without: Value = serde_json::from_str(&known).unwrap();
        without["headers"].as_object_mut().unwrap().remove("authorization");
        assert_eq!(function.status_of(&without.to_string()), Ok(401), "{changes:?}");
    }
}

#[test]
fn text_that_is_not_unicode_costs_only_the_request_that_has_it() {
    let mut function = Function::start();
    let event = delivery().to_string();
    for (sent, text, status) in [
        ("\"rawQueryString\":\"\"", "\"rawQueryString\":\"\\ud800\"", 202),
        ("\"user-agent\":\"Belvo\"", "\"user-agent\":\"\\ud800\\udcff\\udcff\"", 202),
        ("\"accept\":", "\"x-\\ud800\":\"x\",\"accept\":", 202),
        ("Bearer local", "Bearer \\ud800local", 401),
        ("\"rawPath\":\"/webhooks\"", "\"rawPath\":\"/\\ud800/webhooks\"", 404),
        ("\"POST\"", "\"\\ud800\"", 405),
        ("\"body\":\"", "\"body\":\"\\ud800", 400),
    ] {
        let strange = event.replace(sent, text);
        assert!(strange != event, "{text}");
        assert_eq!(function.status_of(&strange), Ok(status), "{text}");
    }
}

#[test]
fn a_body_that_cannot_be_read_is_no_webhook_and_other_methods_and_paths_are_refused() {
    let mut function = Function::start();
    let is_base64 = ("/isBase64Encoded", json!(true));
    for (changes, status) in [
        (vec![is_base64.clone(), ("/body", "no base64!".into())], 400),
        (vec![is_base64.clone(), ("/body", "/w==".into())], 400),
        (vec![is_base64, ("/body", Value::Null)], 400),
        (vec![("/body", json!(7))], 400),
        (vec![("/body", json!({ "a": 1 })), ("/isBase64Encoded", Value::Null)], 400),
        (vec![("/requestContext/http/method", "NO METHOD\n".into())], 405),
        (vec![("/requestContext/http/method", "".into())], 405),
        (vec![("/rawPath", Value::Null)], 404),
        (vec![("/rawPath", "<".into())], 404),
    ] {
        assert_eq!(function.status_of(&changed(&changes)), Ok(status), "{changes:?}");
    }
}

#[test]
fn what_is_no_event_of_an_http_api_fails_and_the_next_request_is_served() {
    let mut function = Function::start();
    for event in ["{}", "7", r#"{"Records":[]}"#, r#"{"httpMethod":"POST","path":"/webhooks"}"#] {
        let error = function.status_of(event).unwrap_err();
        assert!(error.contains("deserialize"), "{error}");
    }
    assert_eq!(function.status_of(&changed(&[])), Ok(202));
}
