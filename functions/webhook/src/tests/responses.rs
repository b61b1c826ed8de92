//! The function as API Gateway calls it, on the events of `events/webhook/`.

use lambda_http::Context;
use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use crate::tests::fakes::{FakeQueue, FakeSecrets};
use crate::*;

/// The token of the events.
const SECRET: &str = r#"{"token":"local-webhook-token-for-sam-local-invoke-only"}"#;
/// The request id of the events, as in Belvo's documentation.
const REQUEST_ID: &str = "4363b08b-51eb-4350-9c74-5df5ac92a7f6";

pub(crate) fn receiver(queue: &FakeQueue) -> Receiver {
    let authenticator = FakeSecrets::holding(SECRET, 0, None).authenticator(1);
    let event_log = EventLog::new("a-stack".to_owned(), |_| ());
    Receiver { authenticator, queue: queue.queue(), sources: AllowedSources::default(), event_log }
}

pub(crate) fn event(name: &str) -> Value {
    let path = format!("{}/../../events/webhook/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn with_body(body: &str) -> Value {
    let mut event = event("accounts-historical-update");
    event["body"] = body.into();
    event
}

pub(crate) async fn answer(receiver: &Receiver, event: &Value) -> (StatusCode, String) {
    let request: Request = serde_json::from_str(&event.to_string()).unwrap();
    let response = receiver.handle(LambdaEvent::new(request, Context::default())).await.unwrap();
    assert_eq!(response.headers["cache-control"], "no-store");
    let status = StatusCode::from_u16(response.status_code.try_into().unwrap()).unwrap();
    (status, response.body.map(|body| String::from_utf8(body.to_vec()).unwrap()).unwrap_or_default())
}

async fn answer_to(queue: &FakeQueue, event: &Value) -> (StatusCode, String) {
    answer(&receiver(queue), event).await
}

#[tokio::test]
async fn a_body_has_at_most_one_mebibyte() {
    let webhook = r#"{"webhook_type":"X","webhook_code":"y"}"#;
    let body = |bytes: usize| webhook.to_owned() + &" ".repeat(bytes - webhook.len());
    for (bytes, status) in [(1_048_576, StatusCode::ACCEPTED), (1_048_577, StatusCode::PAYLOAD_TOO_LARGE)] {
        assert_eq!(answer_to(&FakeQueue::default(), &with_body(&body(bytes))).await.0, status, "{bytes}");
    }
}

#[tokio::test]
async fn the_secret_is_read_ahead_of_the_first_request() {
    let secrets = FakeSecrets::holding(SECRET, 0, None);
    let receiver = Receiver { authenticator: secrets.authenticator(1), ..receiver(&FakeQueue::default()) };
    receiver.warm_up().await;
    assert_eq!(secrets.reads(), 1);
    answer(&receiver, &event("accounts-historical-update")).await;
    assert_eq!(secrets.reads(), 1, "the request uses it");
}

#[tokio::test]
async fn every_documented_webhook_is_acknowledged_with_its_request_id_once_it_is_queued() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/webhook")).unwrap();
    let names = files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    let are_refused = ["bad-json", "url-validation", "wrong-credentials"];
    let names: Vec<_> = names.filter(|name| !are_refused.contains(&name.as_str())).collect();
    assert!(names.len() > 40, "the documented webhooks are there");
    for name in names {
        let queue = FakeQueue::default();
        let event = event(&name);
        let (status, body) = answer_to(&queue, &event).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{name}");
        let sent: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
        if let Some(request_id) = sent.get("request_id") {
            assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({ "request_id": request_id }), "{name}");
        }
        let [message] = queue.messages().try_into().unwrap();
        assert_eq!(serde_json::to_value(&message.webhook).unwrap(), sent, "{name}");
    }
}

#[tokio::test]
async fn an_unknown_type_is_accepted_as_it_is() {
    let queue = FakeQueue::default();
    assert_eq!(answer_to(&queue, &event("unknown-type")).await.0, StatusCode::ACCEPTED);
    assert_eq!(queue.messages()[0].webhook.webhook_type(), "MOON_PHASES");
}

#[tokio::test]
async fn wrong_and_missing_credentials_get_an_empty_401_and_nothing_is_queued() {
    let queue = FakeQueue::default();
    let mut without = event("accounts-historical-update");
    without["headers"].as_object_mut().unwrap().remove("authorization");
    for event in [event("wrong-credentials"), without] {
        assert_eq!(answer_to(&queue, &event).await, (StatusCode::UNAUTHORIZED, String::new()));
    }
    assert!(queue.messages().is_empty());
}

