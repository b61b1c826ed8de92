//! Random histories: whatever happens at Belvo, and however its webhooks arrive, the table converges.
//!
//! A history is a list of steps. Belvo adds, changes, deletes and brings back transactions, each announced by a webhook that
//! is delivered at once, later, twice, out of order or never; deliveries meet faults at Belvo or are dropped in the middle
//! of their work, as by a crash. At rest, after one whole listing, *converged* has to hold: what Belvo lists is stored with
//! Belvo's content, what was announced as deleted is a tombstone, what Belvo dropped without our hearing of it is marked.

use std::collections::HashSet;
use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use domain::{Message, now};
use fake_belvo::{IdIn, Settings};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;

use super::world::{World, ids, message, sqs};

/// How many histories a run tries, unless `PROPTEST_CASES` says otherwise (`make soak` does).
const HISTORIES: u32 = 100;
/// Transactions in the beginning: few, so that steps meet the same ones.
const TRANSACTIONS: usize = 8;

#[derive(Debug, Clone)]
enum Step {
    /// New transactions.
    Add(usize),
    /// Changes to some.
    Update(usize),
    /// Some are deleted.
    Delete(usize),
    /// Some that were deleted are there again.
    Restore(usize),
    /// The historical update is announced once more.
    Announce,
    /// One of the webhooks that are on their way arrives, and perhaps arrives again later.
    Deliver { which: Index, again: bool, mishap: Mishap },
    /// One of them never arrives.
    Lose(Index),
}

