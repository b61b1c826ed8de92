//! Runs between a served Belvo and a real DynamoDB engine.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use domain::{LinkId, Message, Plan, RequestId, Resource, Source, now};
use fake_belvo::{Config, NewLink, Server};
use lambda_runtime::{Context, LambdaEvent};
use queue::Queue;
use runtime::{EventLog, Secret};
use store::{Check, Checkpoint, Counts, DiscoveryCursor, EventKey, NewRequest, Outcome, RequestStatus, Table};
use test_aws::dynamodb::TABLE_NAME;
use test_aws::emf::Lines;

use crate::conflict_tests::Conflicts;
use crate::{Reconciler, Report};

const HOUR: i64 = 60 * 60 * 1_000;
const DAY: i64 = 24 * HOUR;

pub(crate) struct World {
    pub(crate) belvo: Server,
    pub(crate) reconciler: Reconciler,
    /// What the function writes into its log.
    pub(crate) lines: Lines,
    sent: Arc<Mutex<Vec<String>>>,
    /// Does SQS take messages?
    pub(crate) sqs_is_up: Arc<Mutex<bool>>,
    /// Items of which the function's updates are refused.
    pub(crate) conflicts: Conflicts,
    pub(crate) table: Table,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
}

impl World {
    pub(crate) async fn new() -> Self {
        let belvo = fake_belvo::start(Config { preload: false, ..Config::default() }).await.unwrap();
        let dynamodb = test_aws::dynamodb::start().await;
        let table = Table::new(dynamodb.clone(), TABLE_NAME.to_owned());
        let conflicts = Conflicts::default();
        // Nobody waits for a second here.
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let watched = dynamodb.config().to_builder().interceptor(conflicts.clone()).retry_config(retries);
        let lines = Lines::default();
        let (sent, sqs_is_up) = (Arc::default(), Arc::new(Mutex::new(true)));
        let requests_per_30s = NonZeroU32::new(30_000).unwrap();
        let limits = belvo::Limits { answer: Duration::from_secs(30), requests_per_30s, ..belvo::Limits::default() };
        let reconciler = Reconciler {
            access: belvo::BelvoProvider::new(belvo.base_url().to_owned(), secret(), limits),
            table: Table::new(store::client(watched), TABLE_NAME.to_owned()),
            queue: queue(&sent, &sqs_is_up),
            event_log: EventLog::new("a-stack".to_owned(), lines.writer()),
        };
        Self { belvo, reconciler, lines, sent, sqs_is_up, conflicts, table, dynamodb }
    }

    /// A link at Belvo, made long ago, of which nobody has heard.
    pub(crate) fn link(&self, id: &str, access_mode: &str) -> LinkId {
        let access_mode = access_mode.to_owned();
        let link = NewLink { id: Some(id.to_owned()), access_mode, transactions: 3, ..NewLink::default() };
        self.belvo.control().create_link(link).unwrap();
        LinkId::parse(id).unwrap()
    }

    /// So many links at Belvo, made long ago.
    pub(crate) fn links(&self, numbers: std::ops::Range<usize>) {
        for n in numbers {
            self.link(&format!("l-{n:04}"), "single");
        }
    }

    pub(crate) fn breaks(&self, faults: &str) {
        self.belvo.control().add_faults(serde_json::from_str(faults).unwrap()).unwrap();
    }

    /// Discovery goes on with this page of a hundred links.
    pub(crate) async fn goes_on_at(&self, page: u64, failed_pages: u32) {
        let place = DiscoveryCursor { page, page_size: Some(100), failed_pages };
        self.table.set_discovery_cursor(place).await.unwrap();
    }

    async fn place(&self) -> (u64, Option<u32>, u32) {
        let DiscoveryCursor { page, page_size, failed_pages } = self.table.discovery_cursor().await.unwrap();
        (page, page_size, failed_pages)
    }

    pub(crate) async fn run(&self) -> Report {
        self.try_to_run().await.unwrap()
    }

