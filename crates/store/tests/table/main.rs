//! The guarantees of the table, on a local DynamoDB engine.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod conflicts;
mod events;
mod given;
mod idempotency;
mod passes;
mod purge;
mod records;
mod requests;
mod round_trip;
mod upgrade;
