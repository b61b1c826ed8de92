//! The event that each run logs.

use serde_json::json;

use crate::tests::world::World;

#[tokio::test]
async fn a_run_leaves_what_it_did_and_that_it_came_to_its_end() {
    let world = World::new().await;
    world.link("l-1", "recurrent");
    world.run().await;
    let (line, series) = world.lines.take_one();
    assert_eq!((&line["level"], &line["message"]), (&json!("INFO"), &json!("reconciled")));
    assert_eq!((&line["pages"], &line["has_more"]), (&json!(1), &json!(false)));
    let listings = line["listings"].as_f64();
    assert!(listings > Some(0.0), "a link that nobody has heard of is listed");
    assert_eq!(
        json!(series),
        json!({"runs": 1.0, "links": 1.0, "discovered": 1.0, "listings": listings, "belvo_2xx": 1.0})
    );
}

#[tokio::test]
async fn a_run_without_belvo_came_to_its_end_and_failed_at_something() {
    let world = World::new().await;
    world.belvo.control().add_faults(serde_json::from_str(r#"[{"fault":{"status":500}}]"#).unwrap()).unwrap();
    world.run().await;
    let (line, series) = world.lines.take_one();
    assert_eq!((&line["level"], line["cause"].is_string()), (&json!("WARN"), true));
    let failure = "failures{error=belvo_unavailable}";
    assert_eq!(json!(series), json!({"runs": 1.0, "run_failures": 1.0, failure: 1.0, "belvo_5xx": 6.0}));
}

#[tokio::test]
async fn a_run_that_left_out_a_page_of_links_says_so_and_failed_at_something() {
    let world = World::new().await;
    world.links(0..3);
    world.goes_on_at(2, 0).await;
    world.breaks(r#"[{"match":{"page":2},"fault":{"status":500}}]"#);
    world.run().await;
    let (line, series) = world.lines.take_one();
    let message = json!("reconciled, but not all pages of links were read");
    assert_eq!((&line["message"], &line["pages"], &line["unread_pages"]), (&message, &json!(1), &json!(1)));
    let of = |name: &str| series.get(name).copied();
    assert_eq!(
        (of("run_failures"), of("failures{error=belvo_unavailable}"), of("discovered")),
        (Some(1.0), Some(1.0), Some(3.0))
    );
}

#[tokio::test]
async fn a_run_that_ends_early_leaves_its_line_and_is_no_finished_run() {
    let world = World::new().await;
    let _links = [1, 2, 3, 4, 5].map(|n| world.link(&format!("l-{n}"), "recurrent"));
    *world.sqs_is_up.lock().unwrap() = false;
    assert!(world.try_to_run().await.is_err());
    let (line, series) = world.lines.take_one();
    assert_eq!((&line["level"], &line["message"]), (&json!("ERROR"), &json!("a run ended early")));
    assert!(line["cause"].is_string());
    let of = |name: &str| series.get(name).copied();
    assert_eq!((of("runs"), of("run_failures"), of("failures{error=queue}")), (None, Some(1.0), Some(1.0)));
}
