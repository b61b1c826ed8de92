use super::*;

const MINIMAL: &str = r#"{"webhook_type":"ACCOUNTS","webhook_code":"historical_update"}"#;

fn errors(body: &str) -> Vec<(&'static str, Option<&'static str>)> {
    Webhook::parse(body.as_bytes()).unwrap_err().errors.iter().map(|e| (e.code, e.field)).collect()
}

#[test]
fn a_type_and_a_code_make_a_webhook() {
    let webhook = Webhook::parse(MINIMAL.as_bytes()).unwrap();
    assert_eq!((webhook.webhook_type(), webhook.webhook_code()), ("ACCOUNTS", "historical_update"));
    assert_eq!((webhook.link_id(), webhook.request_id(), webhook.external_id()), (None, None, None));
}

#[test]
fn every_error_is_reported_and_no_input_is_repeated() {
    assert_eq!(errors("{"), [("parse_error", None)]);
    assert_eq!(errors("[]"), [("parse_error", None)]);
    assert_eq!(errors("{}"), [("required", Some("webhook_type")), ("required", Some("webhook_code"))]);
    let body = r#"{"webhook_type":"","webhook_code":7,"link_id":"../secret"}"#;
    let invalid = |field| ("invalid", Some(field));
    assert_eq!(errors(body), [invalid("webhook_type"), invalid("webhook_code"), invalid("link_id")]);
    assert!(!format!("{:?}", Webhook::parse(body.as_bytes())).contains("secret"));
}

#[test]
fn a_webhook_that_is_cut_to_its_envelope_reads_as_before_in_either_spelling() {
    for (webhook_type, webhook_code) in TYPE.into_iter().flat_map(|kind| CODE.map(|code| (kind, code))) {
        let body = format!(r#"{{"{webhook_type}":"payment_request","{webhook_code}":"failed","details":{{}}}}"#);
        let cut = Webhook::parse(body.as_bytes()).unwrap().envelope_only(1_024);
        let read = Webhook::parse(&serde_json::to_vec(&cut).unwrap()).unwrap();
        assert_eq!((read.webhook_type(), read.webhook_code()), ("payment_request", "failed"), "{body}");
        assert!(read.member("details").is_none(), "{body}");
    }
}

#[test]
fn the_request_id_is_read_even_from_a_body_that_breaks_off() {
    let broken = Webhook::parse(br#"{"request_id":"4363b08b-51eb","data":{"#).unwrap_err();
    assert_eq!(broken.request_id.as_deref(), Some("4363b08b-51eb"));
    let hostile = Webhook::parse(br#"{"request_id":"<script>"}"#).unwrap_err();
    assert_eq!(hostile.request_id, None);
}

#[test]
fn only_words_that_belvo_documents_reach_a_log() {
    let kind = |webhook_type: &str, code: &str| {
        let body = format!(r#"{{"webhook_type":"{webhook_type}","webhook_code":"{code}"}}"#);
        Webhook::parse(body.as_bytes()).unwrap().loggable_kind()
    };
    assert_eq!(kind("TAX_STATUS", "historical_update"), ("TAX_STATUS", "historical_update"));
    assert_eq!(kind("LINK", "link_deleted"), ("LINK", "link_deleted"));
    assert_eq!(kind("Maria Silva", "123.456.789-00"), ("other", "other"));
}

#[test]
fn null_ids_count_as_absent_and_unknown_members_are_kept() {
    let body = r#"{"webhook_type":"X","webhook_code":"y","link_id":null,"external_id":null,"new":[1.10]}"#;
    let webhook = Webhook::parse(body.as_bytes()).unwrap();
    assert_eq!((webhook.link_id(), webhook.external_id()), (None, None));
    assert_eq!(serde_json::to_string(&webhook).unwrap(), body);
}
