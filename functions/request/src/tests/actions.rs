//! The function as Lambda calls it, between a served Belvo and a real DynamoDB engine.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use domain::{Filter, Plan, Source, Webhook, now};
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::action::Action;
use crate::tests::world::{LINK, REQUEST, World, event, link, text, with, written};
use crate::{ActionError, InvalidInput};

fn async_mode() -> String {
    "async".to_owned()
}

#[tokio::test]
async fn every_retrieval_is_posted_to_its_own_list_with_what_belvo_documents_for_it() {
    let days = json!({"link": LINK, "date_from": "2022-12-17", "date_to": "2023-01-16"});
    let link_only = json!({"link": LINK});
    for (name, path, body) in [
        ("retrieve-transactions", "/api/transactions/", days.clone()),
        ("retrieve-invoices", "/api/invoices/", with(days.clone(), "type", "OUTFLOW".into())),
        ("retrieve-invoices-chile", "/api/cl/invoices/", days.clone()),
        ("retrieve-employments", "/api/br/employments/", link_only.clone()),
        ("retrieve-employment-records", "/api/employment-records/", link_only.clone()),
        ("retrieve-financial-statements", "/api/financial-statements/", link_only.clone()),
        ("retrieve-investments", "/api/br/investments/", link_only.clone()),
        ("retrieve-investment-transactions", "/api/br/investment-transactions/", days.clone()),
    ] {
        let world = World::where_belvo_accepts().await;
        let answer = world.invoke(1, event(name)).await.unwrap();
        let expected = json!({"action": "retrieve", "request_id": REQUEST, "status": "accepted", "repeated": false,
                              "stored": true});
        assert_eq!(written(&answer), expected, "{name}");
        assert_eq!(world.asked().await, [("POST".to_owned(), path.to_owned(), Some(async_mode()), body)], "{name}");
        let request = world.request().await;
        assert_eq!((text(&request, "status"), text(&request, "link_id")), ("accepted", LINK), "{name}");
        assert_eq!(text(&request, "resource"), event(name)["resource"].as_str().unwrap(), "{name}");
    }
}

#[tokio::test]
async fn what_was_sent_is_kept_with_the_request() {
    let world = World::where_belvo_accepts().await;
    world.invoke(1, event("retrieve-invoices")).await.unwrap();
    let request = world.request().await;
    let parameters = request["parameters"].as_m().unwrap();
    assert_eq!((text(parameters, "type"), text(parameters, "date_from")), ("OUTFLOW", "2022-12-17"));
    assert!(text(&request, "gsi2sk") > now().to_string().as_str(), "somebody looks when no webhook comes");
}

#[tokio::test]
async fn a_refresh_waits_for_each_resource_that_it_names() {
    let world = World::where_belvo_accepts().await;
    world.invoke(1, event("refresh-link")).await.unwrap();
    let body = json!({"fetch_resources": ["ACCOUNTS", "TRANSACTIONS"]});
    assert_eq!(world.asked().await, [("POST".to_owned(), format!("/api/links/{LINK}/refresh/"), None, body)]);
    let request = world.request().await;
    assert_eq!(text(&request, "action"), "refresh_link");
    assert_eq!(request["awaited"].as_ss().unwrap().len(), 2);
}

#[tokio::test]
async fn a_link_is_deleted_asynchronously() {
    let world = World::where_belvo_accepts().await;
    let answer = world.invoke(1, event("delete-link")).await.unwrap();
    assert_eq!(written(&answer)["request_id"], REQUEST);
    let asked = ("DELETE".to_owned(), format!("/api/links/{LINK}/"), Some(async_mode()), Value::Null);
    assert_eq!(world.asked().await, [asked]);
    assert_eq!(text(&world.request().await, "action"), "delete_link");
    assert!(world.sent().is_empty(), "the webhook says when it is done");
}

#[tokio::test]
async fn a_webhook_that_was_quicker_than_our_own_writing_is_not_undone() {
    let world = World::where_belvo_accepts().await;
    let body = format!(
        r#"{{"webhook_type":"TRANSACTIONS","webhook_code":"new_transactions_available","link_id":"{LINK}",
            "request_id":"{REQUEST}","data":{{}}}}"#
    );
    let webhook = Webhook::parse(body.as_bytes()).unwrap();
    let message = domain::Message::from_webhook(&webhook, body.as_bytes(), now()).remove(0);
    world.table.complete_request(&message, None, now()).await.unwrap();
    world.invoke(1, event("retrieve-transactions")).await.unwrap();
    let request = world.request().await;
    assert_eq!((text(&request, "status"), text(&request, "action")), ("completed", "retrieve"));
    let again = world.invoke(2, event("retrieve-transactions")).await.unwrap();
    assert_eq!((&written(&again)["status"], &written(&again)["repeated"]), (&json!("completed"), &json!(true)));
}