    pub(crate) async fn try_to_run(&self) -> Result<Report, lambda_runtime::Error> {
        self.try_to_run_within(Duration::from_hours(1)).await
    }

    async fn try_to_run_within(&self, limit: Duration) -> Result<Report, lambda_runtime::Error> {
        let mut context = Context::default();
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + limit;
        context.deadline = u64::try_from(deadline.as_millis()).unwrap();
        self.reconciler.handle(LambdaEvent { payload: serde_json::json!({}), context }).await
    }

    /// What was asked for: link and resource.
    pub(crate) fn listings(&self) -> Vec<(String, String)> {
        let bodies = std::mem::take(&mut *self.sent.lock().unwrap());
        let mut listings: Vec<_> = bodies
            .iter()
            .map(|body| Message::decode(body).unwrap())
            .map(|message| {
                assert_eq!(message.source, Source::Reconcile);
                let Plan::List { resource, .. } = Plan::of(&message.webhook) else { panic!("no listing") };
                (message.group_id().to_owned(), resource.webhook_type.to_owned())
            })
            .collect();
        listings.sort();
        listings
    }

    /// A whole listing of a resource, as the sync function finishes it.
    async fn sync(&self, link: &LinkId, webhook_type: &str, check: Check, began_at: i64) {
        let resource = Resource::of_webhook_type(webhook_type).unwrap();
        let pass = self.table.begin_pass(link, resource, None, began_at).await.unwrap();
        let listed = store::FinishedListing { token: pass.token, began_at, count: 3 };
        let checkpoint = Checkpoint {
            listing: (check != Check::Drift).then_some(listed),
            check: Some(check),
            ..Checkpoint::default()
        };
        let message = Message::listing_of(Source::Reconcile, link, webhook_type, began_at, format!("k{began_at}"));
        let event = EventKey::of(&message.unwrap());
        let finished = pass.finish(&checkpoint, &event, Outcome::Applied, Counts::default(), began_at).await;
        assert!(finished.unwrap());
    }

    pub(crate) async fn link_item(&self, link: &LinkId) -> HashMap<String, AttributeValue> {
        let key = [("pk", format!("LINK#{link}")), ("sk", "LINK".to_owned())];
        let key = key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
        let get = self.dynamodb.get_item().table_name(TABLE_NAME).set_key(Some(HashMap::from(key)));
        get.consistent_read(true).send().await.unwrap().item.unwrap_or_default()
    }

    pub(crate) async fn due_at(&self, link: &LinkId) -> Option<i64> {
        self.link_item(link).await.get("gsi2sk").map(|due| due.as_s().unwrap().parse().unwrap())
    }

    /// Time passes.
    pub(crate) async fn make_due(&self, link: &LinkId) {
        let due = self.due_at(link).await.unwrap();
        assert!(self.table.move_due(link, due, Some(now() - 1), None).await.unwrap());
    }
}

fn pair(link: &LinkId, resource: &str) -> (String, String) {
    (link.to_string(), resource.to_owned())
}

fn secret() -> Secret {
    let rule = mock!(aws_sdk_secretsmanager::Client::get_secret_value).then_compute_output(|_| {
        let text = r#"{"secret_id":"secret-id","secret_password":"secret-password"}"#;
        GetSecretValueOutput::builder().secret_string(text).build()
    });
    Secret::new(mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [&rule]), "belvo".to_owned())
}

fn queue(sent: &Arc<Mutex<Vec<String>>>, is_up: &Arc<Mutex<bool>>) -> Queue {
    let (sent, is_up) = (Arc::clone(sent), Arc::clone(is_up));
    let sends = mock!(aws_sdk_sqs::Client::send_message_batch).then_compute_output(move |input| {
        let output = SendMessageBatchOutput::builder().set_successful(Some(Vec::new()));
        if !*is_up.lock().unwrap() {
            let refused = aws_sdk_sqs::types::BatchResultErrorEntry::builder().id("0").code("Down").sender_fault(false);
            return output.failed(refused.build().unwrap()).build().unwrap();
        }
        sent.lock().unwrap().extend(input.entries().iter().map(|entry| entry.message_body().to_owned()));
        output.set_failed(Some(Vec::new())).build().unwrap()
    });
    Queue::new(mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&sends]), "http://queue".to_owned())
}

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
async fn discovery_goes_on_where_the_last_run_stopped() {
    let world = World::new().await;
    world.links(0..350);
    world.goes_on_at(1, 0).await;
    let first = world.run().await;
    assert_eq!((first.pages, first.discovered), (3, 300));
    let second = world.run().await;
    assert_eq!((second.pages, second.discovered), (1, 50));
    assert_eq!(world.run().await.discovered, 0, "from the beginning again");
}

