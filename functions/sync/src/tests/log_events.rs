//! The line that each message leaves: for people, and for CloudWatch.

use std::collections::BTreeMap;

use aws_lambda_events::sqs::SqsMessage;
use domain::{LinkId, Message, Source, now};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::world::{LINK, World, ids, message, message_of, sqs};

type Line = (Map<String, Value>, BTreeMap<String, f64>);

async fn line_of(world: &World, message: &SqsMessage) -> Line {
    Box::pin(world.deliver(std::slice::from_ref(message))).await;
    world.lines.take_one()
}

/// The list moves while it is read.
const MOVING: &str = r#"[{"match":{"path_prefix":"/api/transactions/","page":2},"fault":{"wrong_count":-1}}]"#;

/// The series but for those that hold durations, which no test can know.
fn counts(series: &BTreeMap<String, f64>) -> Value {
    let is_duration = |name: &str| name.split('{').next().is_some_and(|name| name.ends_with("_ms"));
    json!(series.iter().filter(|(name, _)| !is_duration(name)).collect::<BTreeMap<_, _>>())
}

#[tokio::test]
async fn a_listing_leaves_what_it_was_about_what_it_wrote_and_what_belvo_answered() {
    let world = World::with_transactions(1_500).await;
    let message = message("TRANSACTIONS", "historical_update", r#"{"total_transactions":1500}"#, now() - 60_000);
    let (line, series) = line_of(&world, &sqs(&message, 2)).await;
    let expected = json!({
        "level": "INFO", "message": "worked on a message", "target": "sync", "stack": "a-stack", "link_id": LINK,
        "request_id": "4363b08b-51eb-4350-9c74-5df5ac92a7f6", "webhook_type": "TRANSACTIONS",
        "webhook_code": "historical_update", "outcome": "applied", "check": "verified", "attempt": 2, "pages": 2,
        "written": 1_503, "unchanged": 0, "stale": 0, "deleted": 0, "unreadable": 0, "syncs": 1, "checked": 1,
        // Two pages, and whose link it is.
        "belvo_2xx": 3,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&line[name], value, "{name}");
    }
    assert_eq!(
        counts(&series),
        json!({"syncs{outcome=applied}": 1.0, "written": 1_503.0, "checked": 1.0, "belvo_2xx": 3.0})
    );
    let durations =
        ["elapsed_ms", "elapsed_ms{webhook_type=TRANSACTIONS}", "age_ms", "age_ms{webhook_type=TRANSACTIONS}"];
    let [elapsed, elapsed_of_type, age, age_of_type] = durations.map(|name| series[name]);
    assert_eq!((elapsed, age), (elapsed_of_type, age_of_type));
    assert!(age >= 60_000.0 + elapsed && age < 60_000.0 * 60.0, "since it was received: {age}");
}

#[tokio::test]
async fn what_was_unchanged_deleted_and_covered_is_counted_apart() {
    let world = World::with_transactions(10).await;
    let earlier = message("TRANSACTIONS", "historical_update", "{}", now() - 1_000);
    world.list_transactions().await;
    drop(world.lines.take());
    super::wait_out_the_clock_margin().await;
    let (_, series) = line_of(&world, &sqs(&message("TRANSACTIONS", "historical_update", "{}", now()), 1)).await;
    assert_eq!(
        counts(&series),
        json!({"syncs{outcome=applied}": 1.0, "unchanged": 13.0, "checked": 1.0, "belvo_2xx": 1.0}),
        "with three accounts"
    );
    let (line, series) = line_of(&world, &sqs(&earlier, 1)).await;
    assert_eq!(counts(&series), json!({"syncs{outcome=covered}": 1.0}));
    assert!(line.contains_key("age_ms"), "what it asks for is in the table");
    super::wait_out_the_clock_margin().await;
    let gone = world.change(r#"{"delete":2}"#).await;
    let deletion = message("TRANSACTIONS", "transactions_deleted", &ids("deleted", &gone.deleted), now());
    let (_, series) = line_of(&world, &sqs(&deletion, 1)).await;
    assert_eq!(counts(&series), json!({"syncs{outcome=applied}": 1.0, "deleted": 2.0}));
}

#[tokio::test]
async fn drift_is_counted_by_type_and_once_more_when_it_was_there_before() {
    let world = World::with_transactions(1_500).await;
    world.breaks(MOVING);
    let message = message("TRANSACTIONS", "historical_update", "{}", now());
    let (line, series) = line_of(&world, &sqs(&message, 1)).await;
    assert_eq!((&line["check"], series["checked"]), (&json!("drift"), 1.0));
    assert_eq!((series["drift"], series["drift{webhook_type=TRANSACTIONS}"]), (1.0, 1.0));
    assert!(!series.contains_key("drift_again"), "the next listing may mend it");
    let (_, series) = line_of(&world, &sqs(&asked_by_the_schedule(), 1)).await;
    assert_eq!((series["drift"], series["drift_again"]), (1.0, 1.0));
}

#[tokio::test]
async fn a_first_doubt_is_not_counted_again_though_the_schedule_met_it() {
    let world = World::with_transactions(1_500).await;
    world.breaks(MOVING);
    let (_, series) = line_of(&world, &sqs(&asked_by_the_schedule(), 1)).await;
    assert!(series.contains_key("drift"), "of the weekly listing, or that of a link which was discovered");
    assert!(!series.contains_key("drift_again"));
}

#[tokio::test]
async fn a_doubt_that_a_whole_listing_removed_is_a_first_one_when_it_comes_back() {
    let world = World::with_transactions(1_500).await;
    for (rules, drifts) in [(MOVING, true), ("[]", false), (MOVING, true)] {
        world.belvo.control().clear_faults();
        world.breaks(rules);
        let (_, series) = line_of(&world, &sqs(&asked_by_the_schedule(), 1)).await;
        assert_eq!((series.contains_key("drift"), series.contains_key("drift_again")), (drifts, false));
    }
}

#[tokio::test]
async fn a_doubt_that_stays_is_counted_again_also_at_the_end_of_a_listing_in_several_messages() {
    let mut world = World::with_transactions(2_500).await;
    world.worker.budgets.pages = std::time::Duration::ZERO;
    // In any message: each begins a page, and reads the one before it again.
    world.breaks(r#"[{"match":{"path_prefix":"/api/transactions/","page":3},"fault":{"wrong_count":-1}}]"#);
    for times in [None, Some(1)] {
        world.deliver(&[sqs(&asked_by_the_schedule(), 1)]).await;
        let messages = world.deliver_continuations().await;
        assert!(messages > 1, "{messages}");
        let lines = world.lines.take();
        let mut lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let last = lines.pop().unwrap();
        assert_eq!((&last["outcome"], &last["check"]), (&json!("applied"), &json!("drift")));
        assert_eq!(last.get("drift_again").and_then(Value::as_u64), times);
        assert!(lines.iter().all(|line| line.get("check").is_none()), "a message before the last checks nothing");
    }
}

fn asked_by_the_schedule() -> Message {
    let link = LinkId::parse(LINK).unwrap();
    let key = format!("reconcile-{}", now());
    Message::listing_of(Source::Reconcile, &link, "TRANSACTIONS", now(), key).unwrap()
}

#[tokio::test]
async fn a_failure_leaves_one_line_with_its_word_its_cause_and_the_wait() {
    for (fault, word, answered) in [
        (r#"{"status":500}"#, "belvo_unavailable", ("belvo_5xx", 3.0)),
        (r#"{"status":429}"#, "belvo_rate_limited", ("belvo_429", 1.0)),
        // The secret is read again, and Belvo asked once more.
        (r#"{"status":401}"#, "belvo_unauthorized", ("belvo_401", 2.0)),
    ] {
        let world = World::with_transactions(1).await;
        world.breaks(&format!(r#"[{{"fault":{fault}}}]"#));
        let mut message = sqs(&message("TRANSACTIONS", "historical_update", "{}", now()), 1);
        let first = (now() - 7_200_000).to_string();
        message.attributes.insert("ApproximateFirstReceiveTimestamp".to_owned(), first);
        let (line, series) = line_of(&world, &message).await;
        let said = ["level", "message", "outcome", "error", "attempt"].map(|name| line[name].clone());
        assert_eq!(json!(said), json!(["WARN", "worked on a message", "failed", word, 1]));
        assert!(line["cause"].is_string() && line["delay_s"].as_u64() >= Some(1), "{line:?}");
        assert_eq!(line["message_id"].as_str(), message.message_id.as_deref());
        let (answer, times) = answered;
        let expected = [("syncs{outcome=failed}", 1.0), (&format!("failures{{error={word}}}"), 1.0), (answer, times)];
        assert_eq!(counts(&series), json!(BTreeMap::from(expected)), "{word}");
        assert!(!line.contains_key("age_ms"), "nothing is in the table");
        let failing = series["failing_ms"];
        assert!((7_200_000.0..10_800_000.0).contains(&failing), "since SQS first handed it out: {failing}");
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_read_leaves_a_line_too_and_nothing_of_its_text() {
    let world = World::with_transactions(0).await;
    let mut message = SqsMessage::default();
    message.message_id = Some("m-1".to_owned());
    message.body = Some("CANARY".to_owned());
    let (line, series) = line_of(&world, &message).await;
    assert_eq!((&line["error"], &line["message_id"]), (&json!("undecodable"), &json!("m-1")));
    assert_eq!(counts(&series), json!({"syncs{outcome=failed}": 1.0, "failures{error=undecodable}": 1.0}));
    assert!(!json!(line).to_string().contains("CANARY"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// A type or code is a sender's text, and CloudWatch bills each value of a dimension.
    #[test]
    fn whatever_type_and_code_an_event_has_its_series_have_our_own_words(
        webhook_type in "\\PC{1,60}",
        code in "\\PC{1,60}",
    ) {
        let body = json!({"webhook_type": webhook_type, "webhook_code": code}).to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (line, series) = runtime.block_on(async {
            let world = World::with_transactions(0).await;
            line_of(&world, &sqs(&message_of(&body, now()), 1)).await
        });
        prop_assert_eq!(&json!([line["webhook_type"], line["webhook_code"]]), &json!(["other", "other"]));
        let names: Vec<_> = series.keys().map(String::as_str).collect();
        prop_assert_eq!(names, ["elapsed_ms", "elapsed_ms{webhook_type=other}", "syncs{outcome=unknown}"]);
    }
}
