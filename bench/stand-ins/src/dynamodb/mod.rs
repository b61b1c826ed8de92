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

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

pub(crate) use table::Table;

use crate::app::{App, lock};
use crate::fault::answer;
use crate::settings::wait;

/// Answers one call, after its latency.
pub(crate) async fn serve(app: &App, operation: &str, body: &[u8], latency_ms: u64) -> Response {
    let _under_way = UnderWay::begin(app, operation, body.len());
    wait(latency_ms).await;
    let (result, units) = operations::carry_out(&app.table, operation, body);
    let mut stats = lock(&app.stats);
    stats.charge(units);
    match result {
        Ok(output) => answer(StatusCode::OK, output),
        Err(fault) => {
            stats.refused("dynamodb", operation, fault.kind());
            fault.into_response()
        }
    }
}

/// A call that is under way; also one whose client went away is counted out again.
struct UnderWay<'a>(&'a App);

impl<'a> UnderWay<'a> {
    fn begin(app: &'a App, operation: &str, bytes: usize) -> Self {
        let mut stats = lock(&app.stats);
        stats.called("dynamodb", operation, bytes);
        stats.dynamodb_began();
        Self(app)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.0.stats).dynamodb_ended();
    }
}

#[cfg(test)]
mod tests;