#[tokio::test]
async fn a_link_that_was_gone_and_is_listed_again_is_synced_again() {
    let world = World::new().await;
    let link = world.link("l-1", "recurrent");
    world.run().await;
    world.listings();
    world.table.set_link_status(&link, domain::LinkStatus::Gone).await.unwrap();
    let report = world.run().await;
    assert_eq!((report.links, world.listings().len()), (1, report.listings));
    assert!(report.listings > 0);
    assert_eq!(world.link_item(&link).await["status"], AttributeValue::S("active".to_owned()));
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
    assert!(matches!(Plan::of(&Message::decode(&body).unwrap().webhook), Plan::LinkDeleted));
}

#[tokio::test]
async fn a_link_whose_status_at_belvo_is_another_is_read_back_once_it_is_known() {
    let world = World::new().await;
    let link = world.link("l-1", "recurrent");
    world.run().await;
    world.listings();
    world.belvo.control().set_status("l-1", "token_required").unwrap();
    assert_eq!(world.run().await.status_reads, 1);
    let bodies = std::mem::take(&mut *world.sent.lock().unwrap());
    let [body] = bodies.try_into().unwrap();
    let message = Message::decode(&body).unwrap();
    assert_eq!((Plan::of(&message.webhook), message.group_id()), (Plan::LinkStatus, "l-1"));
    let status = world.link_item(&link).await["status"].clone();
    assert_eq!(status, AttributeValue::S("active".to_owned()), "the list alone decides nothing");
    assert_eq!(world.run().await.status_reads, 0, "it was asked for a moment ago, and may wait for its turn");
    let long_ago = now() - 7 * HOUR;
    world.table.record_status_check(&link, long_ago).await.unwrap();
    assert_eq!(world.run().await.status_reads, 1);
    world.table.set_link_status(&link, domain::LinkStatus::TokenRequired).await.unwrap();
    assert_eq!(world.run().await.status_reads, 0);
}

#[tokio::test]
async fn facts_that_belvo_gives_no_more_are_given_up_and_an_earlier_due_time_stands() {
    let world = World::new().await;
    let link = world.link("l-1", "recurrent");
    let listed = |refresh_rate: Option<&str>, external_id: &str| domain::ListedLink {
        id: link.clone(),
        access: None,
        external_id: Some(external_id.to_owned()),
        access_mode: Some("recurrent".to_owned()),
        refresh_rate: refresh_rate.map(str::to_owned),
        fetch_resources: vec!["ACCOUNTS".to_owned()],
        created_at: None,
    };
    let (now, soon) = (now(), now() + HOUR);
    assert!(world.table.upsert_discovered(&listed(Some("6h"), "user-1"), soon, now).await.unwrap().is_new);
    assert_eq!(world.due_at(&link).await, Some(soon));
    assert!(!world.table.upsert_discovered(&listed(None, "user-1"), soon + HOUR, now).await.unwrap().is_new);
    assert_eq!((world.link_item(&link).await.get("refresh_rate"), world.due_at(&link).await), (None, Some(soon)));
    world.table.upsert_discovered(&listed(None, "user-2"), soon, now).await.unwrap();
    let item = world.link_item(&link).await;
    assert_eq!(item["gsi1pk"], AttributeValue::S("EXTERNAL#user-2".to_owned()));
}

const PAGE_2_FAILS: &str = r#"[{"match":{"path_prefix":"/api/links/","page":2},"fault":{"status":500}}]"#;

