//! The AWS configuration that the clients share.

use std::time::Duration;

use aws_config::BehaviorVersion;
pub use aws_config::SdkConfig;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;

/// How long one call may take.
#[derive(Debug, Clone, Copy)]
pub struct CallLimit {
    /// All its attempts included.
    pub total: Duration,
    /// One attempt.
    pub attempt: Duration,
}

/// How long a TCP and TLS connection may take. Inside a region it takes milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(700);

/// Region, credentials and endpoint from the environment. Lambda gives credentials there and
/// nowhere else. Every call is small and has its [`timeouts`]: watching how fast its bytes go would be work for nothing.
pub async fn config() -> SdkConfig {
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let defaults = aws_config::defaults(BehaviorVersion::v2026_01_12()).credentials_provider(credentials);
    defaults.stalled_stream_protection(StalledStreamProtectionConfig::disabled()).load().await
}

/// Bounds every call of a client.
#[must_use]
pub fn timeouts(limit: CallLimit) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(limit.attempt))
        .operation_timeout(limit.total)
        .operation_attempt_timeout(limit.attempt)
        .build()
}
