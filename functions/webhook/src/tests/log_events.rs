//! The event that each webhook logs.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use test_aws::emf::Lines;

use crate::tests::fakes::{FakeQueue, FakeSecrets};
use crate::tests::responses::{answer, event, receiver, with_body};
use crate::*;

type Line = (Map<String, Value>, BTreeMap<String, f64>);

/// Returns the event that a receiver logs.
async fn line_of(receiver: Receiver, event: &Value) -> Line {
    let lines = Lines::default();
    let receiver = Receiver { event_log: EventLog::new("a-stack".to_owned(), lines.writer()), ..receiver };
    answer(&receiver, event).await;
    lines.take_one()
}

fn taken() -> Receiver {
    receiver(&FakeQueue::default())
}

fn refused(reason: &str) -> BTreeMap<String, f64> {
    BTreeMap::from([(format!("refused{{reason={reason}}}"), 1.0)])
}

#[tokio::test]
async fn an_accepted_webhook_logs_its_ids_type_and_latency() {
    let (line, series) = line_of(taken(), &event("transactions-deleted")).await;
    let body: Value = serde_json::from_str(event("transactions-deleted")["body"].as_str().unwrap()).unwrap();
    for name in ["request_id", "link_id", "webhook_type", "webhook_code"] {
        assert_eq!(line[name], body[name], "{name}");
    }
    let said = ["message", "level", "target", "stack", "messages"].map(|name| line[name].clone());
    assert_eq!(json!(said), json!(["accepted a webhook", "INFO", "webhook", "a-stack", 1]));
    assert_eq!(series.keys().collect::<Vec<_>>(), ["accepted", "enqueue_ms"]);
    assert_eq!((series["accepted"], json!(series["enqueue_ms"])), (1.0, json!(line["enqueue_ms"].as_f64())));
}

#[tokio::test]
async fn each_rejection_is_counted_by_its_reason() {
    let elsewhere = || Receiver { sources: "203.0.113.0/24".parse().unwrap(), ..taken() };
    let too_large = with_body(&" ".repeat(MAX_BODY_BYTES + 1));
    for (receiver, event, reason) in [
        (taken(), event("wrong-credentials"), "credentials"),
        (taken(), event("bad-json"), "invalid"),
        (taken(), too_large, "size"),
        (elsewhere(), event("accounts-historical-update"), "source_ip"),
    ] {
        let (line, series) = line_of(receiver, &event).await;
        assert_eq!((&line["message"], &line["level"]), (&json!("refused a webhook"), &json!("WARN")), "{reason}");
        assert_eq!(series, refused(reason));
    }
}

#[tokio::test]
async fn a_rejected_header_is_classified_and_never_logged() {
    let token = "local-webhook-token-for-sam-local-invoke-only";
    for (header, mismatch) in [
        (Value::Null, "no header"),
        (json!(format!("Authorization: Bearer {token}")), "header name in the value"),
        (json!(format!("\"Bearer {token}\"")), "quotes"),
        (json!(token), "scheme"),
        (json!(format!("Bearer  {token}")), "white space"),
        (json!("Bearer CANARY"), "unknown token"),
    ] {
        let mut event = event("accounts-historical-update");
        event["headers"]["authorization"] = header.clone();
        let (line, series) = line_of(taken(), &event).await;
        assert_eq!((&line["mismatch"], &line["reason"]), (&json!(mismatch), &json!("credentials")), "{header}");
        assert_eq!(series, refused("credentials"));
        let line = json!(line).to_string();
        assert!(!line.contains(token) && !line.contains("CANARY"), "{line}");
    }
}

#[tokio::test]
async fn a_failure_of_aws_is_an_error_and_counted_separately() {
    let without_secret = Receiver { authenticator: FakeSecrets::out_of_order().authenticator(1), ..taken() };
    let (line, series) = line_of(without_secret, &event("accounts-historical-update")).await;
    assert_eq!((&line["message"], &line["level"]), (&json!("cannot read the webhook secret"), &json!("ERROR")));
    assert_eq!((series, line["error"].is_string()), (refused("secret"), true));
    let (line, series) = line_of(receiver(&FakeQueue::refusing()), &event("accounts-historical-update")).await;
    assert_eq!((&line["message"], &line["level"]), (&json!("cannot enqueue"), &json!("ERROR")));
    assert_eq!(series.keys().collect::<Vec<_>>(), ["enqueue_ms", "refused{reason=queue}"]);
    assert!(line.contains_key("link_id") && line.contains_key("request_id"));
}

#[tokio::test]
async fn an_invalid_webhook_logs_the_names_of_its_fields_and_codes() {
    let body = r#"{"webhook_code":"CANARY","link_id":"not an id"}"#;
    let (line, _) = line_of(taken(), &with_body(body)).await;
    assert_eq!(line["errors"], r#"[("webhook_type", "required"), ("link_id", "invalid")]"#);
    let (line, _) = line_of(taken(), &event("bad-json")).await;
    assert_eq!(line["errors"], r#"[("body", "parse_error")]"#);
}

#[tokio::test]
async fn belvos_validation_of_the_url_logs_nothing() {
    let lines = Lines::default();
    let receiver = Receiver { event_log: EventLog::new("a-stack".to_owned(), lines.writer()), ..taken() };
    answer(&receiver, &event("url-validation")).await;
    assert_eq!(lines.take(), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A type or code is a sender's text, and CloudWatch bills each value of a dimension.
    #[test]
    fn any_type_and_code_are_logged_as_documented_words_only(
        webhook_type in "\\PC{1,60}",
        code in "\\PC{1,60}",
    ) {
        let body = json!({"webhook_type": webhook_type, "webhook_code": code}).to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (line, series) = runtime.block_on(line_of(taken(), &with_body(&body)));
        prop_assert_eq!(&json!([line["webhook_type"], line["webhook_code"]]), &json!(["other", "other"]));
        prop_assert_eq!(series.keys().collect::<Vec<_>>(), ["accepted", "enqueue_ms"]);
    }
}