#[derive(Debug, Clone, Copy)]
enum Mishap {
    None,
    /// Belvo answers so, once, after some requests.
    Fault {
        fault: &'static str,
        after: u64,
    },
    /// Belvo's lists still show what was deleted.
    Lag,
    /// Belvo does so with a filter for ids.
    Filter(IdIn),
    /// The invocation is dropped after so many milliseconds.
    Crash(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<Index>();
    prop_oneof![
        2 => (1_usize..4).prop_map(Step::Add),
        2 => (1_usize..4).prop_map(Step::Update),
        2 => (1_usize..4).prop_map(Step::Delete),
        1 => (1_usize..3).prop_map(Step::Restore),
        1 => Just(Step::Announce),
        6 => (which.clone(), any::<bool>(), mishap()).prop_map(|(which, again, mishap)| Step::Deliver { which, again, mishap }),
        1 => which.prop_map(Step::Lose),
    ]
}

fn mishap() -> impl Strategy<Value = Mishap> {
    let fault = prop_oneof![
        Just(r#"{"status":500}"#),
        Just(r#"{"status":429}"#),
        Just(r#"{"status":408}"#),
        Just(r#""html_403""#),
        Just(r#""cut_body""#),
        Just(r#""garbage""#),
        Just(r#"{"wrong_count":1}"#),
        Just(r#"{"status":502}"#),
        Just(r#"{"delay_ms":30}"#),
        Just(r#"{"foreign_next":"http://elsewhere.example/"}"#),
        Just(r#"{"error":{"status":400,"code":"too_many_sessions"}}"#),
    ];
    prop_oneof![
        4 => Just(Mishap::None),
        2 => (fault, 0_u64..3).prop_map(|(fault, after)| Mishap::Fault { fault, after }),
        2 => Just(Mishap::Lag),
        1 => prop_oneof![Just(IdIn::Refused), Just(IdIn::BadRequest), Just(IdIn::Ignored)].prop_map(Mishap::Filter),
        2 => (1_u64..40).prop_map(Mishap::Crash),
    ]
}

/// One run of a history.
struct History {
    world: World,
    /// Webhooks that were sent and have not arrived.
    on_their_way: Vec<Message>,
    /// What Belvo does not have at the moment.
    deleted: Vec<String>,
    /// Deletions that we were told of.
    announced_deleted: HashSet<String>,
}

impl History {
    async fn play(steps: Vec<Step>) {
        let world = World::with_transactions(TRANSACTIONS).await;
        let mut history =
            Self { world, on_their_way: Vec::new(), deleted: Vec::new(), announced_deleted: HashSet::new() };
        for step in steps {
            Box::pin(history.take(step)).await;
        }
        history.come_to_rest().await;
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Add(count) => {
                let added = self.world.change(&format!(r#"{{"add":{count}}}"#)).await.added.len();
                self.send("new_transactions_available", &format!(r#"{{"new_transactions":{added}}}"#));
            }
            Step::Update(count) => {
                let count = count.min(self.present());
                let updated = self.world.change(&format!(r#"{{"update":{count}}}"#)).await.updated;
                self.send("transactions_updated", &ids("updated", &updated));
            }
            Step::Delete(count) => {
                let count = count.min(self.present());
                let deleted = self.world.change(&format!(r#"{{"delete":{count}}}"#)).await.deleted;
                self.send("transactions_deleted", &ids("deleted", &deleted));
                self.deleted.extend(deleted);
            }
            Step::Restore(count) => {
                let restored: Vec<_> = self.deleted.drain(..count.min(self.deleted.len())).collect();
                let ids = serde_json::to_string(&restored).unwrap();
                self.world.change(&format!(r#"{{"restore":{ids}}}"#)).await;
                self.send("new_transactions_available", r#"{"new_transactions":0}"#);
            }
            Step::Announce => self.send("historical_update", "{}"),
            Step::Deliver { .. } | Step::Lose(_) if self.on_their_way.is_empty() => {}
            Step::Deliver { which, again, mishap } => {
                let message = self.on_their_way.remove(which.index(self.on_their_way.len()));
                if again {
                    self.on_their_way.push(message.clone());
                }
                if !self.deliver(&message, mishap).await {
                    self.on_their_way.push(message);
                }
            }
            Step::Lose(which) => {
                self.on_their_way.remove(which.index(self.on_their_way.len()));
            }
        }
    }

    fn present(&self) -> usize {
        self.world.belvo.control().truth(super::world::LINK, "transactions").unwrap().len()
    }

    fn send(&mut self, code: &str, data: &str) {
        self.on_their_way.push(message("TRANSACTIONS", code, data, now()));
    }

    /// `false` when the message comes back.
    async fn deliver(&mut self, message: &Message, mishap: Mishap) -> bool {
        // The third attempt: fewer new ones than announced are then no reason to come back any more.
        let batch = [sqs(message, 3)];
        let done = match mishap {
            Mishap::None => self.world.deliver(&batch).await.is_empty(),
            Mishap::Fault { fault, after } => {
                self.world.breaks(&format!(r#"[{{"fault":{fault},"count":4,"after":{after}}}]"#));
                let done = self.world.deliver(&batch).await.is_empty();
                self.world.belvo.control().clear_faults();
                done
            }
            Mishap::Lag => self.deliver_with(&batch, Settings { stale_reads_ms: 60_000, ..Settings::default() }).await,
            Mishap::Filter(id_in) => self.deliver_with(&batch, Settings { id_in, ..Settings::default() }).await,
            Mishap::Crash(millis) => {
                let work = self.world.deliver(&batch);
                tokio::time::timeout(Duration::from_millis(millis), work).await.is_ok_and(|failed| failed.is_empty())
            }
        };
        if done && message.webhook.webhook_code() == "transactions_deleted" {
            let ids = message.webhook.data().get("deleted_transactions").map(|raw| raw.get().to_owned());
            let ids: Vec<String> = serde_json::from_str(&ids.unwrap()).unwrap();
            self.announced_deleted.extend(ids);
        }
        self.world.deliver_continuations().await;
        done
    }

    async fn deliver_with(&self, batch: &[SqsMessage], settings: Settings) -> bool {
        self.world.belvo.control().set_settings(settings);
        let done = self.world.deliver(batch).await.is_empty();
        self.world.belvo.control().set_settings(Settings::default());
        done
    }

    async fn come_to_rest(mut self) {
        while let Some(message) = self.on_their_way.pop() {
            assert!(self.deliver(&message, Mishap::None).await, "{} came back", message.webhook.webhook_code());
        }
        self.world.list_transactions().await;
        self.world.assert_converged("TRANSACTIONS").await;
        for id in self.deleted.iter().filter(|id| self.announced_deleted.contains(*id)) {
            let record = self.world.record("TRANSACTIONS", id).await;
            assert!(record.contains_key("deleted_at"), "{id} was announced as deleted, and is no tombstone");
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: HISTORIES, max_shrink_iters: 200, ..Config::default() })]

    #[test]
    fn every_history_converges(steps in proptest::collection::vec(step(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(History::play(steps));
    }
}