#[tokio::test]
async fn nothing_is_sent_twice_whatever_becomes_of_it() {
    for status in [202, 400, 401, 403, 408, 409, 429, 500, 502, 504] {
        let world = World::where_belvo_answers(status, "[]").await;
        assert!(world.invoke(1, event("retrieve-transactions")).await.is_err(), "{status}");
        assert_eq!(world.asked().await.len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_silent_belvo_is_asked_once_and_the_same_key_does_not_ask_again() {
    let slow = ResponseTemplate::new(202).set_delay(Duration::from_secs(5));
    let world = World::where_belvo(slow).await;
    for n in [1, 2] {
        let error = world.invoke(n, event("retrieve-transactions")).await.unwrap_err();
        assert_eq!(error.error_type(), "OutcomeUnknown");
    }
    assert_eq!(world.asked().await.len(), 1);
}

#[tokio::test]
async fn the_same_key_asks_belvo_once_and_answers_alike() {
    let world = World::where_belvo_accepts().await;
    let first = world.invoke(1, event("retrieve-transactions")).await.unwrap();
    let second = world.invoke(2, event("retrieve-transactions")).await.unwrap();
    assert_eq!(written(&second), with(written(&first), "repeated", true.into()));
    assert_eq!(world.asked().await.len(), 1);
}

#[tokio::test]
async fn a_key_stands_for_one_order_only() {
    let world = World::where_belvo_accepts().await;
    world.invoke(1, event("retrieve-transactions")).await.unwrap();
    let key = event("retrieve-transactions")["idempotency_key"].clone();
    let refresh = with(event("refresh-link"), "idempotency_key", key);
    for other in [with(event("retrieve-transactions"), "date_to", "2023-01-15".into()), refresh] {
        let error = world.invoke(2, other).await.unwrap_err();
        assert_eq!(error.error_type(), "IdempotencyKeyReused");
    }
    assert_eq!(world.asked().await.len(), 1);
}

#[tokio::test]
async fn a_key_is_free_again_after_a_certain_refusal() {
    let world = World::where_belvo_answers(429, "[]").await;
    let error = world.invoke(1, event("retrieve-transactions")).await.unwrap_err();
    assert_eq!(error.error_type(), "RateLimited");
    world.now_answers(202, &format!(r#"{{"request_id":"{REQUEST}"}}"#)).await;
    assert!(world.invoke(2, event("retrieve-transactions")).await.is_ok());
}

#[tokio::test]
async fn an_invocation_that_lambda_delivers_twice_asks_belvo_once() {
    let world = World::where_belvo_accepts().await;
    world.invoke(1, event("delete-link")).await.unwrap();
    assert_eq!(written(&world.invoke(1, event("delete-link")).await.unwrap())["repeated"], true);
    assert_eq!(world.asked().await.len(), 1);
    world.invoke(2, event("delete-link")).await.unwrap();
    assert_eq!(world.asked().await.len(), 2, "another invocation is another order");
}

#[tokio::test]
async fn without_the_table_nothing_leaves() {
    let world = World::where_belvo_accepts().await;
    world.drop_table().await;
    let error = world.invoke(1, event("retrieve-transactions")).await.unwrap_err();
    assert_eq!(error.error_type(), "Unavailable");
    assert!(world.asked().await.is_empty());
}

#[tokio::test]
async fn without_the_secret_nothing_leaves_and_no_key_is_taken() {
    let world = World::where_belvo_accepts().await;
    let secret = std::mem::take(&mut *world.secret.lock().unwrap());
    let error = world.invoke(1, event("retrieve-transactions")).await.unwrap_err();
    assert_eq!(error.error_type(), "Unavailable");
    *world.secret.lock().unwrap() = secret;
    assert!(world.invoke(2, event("retrieve-transactions")).await.is_ok());
}

#[tokio::test]
async fn a_rotated_secret_is_used_at_once() {
    let world = World::where_belvo_accepts().await;
    world.invoke(1, event("delete-link")).await.unwrap();
    *world.secret.lock().unwrap() = r#"{"secret_id":"new","secret_password":"one"}"#.to_owned();
    world.invoke(2, event("delete-link")).await.unwrap();
    let requests = world.belvo.received_requests().await.unwrap();
    // "new:one"
    assert_eq!(requests[1].headers["authorization"], "Basic bmV3Om9uZQ==");
}

#[tokio::test]
async fn what_belvo_did_at_once_is_listed_without_a_webhook() {
    let world = World::where_belvo_answers(201, r#"[{"id":"t-1","amount":1.00}]"#).await;
    let answer = world.invoke(1, event("retrieve-transactions")).await.unwrap();
    assert_eq!((&written(&answer)["status"], &written(&answer)["request_id"]), (&json!("done"), &Value::Null));
    let sent = world.sent();
    let asks = (sent[0].webhook.webhook_type(), sent[0].webhook.webhook_code(), sent[0].group_id());
    assert_eq!((sent.len(), asks), (1, ("TRANSACTIONS", "historical_update", LINK)));
    let again = world.invoke(2, event("retrieve-transactions")).await.unwrap();
    assert_eq!((&written(&again)["status"], &written(&again)["repeated"]), (&json!("done"), &json!(true)));
}

#[tokio::test]
async fn what_belvo_deleted_at_once_is_announced_to_ourselves() {
    let world = World::where_belvo_answers(204, "").await;
    world.invoke(1, event("delete-link")).await.unwrap();
    let sent = world.sent();
    assert_eq!((sent[0].webhook.webhook_type(), sent[0].webhook.webhook_code()), ("LINK", "link_deleted"));
    assert_eq!(sent[0].group_id(), LINK);
}

#[tokio::test]
async fn refusals_have_types_that_programs_can_tell_apart() {
    let error =
        |code: &str| format!(r#"[{{"code":"{code}","message":"CANARY wait 7 minutes","request_id":"CANARY"}}]"#);
    for (name, status, body, error_type, says) in [
        ("refresh-link", 409, error("link_refreshed"), "LinkRefreshedAlready", "in 7 minutes"),
        ("refresh-link", 409, r#"[{"code":"link_refreshed"}]"#.to_owned(), "LinkRefreshedAlready", "in ten minutes"),
        ("delete-link", 404, error("not_found"), "LinkNotFound", "does not have this link"),
        ("retrieve-transactions", 428, error("token_required"), "LinkUnusable", "token_required"),
        ("retrieve-transactions", 400, error("login_error"), "LinkUnusable", "login_error"),
        ("retrieve-transactions", 403, "<html>CANARY".to_owned(), "RateLimited", "rate limited"),
        ("retrieve-transactions", 401, error("authentication_failed"), "Unauthorized", "API key"),
        ("retrieve-transactions", 400, error("invalid"), "BelvoRefused", "400: invalid"),
        ("retrieve-transactions", 500, error("unexpected_error"), "OutcomeUnknown", "500"),
        ("widget-token", 500, error("unexpected_error"), "Unavailable", "nothing was done"),
    ] {
        let world = World::where_belvo_answers(status, &body).await;
        let error = world.invoke(1, event(name)).await.unwrap_err();
        let debug = format!("{error:?}");
        let told = Diagnostic::from(error);
        assert_eq!(told.error_type, error_type, "{name} {status}");
        assert!(told.error_message.contains(says), "{}", told.error_message);
        assert!(!told.error_message.contains("CANARY") && !debug.contains("CANARY"), "{debug}");
        assert!(world.request().await.is_empty());
    }
}

#[tokio::test]
async fn nothing_is_asked_of_belvo_or_stored_for_a_link_that_was_erased() {
    let world = World::where_belvo_accepts().await;
    world.table.begin_purge(&link(), domain::LinkStatus::Erased, now()).await.unwrap();
    for name in ["retrieve-transactions", "refresh-link", "delete-link"] {
        let error = world.invoke(1, event(name)).await.unwrap_err();
        assert_eq!(Diagnostic::from(error).error_type, "LinkErased", "{name}");
    }
    assert!(world.asked().await.is_empty() && world.request().await.is_empty());
}

#[tokio::test]
async fn a_widget_token_is_given_to_the_caller_and_does_not_print() {
    let scopes = "read_institutions,write_links,read_consents,write_consents,write_consent_callback,delete_consents";
    for (name, scopes) in [("widget-token", "read_institutions,write_links"), ("widget-token-open-finance", scopes)] {
        let world = World::where_belvo_answers(200, r#"{"access":"CANARY","refresh":"CANARY-2"}"#).await;
        let answer = world.invoke(1, event(name)).await.unwrap();
        assert_eq!(written(&answer), json!({"action": "widget_token", "access": "CANARY"}));
        assert!(!format!("{answer:?}").contains("CANARY"));
        let mut body = event(name);
        body.as_object_mut().unwrap().remove("action");
        body = with(body, "scopes", scopes.into());
        if body.get("widget").is_none() {
            body = with(body, "fetch_historical", true.into());
        }
        body = with(with(body, "id", "secret-id".into()), "password", "secret-password".into());
        assert_eq!(world.asked().await, [("POST".to_owned(), "/api/token/".to_owned(), None, body)]);
    }
}

#[tokio::test]
async fn a_widget_in_update_mode_needs_the_link_alone() {
    let world = World::where_belvo_answers(200, r#"{"access":"token"}"#).await;
    world.invoke(1, json!({"action": "widget_token", "link_id": LINK})).await.unwrap();
    let (.., body) = world.asked().await.remove(0);
    let keys = json!({"id": "secret-id", "password": "secret-password"});
    let expected = with(keys, "link_id", LINK.into());
    assert_eq!(body, with(expected, "scopes", "read_institutions,write_links,read_links".into()));
}

/// The fake Belvo refuses members and scopes that Belvo's page for the widget lacks, and names those that are missing.
#[tokio::test]
async fn a_belvo_that_follows_its_pages_gives_a_token_for_every_widget() {
    let belvo = fake_belvo::start(fake_belvo::Config::default()).await.unwrap();
    let mut world = World::where_belvo_accepts().await;
    world.asks(belvo.base_url());
    let branding =
        json!({"company_icon": "i", "company_logo": "l", "company_name": "n", "company_terms_url": "https://x"});
    let hosted = with(event("widget-token"), "widget", json!({"branding": branding}));
    let mut without_stale_in = hosted.clone();
    without_stale_in.as_object_mut().unwrap().remove("stale_in");
    for (input, widget) in [
        (event("widget-token"), "without a widget object"),
        (json!({"action": "widget_token", "fetch_resources": ["ACCOUNTS"]}), "without a widget object, the least"),
        (json!({"action": "widget_token", "link_id": LINK}), "update mode"),
        (hosted, "hosted"),
        (without_stale_in, "hosted, with Belvo's usual time"),
        (event("widget-token-open-finance"), "open finance"),
    ] {
        let answer = world.invoke(1, input).await;
        assert!(written(&answer.unwrap())["access"].is_string(), "{widget}: {:?}", belvo.control().requests().recent);
    }
}

#[tokio::test]
async fn a_resync_asks_belvo_nothing_and_queues_whole_listings() {
    let world = World::where_belvo_accepts().await;
    let before = now();
    let answer = world.invoke(1, event("resync")).await.unwrap();
    let expected = json!({"action": "resync", "link_id": LINK, "resources": ["ACCOUNTS", "TRANSACTIONS"]});
    assert_eq!(written(&answer), expected);
    assert!(world.asked().await.is_empty());
    world.invoke(2, event("resync")).await.unwrap();
    let sent = world.sent();
    let keys: HashSet<_> = sent.iter().map(|message| message.key.as_str()).collect();
    assert_eq!((sent.len(), keys.len()), (4, 4), "each with a deduplication id of its own");
    for message in &sent {
        assert_eq!((message.source, message.group_id()), (Source::Resync, LINK));
        assert!(message.received_at >= before, "no earlier listing covers it");
        assert!(matches!(Plan::from_webhook(&message.webhook), Plan::List { filter: Filter::Whole, .. }));
    }
}

#[tokio::test]
async fn a_resync_without_resources_takes_all_that_are_synced() {
    let world = World::where_belvo_accepts().await;
    let input = with(event("resync"), "resources", Value::Null);
    let error = world.invoke(1, input.clone()).await.unwrap_err();
    assert_eq!(error.error_type(), "NothingSynced");
    let accounts = domain::Resource::accounts();
    world.table.begin_pass(&link(), accounts, None, now()).await.unwrap();
    assert_eq!(written(&world.invoke(2, input).await.unwrap())["resources"], json!(["ACCOUNTS"]));
    assert_eq!(world.sent().len(), 1);
}

#[test]
fn bad_input_is_refused_with_the_name_of_its_field() {
    let retrieve = || event("retrieve-invoices");
    let token = || event("widget-token");
    let many = vec!["OWNERS"; 33];
    for (input, field) in [
        (json!({}), "action"),
        (json!({"action": null}), "action"),
        (json!({"action": "CANARY"}), "action"),
        (json!({"action": 7}), "action"),
        (with(retrieve(), "link_id", Value::Null), "link_id"),
        (with(retrieve(), "link_id", "CANARY/CANARY".into()), "link_id"),
        (with(retrieve(), "link_id", json!(["CANARY"])), "link_id"),
        (with(retrieve(), "resource", Value::Null), "resource"),
        (with(retrieve(), "resource", "BILLS".into()), "resource"),
        (with(retrieve(), "country", "BR".into()), "country"),
        (with(retrieve(), "date_from", Value::Null), "date_from"),
        (with(retrieve(), "date_from", "2022-13-01".into()), "date_from"),
        (with(retrieve(), "date_to", "CANARY".into()), "date_to"),
        (with(retrieve(), "date_to", "2022-12-16".into()), "date_to"),
        (with(retrieve(), "type", Value::Null), "type"),
        (with(retrieve(), "type", "inflow".into()), "type"),
        (with(event("retrieve-transactions"), "account", "a b".into()), "account"),
        (with(retrieve(), "idempotency_key", "lambda:1".into()), "idempotency_key"),
        (with(retrieve(), "idempotency_key", "".into()), "idempotency_key"),
        (with(event("refresh-link"), "fetch_resources", json!([])), "fetch_resources"),
        (with(event("refresh-link"), "fetch_resources", json!(many)), "fetch_resources"),
        (with(event("refresh-link"), "fetch_resources", json!(["CANARY canary"])), "fetch_resources"),
        (with(event("delete-link"), "link_id", "".into()), "link_id"),
        (with(event("resync"), "resources", json!(["CANARY"])), "resources"),
        (with(event("resync"), "resources", "ACCOUNTS".into()), "resources"),
        (with(token(), "fetch_resources", Value::Null), "fetch_resources"),
        (with(token(), "stale_in", "90".into()), "stale_in"),
        (with(token(), "credentials_storage", "forever".into()), "credentials_storage"),
        (with(token(), "scopes", "Read, write".into()), "scopes"),
        (with(token(), "external_id", "x".repeat(257).into()), "external_id"),
        (with(token(), "widget", "CANARY".into()), "widget"),
        (with(token(), "widget", json!({"branding": "x".repeat(70_000)})), "widget"),
        (event("bad-input"), "date_to"),
    ] {
        let error = ActionError::from(Action::parse(input.clone()).unwrap_err());
        let message = error.to_string();
        assert_eq!(error.error_type(), "InvalidInput");
        assert!(message.starts_with(&format!("{field}: ")), "{field} {input}: {message}");
        assert!(!message.contains("CANARY"), "{message}");
    }
}

#[test]
fn a_field_that_an_action_does_not_take_is_refused_and_those_that_it_takes_are_named() {
    for (name, field, takes) in [
        ("retrieve-transactions", "token", "link_id, resource, date_from, date_to, account, idempotency_key"),
        ("retrieve-transactions", "save_data", "account"),
        ("retrieve-employment-records", "date_from", "resource, idempotency_key"),
        ("retrieve-employment-records", "country", "resource"),
        ("delete-link", "CANARY", "action, link_id, idempotency_key"),
        ("widget-token", "password", "credentials_storage"),
        ("resync", "idempotency_key", "resources"),
    ] {
        let error = Action::parse(with(event(name), field, "CANARY".into())).unwrap_err();
        assert!(matches!(error, InvalidInput::UnknownField { .. }), "{error:?}");
        assert!(error.to_string().contains(takes) && !error.to_string().contains("CANARY"), "{error}");
    }
    assert_eq!(Action::parse(json!([])).unwrap_err(), InvalidInput::NotAnObject);
}

#[test]
fn an_error_repeats_no_part_of_the_input() {
    for name in ["retrieve-invoices", "refresh-link", "delete-link", "widget-token", "resync"] {
        let input = event(name);
        let fields = input.as_object().unwrap().keys().map(String::as_str);
        for field in fields.chain(["country", "CANARY", "link_id` CANARY"]) {
            let object = json!({"CANARY": "CANARY"});
            for value in [json!("CANARY"), json!(["CANARY"]), object, json!(1_234_567), json!(true)] {
                let Err(error) = Action::parse(with(input.clone(), field, value)) else { continue };
                let text = error.to_string();
                assert!(
                    !["CANARY", "1234567", "true"].iter().any(|part| text.contains(part)),
                    "{name} {field}: {text}"
                );
            }
        }
    }
}

#[test]
fn every_event_but_the_bad_one_is_an_action() {
    let events = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/request")).unwrap();
    let mut actions = HashSet::new();
    for file in events {
        let name = file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        let action = Action::parse(event(&name));
        assert_eq!(action.is_err(), name == "bad-input", "{name}");
        actions.extend(action.iter().map(Action::name));
    }
    assert_eq!(actions.len(), 5, "{actions:?}");
}
