//! A world for the tests: the real worker, a fake Belvo server over HTTP, a real DynamoDB engine, and an SQS and a
//! Secrets Manager that are answered in process.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityOutput;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use domain::{Message, Record, Resource, Value, Webhook, now};
use fake_belvo::{Change, Config, NewLink, Rule, Server};
use lambda_runtime::{Context, LambdaEvent};
use queue::Queue;
use runtime::{EventLog, Secret};
use store::{Table, to_attribute};
use test_aws::dynamodb::TABLE_NAME;
use test_aws::emf::Lines;

use super::crashes::Calls;
use super::throttling::Throttle;
use crate::Worker;
use crate::backoff::Backoff;
use crate::belvo_session::BelvoSession;
use crate::clients::with_throttling_retries;
use crate::deadlines::TimeBudgets;
use crate::telemetry::Telemetry;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The link of most tests. Not a UUID, like Belvo's own examples.
pub(crate) const LINK: &str = "0284557b-df47-450a-po09e-000000000001";

/// Enough for anything, also on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_hours(1);

pub(crate) struct World {
    pub(crate) belvo: Server,
    pub(crate) worker: Worker,
    /// For how many seconds messages were hidden when they returned to the queue.
    pub(crate) hidden_for: Arc<Mutex<Vec<i32>>>,
    /// What the worker sent to its queue.
    pub(crate) sent: Arc<Mutex<Vec<String>>>,
    /// What the worker sent to the dead-letter queue.
    pub(crate) dead_letters: Arc<Mutex<Vec<String>>>,
    /// The text of Belvo's secret.
    pub(crate) secret: Arc<Mutex<String>>,
    /// What the worker writes into its log.
    pub(crate) lines: Lines,
    /// What the worker asks of DynamoDB.
    pub(crate) calls: Calls,
    /// What DynamoDB refuses it.
    pub(crate) throttle: Throttle,
    dynamodb: aws_sdk_dynamodb::Client,
}

impl World {
    /// A link with three accounts and so many transactions at Belvo, and an empty table.
    pub(crate) async fn with_transactions(transactions: usize) -> Self {
        let (id, external_id) = (Some(LINK.to_owned()), Some("user-7".to_owned()));
        Self::with_link(NewLink { id, external_id, accounts: 3, transactions, ..NewLink::default() }).await
    }

