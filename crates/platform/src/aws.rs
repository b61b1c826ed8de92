//! The AWS configuration that the clients share.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

/// How long one call may take, all its attempts included.
#[derive(Debug, Clone, Copy)]
pub struct CallLimit(pub Duration);

/// How long a TCP and TLS connection may take. Inside a region it takes milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(700);

/// Region, credentials and endpoint from the environment, one HTTP client for all.
pub async fn config() -> SdkConfig {
    aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await
}

/// Bounds every call of a client.
#[must_use]
pub fn timeouts(limit: CallLimit) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(limit.0))
        .operation_timeout(limit.0)
        .operation_attempt_timeout(limit.0.mul_f64(0.6))
        .build()
}
