//! DynamoDB, with one table in memory.

mod condition;
mod expression;
mod item;
mod operations;
mod query;
mod scope;
mod size;
mod table;
mod throttle;
mod tokens;
mod update;
mod writes;

use std::sync::Mutex;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

pub(crate) use table::Table;

use crate::fault::respond;
use crate::locks::lock;
use crate::settings::wait;
use crate::stats::Stats;

/// Responds to a call, after its latency.
pub(crate) async fn serve(
    table: &Mutex<Table>,
    stats: &Mutex<Stats>,
    operation: &str,
    body: &[u8],
    latency_ms: u64,
) -> Response {
    let _under_way = UnderWay::begin(stats, operation, body.len());
    wait(latency_ms).await;
    let (result, units) = operations::carry_out(table, operation, body);
    let mut stats = lock(stats);
    stats.charge(units);
    match result {
        Ok(output) => respond(StatusCode::OK, output),
        Err(fault) => {
            stats.refused("dynamodb", operation, fault.kind());
            fault.into_response()
        }
    }
}

/// A call in flight. The counter decreases when it is dropped, also after a disconnect.
struct UnderWay<'a>(&'a Mutex<Stats>);

impl<'a> UnderWay<'a> {
    fn begin(stats: &'a Mutex<Stats>, operation: &str, bytes: usize) -> Self {
        let mut counters = lock(stats);
        counters.called("dynamodb", operation, bytes);
        counters.dynamodb_began();
        Self(stats)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(self.0).dynamodb_ended();
    }
}

#[cfg(test)]
mod tests;
