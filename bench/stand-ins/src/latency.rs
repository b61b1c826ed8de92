//! How long the services take, beside their work.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a call takes, at least. It can be changed while the stand-ins run; what is not named takes no time.
#[derive(clap::Args, Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Latencies {
    /// How long each call to DynamoDB takes, at least.
    #[arg(long, default_value_t = 0)]
    pub(crate) dynamodb_latency_ms: u64,
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
