//! Runs between a fake Belvo server and a DynamoDB engine: links and requests that are due.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{LinkId, Message, Plan, RequestId, now};
use store::{Check, NewRequest, RequestStatus};
use test_aws::dynamodb::TABLE_NAME;

use crate::tests::world::{DAY, HOUR, World, pair};

#[tokio::test]
async fn a_link_that_nobody_has_heard_of_is_found_and_listed() {
    let world = World::new().await;
    let link = world.link("l-1", "recurrent");
    let report = world.run().await;
    assert_eq!((report.discovered, report.pages, report.links), (1, 1, 1));
    let fetched = world.belvo.control().links().into_iter().map(|link| link.link_id).collect::<Vec<_>>();
    assert_eq!(fetched, ["l-1"]);
    let listings = world.listings();
    assert!(listings.contains(&pair(&link, "TRANSACTIONS")) && listings.contains(&pair(&link, "ACCOUNTS")));
    assert_eq!(report.listings, listings.len());
    let again = world.run().await;
    assert_eq!((again.discovered, again.links, world.listings()), (0, 0, Vec::new()));
    assert!(world.due_at(&link).await.unwrap() >= now() + DAY - HOUR, "whether it was listed is looked at tomorrow");
}

#[tokio::test]
async fn a_synced_recurrent_link_is_listed_again_in_time_and_a_single_one_never() {
    let world = World::new().await;
    let (recurrent, single) = (world.link("l-1", "recurrent"), world.link("l-2", "single"));
    world.run().await;
    let resources: Vec<String> = world.listings().into_iter().map(|(_, resource)| resource).collect();
    for (link, resource) in [&recurrent, &single].iter().flat_map(|link| resources.iter().map(move |r| (link, r))) {
        world.sync(link, resource, Check::Verified, now() - 15 * DAY).await;
    }
    world.make_due(&recurrent).await;
    world.make_due(&single).await;
    world.run().await;
    let listings = world.listings();
    assert!(!listings.is_empty() && listings.iter().all(|(link, _)| *link == "l-1"), "{listings:?}");
    assert_eq!(world.due_at(&single).await, None);
    assert!(world.due_at(&recurrent).await.is_some());
}

#[tokio::test]
async fn a_listing_in_doubt_is_repeated_after_an_hour_and_then_ever_later() {
    let world = World::new().await;
    let link = world.link("l-1", "single");
    world.run().await;
    for (_, resource) in world.listings() {
        world.sync(&link, &resource, Check::Verified, now() - DAY).await;
    }
    world.make_due(&link).await;
    world.run().await;
    assert_eq!(world.due_at(&link).await, None);
    let first = now() - 2 * HOUR;
    world.sync(&link, "TRANSACTIONS", Check::Drift, first).await;
    assert_eq!(world.due_at(&link).await, Some(first + HOUR));
    world.run().await;
    assert_eq!(world.listings(), [pair(&link, "TRANSACTIONS")]);
    let second = now();
    world.sync(&link, "TRANSACTIONS", Check::Drift, second).await;
    assert_eq!(world.due_at(&link).await, Some(second + 6 * HOUR));
    world.sync(&link, "TRANSACTIONS", Check::Verified, now()).await;
    world.make_due(&link).await;
    world.run().await;
    assert_eq!((world.listings(), world.due_at(&link).await), (Vec::new(), None), "the doubt is over");
}

#[tokio::test]
async fn when_the_queue_is_down_the_run_fails_and_the_link_is_due_again_soon() {
    let world = World::new().await;
    let [link, ..] = [1, 2, 3, 4, 5].map(|n| world.link(&format!("l-{n}"), "recurrent"));
    *world.sqs_is_up.lock().unwrap() = false;
    assert!(world.try_to_run().await.is_err());
    let due = world.due_at(&link).await.unwrap();
    assert!((now()..=now() + HOUR).contains(&due));
    *world.sqs_is_up.lock().unwrap() = true;
    world.make_due(&link).await;
    world.run().await;
    assert!(!world.listings().is_empty());
}