    /// This link at Belvo, and an empty table.
    pub(crate) async fn with_link(link: NewLink) -> Self {
        let belvo = fake_belvo::start(Config { preload: false, ..Config::default() }).await.unwrap();
        belvo.control().create_link(link).unwrap();
        let secret =
            Arc::new(Mutex::new(r#"{"secret_id":"secret-id","secret_password":"secret-password"}"#.to_owned()));
        let hidden_for = Arc::new(Mutex::new(Vec::new()));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let dead_letters = Arc::default();
        let lines = Lines::default();
        let dynamodb = test_aws::dynamodb::start().await;
        let (calls, throttle) = (Calls::default(), Throttle::default());
        let watched = dynamodb.config().to_builder().interceptor(calls.clone()).interceptor(throttle.interceptor());
        // Generous: these tests run on busy machines, and none of them is about this limit.
        let limits = belvo::Limits {
            response_timeout: Duration::from_secs(30),
            requests_per_30s: NonZeroU32::new(30_000).unwrap(),
            ..belvo::Limits::default()
        };
        let worker = Worker {
            session: BelvoSession::new(belvo.base_url().to_owned(), secrets(&secret), limits),
            table: Table::new(store::client(with_throttling_retries(watched)), TABLE_NAME.to_owned()),
            queue: queue(&hidden_for, &sent),
            dead_letters: queue(&Arc::default(), &dead_letters),
            budgets: TimeBudgets { pages: PATIENCE, by_id: PATIENCE, comparing: PATIENCE },
            backoff: Backoff { base: Duration::from_secs(5), cap: Duration::from_mins(15) },
            telemetry: Telemetry::new(EventLog::new("a-stack".to_owned(), lines.writer())),
        };
        Self { belvo, worker, hidden_for, sent, dead_letters, secret, lines, calls, throttle, dynamodb }
    }

    /// From now on the worker asks another Belvo than ours.
    pub(crate) fn ask(&mut self, base_url: String) {
        let limits = belvo::Limits { requests_per_30s: NonZeroU32::new(30_000).unwrap(), ..belvo::Limits::default() };
        self.worker.session = BelvoSession::new(base_url, secrets(&self.secret), limits);
    }

    /// The same, and each request is made once.
    pub(crate) fn ask_without_quick_retries(&mut self, base_url: String) {
        let requests_per_30s = NonZeroU32::new(3_000_000).unwrap();
        let limits = belvo::Limits { requests_per_30s, quick_retries: 0, ..belvo::Limits::default() };
        self.ask_within(base_url, limits);
    }

    pub(crate) fn ask_within(&mut self, base_url: String, limits: belvo::Limits) {
        self.worker.session = BelvoSession::new(base_url, secrets(&self.secret), limits);
    }

    pub(crate) fn breaks(&self, rules: &str) {
        let rules: Vec<Rule> = serde_json::from_str(rules).unwrap();
        self.belvo.control().add_faults(rules).unwrap();
    }

    /// Belvo's data changes; no webhook is sent.
    pub(crate) async fn change(&self, change: &str) -> fake_belvo::Changed {
        let change: Change = serde_json::from_str(change).unwrap();
        self.belvo.control().change(LINK, "transactions", Change { announce: false, ..change }).await.unwrap()
    }

    /// The requests for a path, with their queries.
    pub(crate) fn requests(&self, path: &str) -> Vec<String> {
        let recent = self.belvo.control().requests().recent;
        recent.into_iter().filter(|request| request.path == path).map(|request| request.query).collect()
    }

    /// Delivers messages as one batch; gives back the ids of those that failed.
    pub(crate) async fn deliver(&self, messages: &[SqsMessage]) -> Vec<String> {
        Box::pin(self.deliver_within(messages, PATIENCE)).await
    }

    pub(crate) async fn deliver_within(&self, messages: &[SqsMessage], left: Duration) -> Vec<String> {
        let mut context = Context::default();
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + left;
        context.deadline = u64::try_from(deadline.as_millis()).unwrap();
        let mut payload = SqsEvent::default();
        payload.records = messages.to_vec();
        let response = self.worker.handle(LambdaEvent { payload, context }).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    /// Delivers what the worker sent to its own queue, until it sends no more. How many messages that were.
    pub(crate) async fn deliver_continuations(&self) -> usize {
        let mut delivered = 0;
        loop {
            let bodies = std::mem::take(&mut *self.sent.lock().unwrap());
            if bodies.is_empty() {
                return delivered;
            }
            for body in bodies {
                let message = Message::decode(&body).unwrap();
                assert_eq!(self.deliver(&[sqs(&message, 1)]).await, [""; 0]);
                delivered += 1;
            }
        }
    }

    /// Delivers one webhook about [`LINK`]; panics when its message comes back.
    pub(crate) async fn succeed(&self, webhook_type: &str, code: &str, data: &str) -> Message {
        let message = message(webhook_type, code, data, now());
        assert_eq!(self.deliver(&[sqs(&message, 1)]).await, [""; 0], "{code} came back");
        message
    }

    /// As a second invocation on the same link would.
    pub(crate) async fn begin_another_pass(&self) {
        let link = domain::LinkId::parse(LINK).unwrap();
        let transactions = Resource::of_webhook_type("TRANSACTIONS").unwrap();
        self.worker.table.begin_pass(&link, transactions, None, now()).await.unwrap();
    }

    pub(crate) async fn list_transactions(&self) -> Message {
        self.succeed("TRANSACTIONS", "historical_update", "{}").await
    }

    pub(crate) async fn item(&self, pk: &str, sk: &str) -> Item {
        let key = [("pk", pk), ("sk", sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
        let get =
            self.dynamodb.get_item().table_name(TABLE_NAME).set_key(Some(HashMap::from(key))).consistent_read(true);
        get.send().await.unwrap().item.unwrap_or_default()
    }

    /// All that the table holds.
    pub(crate) async fn everything(&self) -> Vec<Item> {
        let scan = self.dynamodb.scan().table_name(TABLE_NAME).consistent_read(true).into_paginator().items().send();
        scan.collect::<Result<_, _>>().await.unwrap()
    }

    /// The table over a connection of its own.
    pub(crate) fn uncounted_table(&self) -> Table {
        Table::new(self.dynamodb.clone(), TABLE_NAME.to_owned())
    }

    pub(crate) async fn event(&self, message: &Message) -> Item {
        let pk = message.webhook.link_id().map(|link| format!("LINK#{link}"));
        let pk = pk.unwrap_or_else(|| format!("UNROUTED#{}", domain::Day::of(message.received_at)));
        self.item(&pk, &format!("EVENT#{:013}#{}", message.received_at, message.key)).await
    }

    pub(crate) async fn state(&self, resource: &str) -> Item {
        self.state_of(LINK, resource).await
    }

    pub(crate) async fn state_of(&self, link: &str, resource: &str) -> Item {
        self.item(&format!("LINK#{link}"), &format!("SYNC#{resource}")).await
    }

    pub(crate) async fn record(&self, resource: &str, id: &str) -> Item {
        self.item(&format!("LINK#{LINK}"), &format!("{resource}#{id}")).await
    }

    /// All records of a resource, by id.
    pub(crate) async fn records(&self, resource: &str) -> BTreeMap<String, Item> {
        self.records_of(LINK, resource).await
    }

    pub(crate) async fn records_of(&self, link: &str, resource: &str) -> BTreeMap<String, Item> {
        let prefix = format!("{resource}#");
        let query = self.dynamodb.query().table_name(TABLE_NAME).consistent_read(true);
        let items: Vec<Item> = query
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(format!("LINK#{link}")))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.clone()))
            .into_paginator()
            .items()
            .send()
            .collect::<Result<_, _>>()
            .await
            .unwrap();
        items.into_iter().map(|item| (text(&item, "sk")[prefix.len()..].to_owned(), item)).collect()
    }

    /// Is every object that Belvo has stored with Belvo's content, and is everything else a tombstone or marked as missing?
    pub(crate) async fn assert_converged(&self, webhook_type: &str) {
        let resource = Resource::of_webhook_type(webhook_type).unwrap();
        let mut stored = self.records(webhook_type).await;
        for json in self.belvo.control().truth(LINK, &webhook_type.to_lowercase()).unwrap() {
            let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&json).unwrap();
            let (record, _) = Record::read(resource, &raw).unwrap();
            let item = stored.remove(record.id.as_str()).unwrap_or_else(|| panic!("{} is missing", record.id));
            let mut data = record.data;
            // Belvo is not asked for documents.
            data.retain(|name, _| !resource.omit.contains(&name.as_str()));
            let expected = without_volatile(to_attribute(Value::Object(data)));
            let stored = item.get("data").cloned().map(without_volatile);
            assert!(stored.as_ref() == Some(&expected), "{} differs: {stored:?} from {expected:?}", record.id);
        }
        for (id, item) in stored {
            let is_settled = item.contains_key("deleted_at") || item.contains_key("missing_since");
            assert!(is_settled, "{id} is not at Belvo, no tombstone and not missing");
        }
    }
}

/// What a record promises: Belvo's content, but for the times at which it was collected or saved, which may lag.
fn without_volatile(value: AttributeValue) -> AttributeValue {
    match value {
        AttributeValue::M(members) => {
            let is_kept = |name: &str| !["collected_at", "created_at", "last_accessed_at"].contains(&name);
            let kept = members.into_iter().filter(|(name, _)| is_kept(name));
            AttributeValue::M(kept.map(|(name, value)| (name, without_volatile(value))).collect())
        }
        AttributeValue::L(items) => AttributeValue::L(items.into_iter().map(without_volatile).collect()),
        other => other,
    }
}

/// The message of a webhook about [`LINK`].
pub(crate) fn message(webhook_type: &str, code: &str, data: &str, received_at: i64) -> Message {
    message_of(
        &format!(
            r#"{{"webhook_type":"{webhook_type}","webhook_code":"{code}","link_id":"{LINK}","external_id":"user-7",
               "request_id":"4363b08b-51eb-4350-9c74-5df5ac92a7f6","data":{data}}}"#
        ),
        received_at,
    )
}

