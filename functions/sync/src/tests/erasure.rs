//! An erased link: what goes, what stays, and that nothing comes back.

use domain::{ERASE_LINK, LinkId, LinkStatus, Message, RequestId, Source, Value, now};
use fake_belvo::NewLink;
use store::NewRequest;

use super::world::{LINK, World, message, number, sqs, text};

fn link() -> LinkId {
    LinkId::parse(LINK).unwrap()
}

fn request_id() -> RequestId {
    RequestId::parse("b5d0106ac9cc43d5b36199fe831f6bbe").unwrap()
}

/// A link with some of everything that the table keeps: records, sync states, events with content, a request.
async fn a_world() -> World {
    let new = NewLink {
        id: Some(LINK.to_owned()),
        external_id: Some("user-7".to_owned()),
        accounts: 3,
        transactions: 6,
        resources: [("OWNERS".to_owned(), 2)].into(),
        ..NewLink::default()
    };
    let world = World::with_link(new).await;
    let link = link();
    let request = NewRequest {
        id: &request_id(),
        action: "retrieve",
        link: &link,
        resource: Some("TRANSACTIONS"),
        parameters: Value::Null,
        awaited: &[],
    };
    world.worker.table.accept_request(&request, now()).await.unwrap();
    world.succeed("OWNERS", "historical_update", r#"{"total_owners":2}"#).await;
    world
}

fn erasure() -> Message {
    Message::internal(Source::Resync, &link(), ("LINK", ERASE_LINK), now(), format!("erase-{}", fastrand::u64(..)))
        .unwrap()
}

/// As the operator's command does: marked at once, removed in the link's own turn.
async fn erase(world: &World) {
    world.worker.table.begin_purge(&link(), LinkStatus::Erased, now()).await.unwrap();
    assert_eq!(world.deliver(&[sqs(&erasure(), 1)]).await, [""; 0]);
}

/// What Belvo told about the link's user, text by text.
fn personal_data(world: &World) -> Vec<String> {
    let objects = ["transactions", "accounts", "owners"].iter().flat_map(|resource| {
        let truth = world.belvo.control().truth(LINK, resource).unwrap();
        truth.into_iter().flat_map(|json| texts(&serde_json::from_str(&json).unwrap()))
    });
    objects.chain(["user-7".to_owned()]).filter(|text| text.len() >= 6).collect()
}

fn texts(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::String(text) => vec![text.clone()],
        serde_json::Value::Array(values) => values.iter().flat_map(texts).collect(),
        // Of an institution nothing is personal; a link's id stays, and its type is one of our own words.
        serde_json::Value::Object(members) => {
            let own = |name: &str| !["institution", "link", "type", "status", "category", "currency"].contains(&name);
            members.iter().filter(|(name, _)| own(name)).flat_map(|(_, value)| texts(value)).collect()
        }
        _ => Vec::new(),
    }
}

/// Asserts that nothing is left but the link's item and events without content.
async fn assert_erased(world: &World) {
    let items = world.everything().await;
    let dump = format!("{items:?}");
    for told in personal_data(world) {
        assert!(!dump.contains(&told), "{told} is still there");
    }
    for item in &items {
        let sk = text(item, "sk");
        assert!(sk == "LINK" || sk.starts_with("EVENT#"), "{sk} is still there");
        assert!(!item.contains_key("data"), "{sk} has content");
    }
}

#[tokio::test]
async fn an_erased_link_leaves_nothing_but_ids_and_a_receipt() {
    let world = a_world().await;
    world.list_transactions().await;
    let before = format!("{:?}", world.everything().await);
    assert!(personal_data(&world).iter().all(|told| before.contains(told)), "it was there, and could be found");
    erase(&world).await;
    assert_erased(&world).await;
    let item = world.item(&format!("LINK#{LINK}"), "LINK").await;
    let counts = ["records", "sync_states", "events", "requests"].map(|name| number(&item, &format!("purged_{name}")));
    // Six transactions, three accounts, two owners; that it is to be erased was never kept with content.
    assert_eq!(counts, [Some(11), Some(2), Some(2), Some(2)]);
    assert_eq!(text(&item, "status"), "erased");
}

