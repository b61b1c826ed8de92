//! A Belvo for the tests whose lists hold whatever a scenario says: rows that are no objects, pages that fail, page sizes
//! that are capped, counts and next pages that lie.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use domain::{Message, now};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::world::{World, message_of, sqs};

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Row {
    /// These bytes; they may be no JSON.
    Bytes(Vec<u8>),
    /// Each page that would hold it is answered with this status.
    Fails(u16),
    /// Each page that would hold it takes longer than the worker waits in [`OddBelvo::hurry`].
    Slow,
}

/// How many times as fast the clock of a worker in a hurry is.
pub(crate) const SPEED: u32 = 10;
/// The timeout of a response for such a worker.
const PATIENCE: Duration = Duration::from_millis(25_000 / SPEED as u64);

/// How many rows a page gives at most.
#[derive(Debug, Clone)]
pub(crate) enum Cap {
    None,
    Size(usize),
    /// The whole list is one page, whatever is asked for.
    Whole,
    /// A size for each request in turn, again and again.
    Changing(Vec<usize>),
}

/// One list of one link.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) rows: Vec<Row>,
    pub(crate) cap: Cap,
    /// JSON in place of `count`; `{}` in it stands for the right one. Empty: no such member.
    pub(crate) count: String,
    /// Only the first page has a count.
    pub(crate) counts_once: bool,
    /// JSON in place of `next`, where a page follows.
    pub(crate) next: String,
    /// Does the last page have a `next`, too?
    pub(crate) has_endless_next: bool,
    /// So many of the first requests are answered with 500.
    pub(crate) failures: usize,
    /// So many requests are answered; then Belvo gives no list.
    pub(crate) ends_after: usize,
    pub(crate) requests: Vec<(usize, usize)>,
}

impl List {
    pub(crate) fn of(rows: Vec<Row>) -> Self {
        Self {
            rows,
            cap: Cap::None,
            count: "{}".to_owned(),
            counts_once: false,
            next: r#""/api/transactions/?page=2""#.to_owned(),
            has_endless_next: false,
            failures: 0,
            ends_after: usize::MAX,
            requests: Vec::new(),
        }
    }

    fn answer(&mut self, page: usize, asked: usize) -> ResponseTemplate {
        self.requests.push((page, asked));
        let number = self.requests.len();
        if number <= self.failures || number > self.ends_after {
            return error(500, "unexpected_error");
        }
        let size = match &self.cap {
            Cap::None => asked,
            Cap::Size(size) => asked.min(*size),
            Cap::Whole => self.rows.len().max(1),
            Cap::Changing(sizes) => asked.min(sizes[number % sizes.len()]),
        };
        let begin = (page - 1) * size;
        if begin >= self.rows.len() && page > 1 {
            return error(404, "not_found");
        }
        let end = (begin + size).min(self.rows.len());
        let mut rows = Vec::new();
        for row in &self.rows[begin..end] {
            match row {
                Row::Bytes(bytes) => rows.push(bytes.clone()),
                Row::Fails(status) => return error(*status, "unexpected_error"),
                Row::Slow => return error(500, "unexpected_error").set_delay(PATIENCE * 4),
            }
        }
        let has_next = end < self.rows.len() || self.has_endless_next;
        let next = if has_next { self.next.as_str() } else { "null" };
        let count = self.count.replace("{}", &self.rows.len().to_string());
        let count = if count.is_empty() || (self.counts_once && page > 1) {
            String::new()
        } else {
            format!(r#""count":{count},"#)
        };
        let head = format!(r#"{{{count}"next":{next},"previous":null,"results":["#);
        ResponseTemplate::new(200).set_body_bytes([head.as_bytes(), &rows.join(&b','), b"]}"].concat())
    }
}

fn error(status: u16, code: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_string(format!(r#"[{{"code":"{code}","message":"m","request_id":"r"}}]"#))
}

/// The lists of transactions of some links, served, and a worker that reads them.
pub(crate) struct OddBelvo {
    pub(crate) world: World,
    lists: Arc<Mutex<HashMap<String, List>>>,
    server: MockServer,
}

impl OddBelvo {
    pub(crate) async fn start() -> Self {
        let mut world = World::with_transactions(0).await;
        let server = MockServer::builder().disable_request_recording().start().await;
        let lists = Arc::new(Mutex::new(HashMap::<String, List>::new()));
        let shared = Arc::clone(&lists);
        let answer = move |request: &Request| {
            let query: HashMap<_, _> = request.url.query_pairs().collect();
            let mut lists = shared.lock().unwrap();
            if request.url.path().starts_with("/api/links/") {
                return ResponseTemplate::new(200).set_body_string(r#"{"id":"l","status":"valid"}"#);
            }
            let Some(list) = query.get("link").and_then(|link| lists.get_mut(link.as_ref())) else {
                return error(404, "not_found");
            };
            let number = |name: &str| query[name].parse().unwrap();
            list.answer(number("page"), number("page_size"))
        };
        Mock::given(any()).respond_with(answer).mount(&server).await;
        world.ask_without_quick_retries(server.uri());
        Self { world, lists, server }
    }

    /// From now on the worker's clock is [`SPEED`] times as fast, and a new execution environment works on each message: it
    /// knows nothing of what an earlier one learned.
    pub(crate) fn hurry(&mut self) {
        let requests_per_30s = NonZeroU32::new(3_000_000).unwrap();
        let limits = belvo::Limits {
            requests_per_30s,
            quick_retries: 0,
            response_timeout: PATIENCE,
            ..belvo::Limits::default()
        };
        self.world.ask_within(self.server.uri(), limits);
        let crate::deadlines::TimeBudgets { pages, by_id, comparing } = crate::deadlines::TIME_BUDGETS;
        self.world.worker.budgets =
            crate::deadlines::TimeBudgets { pages: pages / SPEED, by_id: by_id / SPEED, comparing: comparing / SPEED };
    }

    /// The link has this list from now on.
    pub(crate) fn set(&self, link: &str, list: List) {
        self.lists.lock().unwrap().insert(link.to_owned(), list);
    }

    /// Page number and page size of each request for the link's list since it was set.
    pub(crate) fn requests(&self, link: &str) -> Vec<(usize, usize)> {
        self.lists.lock().unwrap()[link].requests.clone()
    }

    /// Delivers a historical update until its work is done, at most so many times. Gives the message, and how often it, or a
    /// continuation of it, was delivered.
    pub(crate) async fn list(&self, link: &str, data: &str, most: u32) -> Result<(Message, u32), String> {
        let body = format!(
            r#"{{"webhook_type":"TRANSACTIONS","webhook_code":"historical_update","link_id":"{link}","data":{data}}}"#
        );
        let mut message = message_of(&body, now());
        let (mut attempt, mut deliveries) = (0, 0);
        while deliveries < most {
            (attempt, deliveries) = (attempt + 1, deliveries + 1);
            let batch: [SqsMessage; 1] = [sqs(&message, attempt)];
            if !self.world.deliver(&batch).await.is_empty() {
                continue;
            }
            let Some(body) = self.world.sent.lock().unwrap().pop() else { return Ok((message, deliveries)) };
            message = Message::decode(&body).unwrap();
            attempt = 0;
        }
        Err(format!("still at work after {deliveries} deliveries"))
    }
}

/// A transaction with this id.
pub(crate) fn transaction(id: &str) -> Row {
    Row::Bytes(format!(r#"{{"id":"{id}","value_date":"2024-01-01","amount":1.50}}"#).into_bytes())
}