#[tokio::test]
async fn credentials_are_checked_before_anything_is_said_about_the_body() {
    let mut event = event("bad-json");
    event["headers"]["authorization"] = "Bearer wrong".into();
    assert_eq!(answer_to(&FakeQueue::default(), &event).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn bad_json_gets_400_with_the_request_id_that_could_be_read() {
    let queue = FakeQueue::default();
    let (status, body) = answer_to(&queue, &event("bad-json")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let expected = json!({
        "request_id": REQUEST_ID,
        "errors": [{ "code": "parse_error", "message": "The body is not a JSON object." }],
    });
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    assert!(queue.messages().is_empty());
}

#[tokio::test]
async fn what_is_wrong_is_named_by_field_and_never_repeated() {
    let (status, body) = answer_to(&FakeQueue::default(), &with_body(r#"{"webhook_type":["CANARY"]}"#)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains(r#""field":"webhook_type""#) && body.contains(r#""field":"webhook_code""#));
    assert!(!body.contains("CANARY"));
}

#[tokio::test]
async fn a_body_in_base64_is_read_like_any_other() {
    let queue = FakeQueue::default();
    let mut event = event("transactions-deleted");
    let body = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, event["body"].as_str().unwrap());
    (event["body"], event["isBase64Encoded"]) = (body.into(), true.into());
    assert_eq!(answer_to(&queue, &event).await.0, StatusCode::ACCEPTED);
    assert_eq!(queue.messages().len(), 1);
}

#[tokio::test]
async fn one_byte_too_many_is_too_large_and_the_largest_body_is_not() {
    let body = |bytes: usize| {
        let webhook = r#"{"webhook_type":"X","webhook_code":"y"}"#;
        format!("{webhook}{}", " ".repeat(bytes - webhook.len()))
    };
    let queue = FakeQueue::default();
    let too_large = answer_to(&queue, &with_body(&body(MAX_BODY_BYTES + 1))).await;
    assert_eq!(too_large, (StatusCode::PAYLOAD_TOO_LARGE, String::new()));
    assert!(queue.messages().is_empty());
    assert_eq!(answer_to(&queue, &with_body(&body(MAX_BODY_BYTES))).await.0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn belvos_validation_of_the_url_succeeds_without_credentials() {
    let mut head = event("url-validation");
    head["requestContext"]["http"]["method"] = "HEAD".into();
    for event in [event("url-validation"), head] {
        assert_eq!(answer_to(&FakeQueue::default(), &event).await, (StatusCode::OK, String::new()));
    }
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let mut put = event("accounts-historical-update");
    put["requestContext"]["http"]["method"] = "PUT".into();
    assert_eq!(answer_to(&FakeQueue::default(), &put).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let mut elsewhere = event("accounts-historical-update");
    elsewhere["rawPath"] = "/admin".into();
    elsewhere["requestContext"]["http"]["path"] = "/admin".into();
    assert_eq!(answer_to(&FakeQueue::default(), &elsewhere).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_source_that_is_not_listed_gets_an_empty_403_whatever_it_knows() {
    let queue = FakeQueue::default();
    let receiver = Receiver { sources: "203.0.113.0/24".parse().unwrap(), ..receiver(&queue) };
    let refused = answer(&receiver, &event("accounts-historical-update")).await;
    assert_eq!(refused, (StatusCode::FORBIDDEN, String::new()));
    let mut listed = event("accounts-historical-update");
    listed["requestContext"]["http"]["sourceIp"] = "203.0.113.7".into();
    assert_eq!(answer(&receiver, &listed).await.0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn when_sqs_refuses_a_message_nothing_is_acknowledged() {
    let (status, body) = answer_to(&FakeQueue::refusing(), &event("accounts-historical-update")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["request_id"], &body["errors"][0]["code"]), (&json!(REQUEST_ID), &json!("service_unavailable")));
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_503_and_never_401() {
    let queue = FakeQueue::default();
    let authenticator = FakeSecrets::out_of_order().authenticator(1);
    let receiver = Receiver { authenticator, ..receiver(&queue) };
    let (status, _) = answer(&receiver, &event("accounts-historical-update")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(queue.messages().is_empty());
}

#[tokio::test]
async fn the_same_body_is_one_message_whenever_it_comes_and_another_body_is_another() {
    let queue = FakeQueue::default();
    let receiver = receiver(&queue);
    let (first, other) = (event("transactions-updated"), event("transactions-deleted"));
    for event in [&first, &first, &other] {
        assert_eq!(answer(&receiver, event).await.0, StatusCode::ACCEPTED);
        // Its time of arrival differs.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let keys: Vec<_> = queue.messages().into_iter().map(|message| message.key).collect();
    assert!(keys[0] == keys[1] && keys[0] != keys[2], "{keys:?}");
}