#[tokio::test]
async fn whatever_comes_later_of_an_erased_link_is_kept_as_ids_alone() {
    let world = a_world().await;
    erase(&world).await;
    world.belvo.control().clear_requests();
    for (webhook_type, code) in [
        ("TRANSACTIONS", "historical_update"),
        ("TRANSACTIONS", "transactions_updated"),
        ("TRANSACTIONS", "transactions_deleted"),
        ("LINK", "token_required"),
        ("LINK", "link_deleted"),
        ("CONSENT", "consent_expired"),
        ("CONSENT", "openfinance_consent_with_unrecoverable_resources"),
        ("HOROSCOPES", "unheard_of"),
    ] {
        let late = world.succeed(webhook_type, code, r#"{"note":"of a person","updated_transactions":["t-1"]}"#).await;
        let event = world.event(&late).await;
        assert_eq!((text(&event, "outcome"), text(&event, "reason")), ("refused", "the link was erased"), "{code}");
    }
    assert_erased(&world).await;
    assert_eq!(world.belvo.control().requests().total, 0, "Belvo is asked for nothing");
}

#[tokio::test]
async fn not_even_for_a_moment_is_anything_kept_of_what_comes_later() {
    let world = a_world().await;
    erase(&world).await;
    for calls in 1..=5 {
        let late = message("HOROSCOPES", "unheard_of", r#"{"note":"of a person"}"#, now());
        let delivery = [sqs(&late, 1)];
        world.calls.count_from_now_until(calls);
        tokio::select! {
            _ = world.deliver(&delivery) => {}
            () = world.calls.reached() => {}
        }
        assert_erased(&world).await;
    }
}

#[tokio::test]
async fn no_webhook_can_have_a_link_erased() {
    let world = a_world().await;
    let forged = world.succeed("LINK", ERASE_LINK, "{}").await;
    assert_eq!(text(&world.event(&forged).await, "outcome"), "unknown");
    assert_eq!(world.records("OWNERS").await.len(), 2);
}

#[tokio::test]
async fn a_sync_that_is_at_work_when_its_link_is_erased_leaves_nothing_behind() {
    let mut calls = 1;
    loop {
        let world = a_world().await;
        let listing = message("TRANSACTIONS", "historical_update", r#"{"total_transactions":6}"#, now());
        // The erasing command has a connection of its own, which is not counted.
        let table = world.uncounted_table();
        world.calls.count_from_now_until(calls);
        let delivery = [sqs(&listing, 1)];
        let at_work = async {
            let came_back = world.deliver(&delivery).await;
            world.calls.give_up();
            came_back
        };
        let marked = async {
            world.calls.reached().await;
            table.begin_purge(&link(), LinkStatus::Erased, now()).await.unwrap();
        };
        let (came_back, ()) = tokio::join!(at_work, marked);
        let is_over = world.calls.sent() < calls;
        if !came_back.is_empty() {
            assert_eq!(world.deliver(&[sqs(&listing, 2)]).await, [""; 0], "after call {calls}");
        }
        assert_eq!(world.deliver(&[sqs(&erasure(), 1)]).await, [""; 0]);
        assert_erased(&world).await;
        if is_over {
            assert!(calls > 10, "only {calls} calls");
            return;
        }
        calls += 1;
    }
}

#[tokio::test]
async fn an_erased_link_is_swept_again_a_day_later_and_then_left_alone() {
    let world = a_world().await;
    let link = link();
    erase(&world).await;
    let table = &world.worker.table;
    let shard = async |at| {
        let mut due = Vec::new();
        for shard in 0..store::SHARDS {
            due.extend(table.due(shard, at, 10).await.unwrap());
        }
        due.len()
    };
    let day = 24 * 60 * 60 * 1_000;
    assert_eq!((shard(now() + day / 2).await, shard(now() + day + 60_000).await), (0, 1));
    // A day later.
    let purge = table.begin_purge(&link, LinkStatus::Erased, now() + day).await.unwrap();
    assert!(table.end_purge(&purge, now() + day + 60_000).await.unwrap());
    assert_eq!(shard(now() + 9 * day).await, 0);
}
