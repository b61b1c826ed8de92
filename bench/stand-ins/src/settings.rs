//! Settings of the services.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Minimum latencies, and the limit of a partition. They can be changed while the stand-ins run; 0, the default, is none.
#[derive(clap::Args, Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Minimum latency of a call to DynamoDB.
    #[arg(long, default_value_t = 0)]
    pub(crate) dynamodb_latency_ms: u64,
    /// Maximum write units of a partition key in a second, above which it throttles. DynamoDB's limit is 1,000; 0 is none.
    #[arg(long, default_value_t = 0)]
    pub(crate) partition_write_units: u32,
    /// Minimum latency of a call to SQS.
    #[arg(long, default_value_t = 0)]
    pub(crate) sqs_latency_ms: u64,
    /// Minimum latency of a call to Secrets Manager.
    #[arg(long, default_value_t = 0)]
    pub(crate) secrets_latency_ms: u64,
}

/// Waits for a latency, without using CPU.
pub(crate) async fn wait(latency_ms: u64) {
    if latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(latency_ms)).await;
    }
}
