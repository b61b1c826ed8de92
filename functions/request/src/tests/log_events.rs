//! The event that each action logs.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::tests::world::{LINK, REQUEST, World, event};

async fn event_of(world: &World, input: Value) -> (Map<String, Value>, Value) {
    let _ = world.invoke(1, input).await;
    let (line, series) = world.lines.take_one();
    (line, json!(series))
}

#[tokio::test]
async fn an_action_is_counted_by_its_name_and_outcome_and_with_what_belvo_answered() {
    let world = World::where_belvo_accepts().await;
    let (line, series) = event_of(&world, event("retrieve-transactions")).await;
    let said = ["level", "message", "link_id", "request_id"].map(|name| line[name].clone());
    assert_eq!(json!(said), json!(["INFO", "carried out an action", LINK, REQUEST]));
    assert_eq!(series, json!({"actions{action=retrieve,outcome=accepted}": 1.0, "belvo_2xx": 1.0}));
    let (_, series) = event_of(&World::where_belvo_accepts().await, event("resync")).await;
    assert_eq!(series, json!({"actions{action=resync,outcome=done}": 1.0}));
}

#[tokio::test]
async fn each_refusal_is_counted_under_its_type() {
    for (status, body, outcome, answered) in [
        (401, "[]", "Unauthorized", "belvo_401"),
        (409, r#"[{"code":"link_refreshed"}]"#, "LinkRefreshedAlready", "belvo_4xx"),
        (503, "[]", "OutcomeUnknown", "belvo_5xx"),
    ] {
        let world = World::where_belvo_answers(status, body).await;
        let (line, series) = event_of(&world, event("refresh-link")).await;
        assert_eq!((&line["level"], &line["message"]), (&json!("WARN"), &json!("refused an action")), "{status}");
        let action = format!("actions{{action=refresh_link,outcome={outcome}}}");
        assert_eq!(series, json!(BTreeMap::from([(action.as_str(), 1.0), (answered, 1.0)])), "{status}");
        assert!(line["cause"].is_string());
    }
}

#[tokio::test]
async fn an_input_that_is_no_action_is_counted_without_its_words() {
    let world = World::where_belvo_accepts().await;
    let (line, series) = event_of(&world, json!({"action": "CANARY"})).await;
    assert_eq!(series, json!({"actions{action=unread,outcome=InvalidInput}": 1.0}));
    assert!(!json!(line).to_string().contains("CANARY"));
}