#[tokio::test]
async fn while_belvo_is_away_what_is_due_is_still_taken_up() {
    let world = World::new().await;
    let link = world.link("l-1", "recurrent");
    world.run().await;
    world.listings();
    world.make_due(&link).await;
    world.belvo.control().add_faults(serde_json::from_str(r#"[{"fault":{"status":500}}]"#).unwrap()).unwrap();
    let report = world.run().await;
    assert_eq!((report.pages, report.links), (0, 1));
    assert!(!world.listings().is_empty());
}

#[tokio::test]
async fn a_request_that_belvo_has_not_answered_is_timed_out_and_listed_all_the_same() {
    let world = World::new().await;
    let link = LinkId::parse("l-1").unwrap();
    let id = RequestId::parse("b5d0106ac9cc43d5b36199fe831f6bbe").unwrap();
    let request = NewRequest {
        id: &id,
        action: "retrieve",
        link: &link,
        resource: Some("TRANSACTIONS"),
        parameters: domain::Value::Null,
        awaited: &[],
    };
    world.table.accept_request(&request, now()).await.unwrap();
    assert_eq!(world.run().await.timed_out, 0, "there is time yet");
    let late = RequestId::parse("a5d0106ac9cc43d5b36199fe831f6bbe").unwrap();
    world.table.accept_request(&NewRequest { id: &late, ..request }, now() - 7 * HOUR).await.unwrap();
    let report = world.run().await;
    assert_eq!((report.timed_out, report.listings), (1, 1));
    assert_eq!(world.listings(), [pair(&link, "TRANSACTIONS")]);
    let status = world.table.request(&late).await.unwrap().unwrap().status;
    assert_eq!(status, RequestStatus::TimedOut);
    assert_eq!(world.run().await.timed_out, 0);
}

#[tokio::test]
async fn a_link_that_ended_is_due_no_more() {
    let world = World::new().await;
    let link = world.link("l-1", "recurrent");
    world.run().await;
    world.listings();
    world.make_due(&link).await;
    let key = [("pk", format!("LINK#{link}")), ("sk", "LINK".to_owned())];
    let key = key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
    let update = world.dynamodb.update_item().table_name(TABLE_NAME).set_key(Some(HashMap::from(key)));
    let update = update.update_expression("SET #s = :deleted").expression_attribute_names("#s", "status");
    update.expression_attribute_values(":deleted", AttributeValue::S("deleted".to_owned())).send().await.unwrap();
    let report = world.run().await;
    assert_eq!((report.listings, world.due_at(&link).await), (0, None));
}

#[tokio::test]
async fn an_erased_link_that_is_due_is_swept_again_and_only_once() {
    let world = World::new().await;
    let link = LinkId::parse("l-1").unwrap();
    let purge = world.table.begin_purge(&link, domain::LinkStatus::Erased, now() - 25 * HOUR).await.unwrap();
    assert!(world.table.end_purge(&purge, now() - 25 * HOUR).await.unwrap());
    world.run().await;
    let bodies = std::mem::take(&mut *world.sent.lock().unwrap());
    let [body] = bodies.try_into().unwrap();
    assert_eq!(Message::decode(&body).unwrap().plan(), Plan::EraseLink);
    assert!(world.due_at(&link).await.unwrap() > now() + HOUR / 2, "should the sweep not come to its end");
    let purge = world.table.begin_purge(&link, domain::LinkStatus::Erased, now()).await.unwrap();
    assert!(world.table.end_purge(&purge, now()).await.unwrap());
    assert_eq!(world.due_at(&link).await, None);
    world.run().await;
    assert!(world.sent.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_erasure_that_did_not_come_to_its_end_is_taken_up_within_an_hour() {
    let world = World::new().await;
    let link = LinkId::parse("l-1").unwrap();
    world.table.begin_purge(&link, domain::LinkStatus::Erased, now() - HOUR - 1).await.unwrap();
    world.run().await;
    assert_eq!(world.sent.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn two_runs_at_once_do_not_both_take_a_link() {
    let world = World::new().await;
    let link = world.link("l-1", "recurrent");
    world.run().await;
    let listings = world.listings();
    world.make_due(&link).await;
    let (first, second) = tokio::join!(world.run(), world.run());
    assert_eq!(first.links + second.links, 1);
    assert_eq!(world.listings(), listings);
}

#[tokio::test]
async fn in_place_of_a_deletion_that_nobody_announced_belvo_is_asked_whether_the_link_is_gone() {
    let world = World::new().await;
    let link = LinkId::parse("l-1").unwrap();
    let id = RequestId::parse("b5d0106ac9cc43d5b36199fe831f6bbe").unwrap();
    let parameters = domain::Value::Null;
    let request = NewRequest { id: &id, action: "delete_link", link: &link, resource: None, parameters, awaited: &[] };
    world.table.accept_request(&request, now() - 7 * HOUR).await.unwrap();
    assert_eq!(world.run().await.timed_out, 1);
    let bodies = std::mem::take(&mut *world.sent.lock().unwrap());
    let [body] = bodies.try_into().unwrap();
    assert!(matches!(Plan::from_webhook(&Message::decode(&body).unwrap().webhook), Plan::LinkDeleted));
}
