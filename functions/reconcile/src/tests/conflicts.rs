//! Links, requests and pages that fail, and what happens to the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{LinkId, now};
use serde_json::json;
use test_aws::dynamodb::TABLE_NAME;
use test_aws::rejections::{CONFLICT, Rejections};

use crate::tests::world::World;

/// Updates that conflict with a transaction: how many more of each link's items, by a text in the request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conflicts(Arc<Mutex<HashMap<String, usize>>>);

impl Conflicts {
    /// Returns the interceptor that rejects these updates.
    pub(crate) fn interceptor(&self) -> Rejections {
        let conflicts = self.clone();
        Rejections::new(move |operation, body| {
            (operation == "UpdateItem" && conflicts.rejects(body)).then_some(CONFLICT)
        })
    }

    /// Rejects the next updates of this link's items, as many as `times`.
    fn reject(&self, link: &LinkId, times: usize) {
        self.0.lock().unwrap().insert(format!("LINK#{link}\""), times);
    }

    /// Returns `true` if an update is to be rejected, and counts it.
    fn rejects(&self, body: &[u8]) -> bool {
        let body = String::from_utf8_lossy(body);
        let mut left = self.0.lock().unwrap();
        let Some(times) = left.iter_mut().find_map(|(text, times)| body.contains(text).then_some(times)) else {
            return false;
        };
        let rejects = *times > 0;
        *times = times.saturating_sub(1);
        rejects
    }
}

/// More often than the client tries.
const ALWAYS: usize = usize::MAX;

/// Links that the table knows, and that are all due.
async fn due_links(world: &World, number: usize) -> Vec<LinkId> {
    let links: Vec<_> = (0..number).map(|n| world.link(&format!("l-{n}"), "recurrent")).collect();
    world.run().await;
    world.listings();
    drop(world.lines.take());
    for link in &links {
        world.make_due(link).await;
    }
    links
}

#[tokio::test]
async fn a_link_that_is_written_at_the_same_moment_is_taken_up_all_the_same() {
    let world = World::new().await;
    let [link] = due_links(&world, 1).await.try_into().unwrap();
    world.conflicts.reject(&link, 1);
    let report = world.run().await;
    assert_eq!((report.links, report.failed), (1, 0));
    assert!(!world.listings().is_empty());
}

#[tokio::test]
async fn a_link_that_stays_in_conflict_waits_alone_and_the_run_says_so() {
    let world = World::new().await;
    let links = due_links(&world, 4).await;
    world.conflicts.reject(&links[1], ALWAYS);

    let report = world.run().await;

    assert_eq!((report.links, report.failed), (3, 1));
    let listed: Vec<_> = world.listings().into_iter().map(|(link, _)| link).collect();
    assert!(links.iter().all(|link| listed.contains(&link.to_string()) == (*link != links[1])), "{listed:?}");
    let (line, series) = world.lines.take_one();
    assert_eq!((&line["level"], &line["message"]), (&json!("WARN"), &json!("reconciled, but left something out")));
    assert_eq!((&line["failed"], line["cause"].is_string()), (&json!(1), true));
    let of = |name: &str| series.get(name).copied();
    assert_eq!((of("runs"), of("run_failures"), of("failures{error=store}")), (Some(1.0), Some(1.0), Some(1.0)));

    world.conflicts.reject(&links[1], 0);
    assert_eq!(world.run().await.links, 1, "it is due still");
}

#[tokio::test]
async fn a_newly_found_link_that_stays_in_conflict_holds_up_no_other_and_no_further_page() {
    let world = World::new().await;
    let links: Vec<_> = (0..4).map(|n| world.link(&format!("l-{n}"), "recurrent")).collect();
    world.conflicts.reject(&links[1], ALWAYS);

    let report = world.run().await;

    assert_eq!((report.discovered, report.pages, report.failed), (3, 1, 1));
    assert_eq!(world.lines.take_one().0["message"], "reconciled, but left something out");
    world.conflicts.reject(&links[1], 0);
    assert_eq!(world.run().await.discovered, 1, "when its page is read the next time");
}

#[tokio::test]
async fn a_run_in_which_nothing_can_be_taken_up_ends_after_a_few_tries() {
    let world = World::new().await;
    let links = due_links(&world, 12).await;
    for link in &links {
        world.conflicts.reject(link, ALWAYS);
    }

    world.try_to_run().await.unwrap_err();

    let (line, series) = world.lines.take_one();
    assert_eq!((&line["message"], &line["failed"]), (&json!("a run ended early"), &json!(5)));
    assert_eq!(series.get("runs"), None);
}

#[tokio::test]
async fn requests_that_cannot_be_read_do_not_keep_others_of_their_shard_from_being_taken_up() {
    let world = World::new().await;
    let [link] = due_links(&world, 1).await.try_into().unwrap();
    let shard = world.link_item(&link).await["gsi2pk"].clone();
    let earlier = AttributeValue::S(format!("{:013}", now() - 60_000));
    for n in 0..60 {
        let put = world.dynamodb.put_item().table_name(TABLE_NAME);
        let put = put.item("pk", AttributeValue::S(format!("REQUEST#r{n}"))).item("gsi2pk", shard.clone());
        let put = put.item("sk", AttributeValue::S("REQUEST".to_owned())).item("gsi2sk", earlier.clone());
        put.item("status", AttributeValue::S("of_a_newer_release".to_owned())).send().await.unwrap();
    }

    assert_eq!(world.run().await.failed, 50, "as many as a run takes up of a shard");
    let report = world.run().await;

    assert_eq!((report.failed, report.links), (10, 1));
    assert!(!world.listings().is_empty());
}