/// The `data` of a webhook that names transactions.
pub(crate) fn ids(name: &str, ids: &[String]) -> String {
    format!(r#"{{"count":{},"{name}_transactions":{}}}"#, ids.len(), serde_json::to_string(ids).unwrap())
}

pub(crate) fn message_of(body: &str, received_at: i64) -> Message {
    Message::from_webhook(&Webhook::parse(body.as_bytes()).unwrap(), body.as_bytes(), received_at).remove(0)
}

/// A message as SQS delivers it, for the n-th time. Its id is its group and its key.
pub(crate) fn sqs(message: &Message, attempt: u32) -> SqsMessage {
    let mut sqs = SqsMessage::default();
    sqs.message_id = Some(format!("{} {}", message.group_id(), message.key));
    sqs.receipt_handle = Some("receipt".to_owned());
    sqs.body = Some(message.encode());
    sqs.attributes.insert("MessageGroupId".to_owned(), message.group_id().to_owned());
    sqs.attributes.insert("ApproximateReceiveCount".to_owned(), attempt.to_string());
    sqs
}

pub(crate) fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).map_or("(absent)", |value| value.as_s().unwrap())
}

pub(crate) fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name).map(|value| value.as_n().unwrap().parse().unwrap())
}

fn secrets(text: &Arc<Mutex<String>>) -> Secret {
    let text = Arc::clone(text);
    let rule = mock!(aws_sdk_secretsmanager::Client::get_secret_value).then_compute_output(move |_| {
        GetSecretValueOutput::builder().secret_string(text.lock().unwrap().as_str()).build()
    });
    Secret::new(mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [&rule]), "belvo".to_owned())
}

fn queue(hidden_for: &Arc<Mutex<Vec<i32>>>, sent: &Arc<Mutex<Vec<String>>>) -> Queue {
    let (hidden_for, sent) = (Arc::clone(hidden_for), Arc::clone(sent));
    let waits = mock!(aws_sdk_sqs::Client::change_message_visibility).then_compute_output(move |input| {
        hidden_for.lock().unwrap().push(input.visibility_timeout().unwrap());
        ChangeMessageVisibilityOutput::builder().build()
    });
    let sends = mock!(aws_sdk_sqs::Client::send_message_batch).then_compute_output(move |input| {
        sent.lock().unwrap().extend(input.entries().iter().map(|entry| entry.message_body().to_owned()));
        let output = SendMessageBatchOutput::builder().set_successful(Some(Vec::new()));
        output.set_failed(Some(Vec::new())).build().unwrap()
    });
    Queue::new(mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&waits, &sends]), "http://queue".to_owned())
}
