//! The function as Lambda calls it, between a served Belvo and a real DynamoDB engine.

use std::time::Duration;

mod by_id;
mod crashes;
mod deletions;
mod erasure;
mod every_resource;
mod histories;
mod hostile_belvo;
mod link;
mod lists;
mod log_events;
mod long_lists;
mod odd_belvo;
mod odd_lists;
mod queue;
mod random_listings;
mod requests;
mod shown_again;
mod throttling;
mod world;

const TRANSACTIONS: &str = "/api/transactions/";

/// Waits longer than the margin for differences of clocks, so that an earlier pass does not count as a later one.
async fn wait_out_the_clock_margin() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}
