//! A job that is dropped after its k-th call to DynamoDB or to Belvo, for every k: whatever it had done by then, the next
//! delivery of its message brings the table to where it would have been.
//!
//! "After its k-th call" means that the call has been sent: it may take effect or not, and later than the drop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use domain::{Message, now};
use fake_belvo::{IdIn, Settings};
use tokio::sync::Notify;

use super::world::{World, ids, message, sqs, text};

/// Counts calls to DynamoDB and says when one is sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    sent: Arc<AtomicUsize>,
    wanted: Arc<AtomicUsize>,
    reached: Arc<Notify>,
}

impl Calls {
    pub(crate) fn count_from_now_until(&self, wanted: usize) {
        self.sent.store(0, Ordering::SeqCst);
        self.wanted.store(wanted, Ordering::SeqCst);
    }

    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    /// Waits until the wanted call is sent.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Ends the waiting: there are fewer calls.
    pub(crate) fn give_up(&self) {
        self.reached.notify_one();
    }
}

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "calls"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.sent.fetch_add(1, Ordering::SeqCst) + 1 == self.wanted.load(Ordering::SeqCst) {
            self.reached.notify_one();
        }
        Ok(())
    }
}

/// What a job is to do, in a world that is made for it.
#[derive(Debug, Clone, Copy)]
enum Task {
    FirstListing,
    /// With something new, something changed, something dropped without a word, and something that is there again.
    Listing,
    New,
    /// With the filter for ids, and without it.
    Updated(IdIn),
    Deleted,
    /// Long after it was announced.
    DeletedLate,
}

const TASKS: [Task; 7] = [
    Task::FirstListing,
    Task::Listing,
    Task::New,
    Task::Updated(IdIn::Allowed),
    Task::Updated(IdIn::Refused),
    Task::Deleted,
    Task::DeletedLate,
];

struct Prepared {
    world: World,
    message: Message,
    /// What has to be a tombstone in the end.
    tombstoned: Vec<String>,
}

impl Task {
    async fn prepare(self) -> Prepared {
        let world = World::with_transactions(6).await;
        let long_ago = now() - 60_000;
        let announced = |code: &str, data: &str, at| message("TRANSACTIONS", code, data, at);
        if matches!(self, Self::FirstListing) {
            let message = announced("historical_update", r#"{"total_transactions":6}"#, now());
            return Prepared { world, message, tombstoned: Vec::new() };
        }
        if !matches!(self, Self::Updated(IdIn::Refused)) {
            world.list_transactions().await;
        }
        let gone = world.change(r#"{"delete":1,"refresh_accounts":false}"#).await.deleted;
        match self {
            Self::FirstListing => unreachable!("returned above"),
            Self::Listing => {
                let restored = world.change(r#"{"delete":1,"refresh_accounts":false}"#).await.deleted;
                world.succeed("TRANSACTIONS", "transactions_deleted", &ids("deleted", &restored)).await;
                world.change(&format!(r#"{{"restore":["{}"],"update":1,"add":1}}"#, restored[0])).await;
                Prepared { world, message: announced("historical_update", "{}", now()), tombstoned: Vec::new() }
            }
            Self::New => {
                world.change(r#"{"add":2}"#).await;
                let message = announced("new_transactions_available", r#"{"new_transactions":2}"#, now());
                Prepared { world, message, tombstoned: Vec::new() }
            }
            Self::Updated(id_in) => {
                world.belvo.control().set_settings(Settings { id_in, ..Settings::default() });
                let updated = world.change(r#"{"update":4}"#).await.updated;
                let message =
                    announced("transactions_updated", &ids("updated", &[updated, gone.clone()].concat()), now());
                Prepared { world, message, tombstoned: gone }
            }
            Self::Deleted => {
                super::wait_out_the_clock_margin().await;
                Prepared {
                    world,
                    message: announced("transactions_deleted", &ids("deleted", &gone), now()),
                    tombstoned: gone,
                }
            }
            Self::DeletedLate => {
                let message = announced("transactions_deleted", &ids("deleted", &gone), long_ago);
                Prepared { world, message, tombstoned: gone }
            }
        }
    }

    /// Is the table where this task leads to?
    async fn assert_done(self, Prepared { world, message, tombstoned }: &Prepared, when: &str) {
        world.deliver_continuations().await;
        let outcome = world.event(message).await;
        assert_eq!(text(&outcome, "outcome"), "applied", "{self:?}, dropped after {when}");
        for id in tombstoned {
            let record = world.record("TRANSACTIONS", id).await;
            assert!(record.contains_key("deleted_at"), "{self:?}, dropped after {when}: {id} is no tombstone");
        }
        // The others speak of some transactions only.
        if matches!(self, Self::FirstListing | Self::Listing) {
            world.assert_converged("TRANSACTIONS").await;
        }
        world.list_transactions().await;
        world.assert_converged("TRANSACTIONS").await;
    }
}

#[tokio::test]
async fn a_job_that_is_dropped_after_any_call_to_the_table_is_made_good_by_the_next_delivery() {
    for task in TASKS {
        let calls = count(task).await.0;
        for k in 1..=calls {
            let prepared = task.prepare().await;
            let Prepared { world, message, .. } = &prepared;
            world.calls.count_from_now_until(k);
            let batch = [sqs(message, 1)];
            tokio::select! {
                biased;
                () = world.calls.reached.notified() => {}
                _ = world.deliver(&batch) => panic!("{task:?} ended before call {k} of {calls}"),
            }
            assert_eq!(world.deliver(&[sqs(message, 2)]).await, [""; 0], "{task:?}, dropped after call {k}");
            task.assert_done(&prepared, &format!("call {k} of {calls} to the table")).await;
        }
    }
}

#[tokio::test]
async fn a_job_that_is_dropped_after_any_request_to_belvo_is_made_good_by_the_next_delivery() {
    for task in TASKS {
        let requests = count(task).await.1;
        for k in 1..=requests {
            let prepared = task.prepare().await;
            let Prepared { world, message, .. } = &prepared;
            world.breaks(&format!(r#"[{{"fault":"hang","after":{},"count":1}}]"#, k - 1));
            let hangs = async {
                while world.belvo.control().faults()[0].fired == 0 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            let batch = [sqs(message, 1)];
            tokio::select! {
                () = hangs => {}
                _ = world.deliver(&batch) => panic!("{task:?} ended before request {k} of {requests}"),
            }
            world.belvo.control().clear_faults();
            assert_eq!(world.deliver(&[sqs(message, 2)]).await, [""; 0], "{task:?}, dropped after request {k}");
            task.assert_done(&prepared, &format!("request {k} of {requests} to Belvo")).await;
        }
    }
}

/// How many calls to DynamoDB and requests to Belvo the task takes when nothing happens to it.
async fn count(task: Task) -> (usize, u64) {
    let prepared = task.prepare().await;
    let Prepared { world, message, .. } = &prepared;
    world.calls.count_from_now_until(usize::MAX);
    world.belvo.control().clear_requests();
    assert_eq!(world.deliver(&[sqs(message, 1)]).await, [""; 0], "{task:?}");
    let counts = (world.calls.sent(), world.belvo.control().requests().total);
    task.assert_done(&prepared, "nothing").await;
    counts
}
