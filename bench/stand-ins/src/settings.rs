//! How the services behave, beside doing their work.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a call takes, at least, and what a partition takes. It can be changed while the stand-ins run; what is not
/// named takes no time, and has no limit.
#[derive(clap::Args, Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// How long each call to DynamoDB takes, at least.
    #[arg(long, default_value_t = 0)]
    pub(crate) dynamodb_latency_ms: u64,
    /// Write units that a partition key takes in a second; what is more is throttled. DynamoDB's limit is 1,000; 0 is none.
    #[arg(long, default_value_t = 0)]
    pub(crate) partition_write_units: u32,
    /// How long each call to SQS takes, at least.
    #[arg(long, default_value_t = 0)]
    pub(crate) sqs_latency_ms: u64,
    /// How long each call to Secrets Manager takes, at least.
    #[arg(long, default_value_t = 0)]
    pub(crate) secrets_latency_ms: u64,
}

/// Waits a latency out. It is not worked off: it costs no CPU.
pub(crate) async fn wait(latency_ms: u64) {
    if latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(latency_ms)).await;
    }
}
