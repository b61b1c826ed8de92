//! A table that takes less in a second than is written to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use test_aws::rejections::{CONFLICT, Rejection, Rejections};

use super::world::{World, message, sqs};
use crate::write::WRITES_AT_ONCE;

/// Two of three of so many writes are refused: more than any store of tokens would last for, ours or the SDK's own.
const TRIED_WRITES: usize = 2_100;
/// All the writes that are under way at once, of four pages, twice.
const FAILURES: usize = 2 * 4 * WRITES_AT_ONCE;

/// What DynamoDB answers when a partition is busy.
const BUSY: Rejection = Rejection {
    status: 400,
    body: r#"{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "busy"}"#,
};
/// The same inside of a transaction: canceled though no condition failed.
const CANCELED: Rejection = Rejection {
    status: 400,
    body: r#"{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "Message": "canceled",
    "CancellationReasons": [{"Code": "None"}, {"Code": "ThrottlingError"}, {"Code": "TransactionConflict"}]}"#,
};
/// The same, and the condition of the link's clock failed too.
const OVERTAKEN: Rejection = Rejection {
    status: 400,
    body: r#"{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "Message": "canceled",
    "CancellationReasons": [{"Code": "ConditionalCheckFailed"}, {"Code": "ThrottlingError"}, {"Code": "None"}]}"#,
};
const FAILED: Rejection = Rejection {
    status: 500,
    body: r#"{"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": "failed"}"#,
};

/// Calls to DynamoDB that are refused: how many are left of each kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Throttle {
    puts: Arc<AtomicUsize>,
    failing_puts: Arc<AtomicUsize>,
    conflicting_updates: Arc<AtomicUsize>,
    transactions: Arc<AtomicUsize>,
    overtaken_transactions: Arc<AtomicUsize>,
}

impl Throttle {
    /// Returns the interceptor that rejects these calls.
    pub(crate) fn interceptor(&self) -> Rejections {
        let throttle = self.clone();
        Rejections::new(move |operation, _| throttle.rejection(operation))
    }

    fn rejection(&self, operation: &str) -> Option<Rejection> {
        match operation {
            "PutItem" if Self::refuses(&self.puts, |left| left % 3 > 0) => Some(BUSY),
            "PutItem" if Self::refuses(&self.failing_puts, |_| true) => Some(FAILED),
            "UpdateItem" if Self::refuses(&self.conflicting_updates, |left| left % 2 > 0) => Some(CONFLICT),
            "TransactWriteItems" if Self::refuses(&self.transactions, |_| true) => Some(CANCELED),
            "TransactWriteItems" if Self::refuses(&self.overtaken_transactions, |_| true) => Some(OVERTAKEN),
            _ => None,
        }
    }

    fn refuses(left: &AtomicUsize, wanted: impl Fn(usize) -> bool) -> bool {
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok_and(wanted)
    }
}

#[tokio::test]
async fn a_load_waits_for_a_partition_that_takes_less_than_it_writes() {
    let world = World::with_transactions(800).await;
    world.throttle.puts.store(TRIED_WRITES, Ordering::SeqCst);
    world.list_transactions().await;
    assert_eq!(world.throttle.puts.load(Ordering::SeqCst), 0, "it was refused less often than that");
    world.assert_converged("TRANSACTIONS").await;
}

#[tokio::test]
async fn a_load_survives_that_all_the_writes_under_way_fail_at_once() {
    let world = World::with_transactions(200).await;
    world.throttle.failing_puts.store(FAILURES, Ordering::SeqCst);
    world.list_transactions().await;
    assert_eq!(world.throttle.failing_puts.load(Ordering::SeqCst), 0);
    world.assert_converged("TRANSACTIONS").await;
}

#[tokio::test]
async fn a_pass_whose_updates_meet_transactions_of_others_sends_them_again() {
    let world = World::with_transactions(3).await;
    world.throttle.conflicting_updates.store(4, Ordering::SeqCst);
    world.list_transactions().await;
    assert_eq!(world.throttle.conflicting_updates.load(Ordering::SeqCst), 0, "it updated fewer items than that");
    world.assert_converged("TRANSACTIONS").await;
}

#[tokio::test]
async fn a_pass_whose_end_is_canceled_because_the_partition_is_busy_tries_to_end_again() {
    let world = World::with_transactions(3).await;
    world.throttle.transactions.store(3, Ordering::SeqCst);
    world.list_transactions().await;
    assert_eq!(world.throttle.transactions.load(Ordering::SeqCst), 0);
    assert!(world.state("TRANSACTIONS").await.contains_key("last_success_at"));
}

#[tokio::test]
async fn a_pass_that_was_overtaken_does_not_try_to_end_again() {
    let world = World::with_transactions(3).await;
    world.throttle.overtaken_transactions.store(2, Ordering::SeqCst);
    let message = message("TRANSACTIONS", "historical_update", "{}", domain::now());
    assert_eq!(world.deliver(&[sqs(&message, 1)]).await.len(), 1, "it comes back");
    assert_eq!(world.throttle.overtaken_transactions.load(Ordering::SeqCst), 1, "it asked once");
    assert!(!world.state("TRANSACTIONS").await.contains_key("last_success_at"));
}