#[tokio::test]
async fn a_page_of_links_that_belvo_never_gives_holds_back_no_other_page() {
    let world = World::new().await;
    world.links(0..250);
    world.goes_on_at(1, 0).await;
    world.breaks(PAGE_2_FAILS);
    let first = world.run().await;
    assert_eq!((first.pages, first.discovered, first.unread_pages), (2, 150, 1));
    assert_eq!(world.place().await, (1, Some(1_000), 0), "the list is begun again");
    world.links(250..251);
    world.goes_on_at(1, 0).await;
    assert_eq!(world.run().await.discovered, 1);
    world.belvo.control().clear_faults();
    world.goes_on_at(1, 0).await;
    assert_eq!(world.run().await.discovered, 100, "the next time round the page is asked for again");
}

#[tokio::test]
async fn a_last_page_of_links_that_belvo_never_gives_holds_back_no_other_page() {
    let world = World::new().await;
    world.links(0..150);
    world.goes_on_at(2, 0).await;
    world.breaks(PAGE_2_FAILS);
    let report = world.run().await;
    assert_eq!((report.pages, report.discovered, report.unread_pages), (1, 150, 1), "behind the end is the beginning");
}

#[tokio::test]
async fn while_belvo_is_away_discovery_moves_on_by_a_page_a_run_and_ends_up_at_the_beginning() {
    let world = World::new().await;
    world.breaks(r#"[{"fault":{"status":500}}]"#);
    world.goes_on_at(3, 0).await;
    assert_eq!((world.run().await.unread_pages, world.place().await), (1, (4, Some(100), 1)));
    world.goes_on_at(9, 7).await;
    world.run().await;
    assert_eq!(world.place().await, (1, Some(1_000), 0));
}

#[tokio::test]
async fn a_refusal_of_whoever_asks_leaves_discovery_where_it_is() {
    let world = World::new().await;
    world.goes_on_at(3, 0).await;
    for fault in [r#""html_403""#, r#"{"status":429}"#, r#"{"status":401}"#] {
        world.breaks(&format!(r#"[{{"fault":{fault}}}]"#));
        assert_eq!((world.run().await.unread_pages, world.place().await), (0, (3, Some(100), 0)), "{fault}");
        world.belvo.control().clear_faults();
    }
}

#[tokio::test]
async fn a_page_of_links_that_takes_the_whole_time_of_a_run_is_left_out_of_the_next() {
    let world = World::new().await;
    world.links(0..150);
    world.goes_on_at(1, 0).await;
    world.breaks(r#"[{"match":{"path_prefix":"/api/links/","page":1},"fault":"hang"}]"#);
    let report = world.try_to_run_within(Duration::from_secs(2)).await.unwrap();
    assert_eq!((report.unread_pages, world.place().await), (1, (2, Some(100), 1)));
    assert_eq!(world.run().await.discovered, 50);
}

#[tokio::test]
async fn pages_of_links_that_are_smaller_than_asked_for_are_gone_through_in_their_own_size() {
    let world = World::new().await;
    world.links(0..250);
    world.goes_on_at(2, 0).await;
    let report = world.run().await;
    assert_eq!((report.pages, report.discovered, world.place().await), (2, 150, (1, Some(1_000), 0)));
}

#[tokio::test]
async fn a_link_that_the_table_refuses_holds_back_no_other_link() {
    let world = World::new().await;
    world.links(0..3);
    let large = [
        ("pk", AttributeValue::S("LINK#l-0001".to_owned())),
        ("sk", AttributeValue::S("LINK".to_owned())),
        ("large", AttributeValue::S("x".repeat(400 * 1024 - 30))),
    ];
    let large = large.map(|(name, value)| (name.to_owned(), value));
    world.dynamodb.put_item().table_name(TABLE_NAME).set_item(Some(HashMap::from(large))).send().await.unwrap();
    let report = world.run().await;
    assert_eq!((report.pages, report.discovered, report.failed), (1, 2, 1));
}
