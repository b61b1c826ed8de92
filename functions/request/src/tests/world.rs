//! A world for the tests: the real function, a Belvo that is served over HTTP, a real DynamoDB engine, and an SQS and a
//! Secrets Manager that are answered in process.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use domain::{LinkId, Message};
use lambda_runtime::{Context, LambdaEvent};
use queue::Queue;
use runtime::{EventLog, Secret};
use serde_json::{Value, json};
use store::Table;
use test_aws::dynamodb::TABLE_NAME;
use test_aws::emf::Lines;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use crate::{ActionError, Requester, Response};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The link of the events, from Belvo's own examples.
pub(crate) const LINK: &str = "0284557b-df47-450a-po09e-7875195c2259";
/// The request id that this Belvo gives, as the table has it.
pub(crate) const REQUEST: &str = "b5d0106ac9cc43d5b36199fe831f6bbe";

pub(crate) struct World {
    pub(crate) belvo: MockServer,
    pub(crate) requester: Requester,
    pub(crate) table: Table,
    /// The text of Belvo's secret; empty for one that cannot be read.
    pub(crate) secret: Arc<Mutex<String>>,
    /// What the function writes into its log.
    pub(crate) lines: Lines,
    sent: Arc<Mutex<Vec<String>>>,
    dynamodb: aws_sdk_dynamodb::Client,
}

impl World {
    /// Belvo answers everything like this.
    pub(crate) async fn where_belvo_answers(status: u16, body: &str) -> Self {
        Self::where_belvo(ResponseTemplate::new(status).set_body_raw(body.to_owned(), "application/json")).await
    }

    pub(crate) async fn where_belvo_accepts() -> Self {
        Self::where_belvo_answers(202, r#"{"request_id":"B5D0106A-c9cc-43d5-b361-99fe831f6bbe"}"#).await
    }

    pub(crate) async fn where_belvo(answer: ResponseTemplate) -> Self {
        let belvo = MockServer::start().await;
        Mock::given(matchers::any()).respond_with(answer).mount(&belvo).await;
        let dynamodb = test_aws::dynamodb::start().await;
        let secret =
            Arc::new(Mutex::new(r#"{"secret_id":"secret-id","secret_password":"secret-password"}"#.to_owned()));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let lines = Lines::default();
        let table = Table::new(dynamodb.clone(), TABLE_NAME.to_owned());
        let requester = Requester {
            belvo: belvo::BelvoProvider::new(belvo.uri(), secrets(&secret), crate::limits(Duration::from_millis(500))),
            table: table.clone(),
            queue: queue(&sent),
            event_log: EventLog::new("a-stack".to_owned(), lines.writer()),
        };
        Self { belvo, requester, table, secret, lines, sent, dynamodb }
    }

    /// From now on the function asks the Belvo at this address.
    pub(crate) fn asks(&mut self, url: &str) {
        let limits = crate::limits(Duration::from_secs(5));
        self.requester.belvo = belvo::BelvoProvider::new(url.to_owned(), secrets(&self.secret), limits);
    }

    pub(crate) async fn now_answers(&self, status: u16, body: &str) {
        self.belvo.reset().await;
        let answer = ResponseTemplate::new(status).set_body_raw(body.to_owned(), "application/json");
        Mock::given(matchers::any()).respond_with(answer).mount(&self.belvo).await;
    }

    /// Invokes the function, as its n-th invocation.
    pub(crate) async fn invoke(&self, n: u32, input: Value) -> Result<Response, ActionError> {
        let mut context = Context::default();
        context.request_id = format!("5e1f0c3a-77aa-4d1b-9c2e-{n:012}");
        self.requester.handle(LambdaEvent { payload: input, context }).await
    }

    /// What Belvo was asked: method, path, header, body.
    pub(crate) async fn asked(&self) -> Vec<(String, String, Option<String>, Value)> {
        let requests = self.belvo.received_requests().await.unwrap();
        let asked = |request: wiremock::Request| {
            let mode = request.headers.get("X-Belvo-Request-Mode").map(|mode| mode.to_str().unwrap().to_owned());
            let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
            (request.method.to_string(), request.url.path().to_owned(), mode, body)
        };
        requests.into_iter().map(asked).collect()
    }

    pub(crate) fn sent(&self) -> Vec<Message> {
        self.sent.lock().unwrap().iter().map(|body| Message::decode(body).unwrap()).collect()
    }

    pub(crate) async fn item(&self, pk: &str, sk: &str) -> Item {
        let key = [("pk", pk), ("sk", sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
        let get =
            self.dynamodb.get_item().table_name(TABLE_NAME).set_key(Some(HashMap::from(key))).consistent_read(true);
        get.send().await.unwrap().item.unwrap_or_default()
    }

    pub(crate) async fn request(&self) -> Item {
        self.item(&format!("REQUEST#{REQUEST}"), "REQUEST").await
    }

    pub(crate) async fn drop_table(&self) {
        self.dynamodb.delete_table().table_name(TABLE_NAME).send().await.unwrap();
    }
}

/// An event of `events/request/`.
pub(crate) fn event(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../events/request/{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// An input with one member changed; `null` takes it out.
pub(crate) fn with(mut input: Value, name: &str, value: Value) -> Value {
    input[name] = value;
    input
}

pub(crate) fn link() -> LinkId {
    LinkId::parse(LINK).unwrap()
}

/// What the caller reads.
pub(crate) fn written(answer: &Response) -> Value {
    json!(answer)
}

pub(crate) fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).map_or("(absent)", |value| value.as_s().unwrap())
}

fn secrets(text: &Arc<Mutex<String>>) -> Secret {
    let text = Arc::clone(text);
    let rule = mock!(aws_sdk_secretsmanager::Client::get_secret_value).then_compute_output(move |_| {
        GetSecretValueOutput::builder().secret_string(text.lock().unwrap().as_str()).build()
    });
    Secret::new(mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [&rule]), "belvo".to_owned())
}

fn queue(sent: &Arc<Mutex<Vec<String>>>) -> Queue {
    let sent = Arc::clone(sent);
    let rule = mock!(aws_sdk_sqs::Client::send_message_batch).then_compute_output(move |input| {
        sent.lock().unwrap().extend(input.entries().iter().map(|entry| entry.message_body().to_owned()));
        let output = SendMessageBatchOutput::builder().set_successful(Some(Vec::new()));
        output.set_failed(Some(Vec::new())).build().unwrap()
    });
    Queue::new(mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&rule]), "http://queue".to_owned())
}
