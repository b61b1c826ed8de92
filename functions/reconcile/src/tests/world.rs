//! The real function, a fake Belvo server, a DynamoDB engine, and fakes of SQS and Secrets Manager.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use domain::{LinkId, Message, Plan, Resource, Source, now};
use fake_belvo::{Config, NewLink, Server};
use lambda_runtime::{Context, LambdaEvent};
use queue::Queue;
use runtime::{EventLog, Secret};
use store::{Check, Checkpoint, Counts, DiscoveryCursor, EventKey, Outcome, Table};
use test_aws::dynamodb::TABLE_NAME;
use test_aws::emf::Lines;

use crate::tests::conflicts::Conflicts;
use crate::{Reconciler, Report};

pub(crate) const HOUR: i64 = 60 * 60 * 1_000;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) struct World {
    pub(crate) belvo: Server,
    pub(crate) reconciler: Reconciler,
    /// What the function writes into its log.
    pub(crate) lines: Lines,
    /// Bodies of the messages that SQS has stored.
    pub(crate) sent: Arc<Mutex<Vec<String>>>,
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
        // A short backoff, so that a retry does not take a second.
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let watched = dynamodb.config().to_builder().interceptor(conflicts.interceptor()).retry_config(retries);
        let lines = Lines::default();
        let (sent, sqs_is_up) = (Arc::default(), Arc::new(Mutex::new(true)));
        let requests_per_30s = NonZeroU32::new(30_000).unwrap();
        let limits =
            belvo::Limits { response_timeout: Duration::from_secs(30), requests_per_30s, ..belvo::Limits::default() };
        let reconciler = Reconciler {
            belvo: belvo::BelvoProvider::new(belvo.base_url().to_owned(), secret(), limits),
            table: Table::new(store::client(watched), TABLE_NAME.to_owned()),
            queue: queue(&sent, &sqs_is_up),
            event_log: EventLog::new("a-stack".to_owned(), lines.writer()),
        };
        Self { belvo, reconciler, lines, sent, sqs_is_up, conflicts, table, dynamodb }
    }

    /// Creates a link at Belvo, long ago, that the table does not know.
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

    pub(crate) async fn place(&self) -> (u64, Option<u32>, u32) {
        let DiscoveryCursor { page, page_size, failed_pages } = self.table.discovery_cursor().await.unwrap();
        (page, page_size, failed_pages)
    }

    pub(crate) async fn run(&self) -> Report {
        self.try_to_run().await.unwrap()
    }

    pub(crate) async fn try_to_run(&self) -> Result<Report, lambda_runtime::Error> {
        self.try_to_run_within(Duration::from_hours(1)).await
    }

    pub(crate) async fn try_to_run_within(&self, limit: Duration) -> Result<Report, lambda_runtime::Error> {
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
                let Plan::List { resource, .. } = Plan::from_webhook(&message.webhook) else { panic!("no listing") };
                (message.group_id().to_owned(), resource.webhook_type.to_owned())
            })
            .collect();
        listings.sort();
        listings
    }

    /// A whole listing of a resource, as the sync function finishes it.
    pub(crate) async fn sync(&self, link: &LinkId, webhook_type: &str, check: Check, began_at: i64) {
        let resource = Resource::of_webhook_type(webhook_type).unwrap();
        let pass = self.table.begin_pass(link, resource, None, began_at).await.unwrap();
        let listed = store::FinishedListing { token: pass.token, began_at, count: 3 };
        let checkpoint = Checkpoint {
            finished_listing: (check != Check::Drift).then_some(listed),
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

pub(crate) fn pair(link: &LinkId, resource: &str) -> (String, String) {
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
