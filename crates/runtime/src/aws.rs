//! The AWS configuration that all clients share, and descriptions of failed calls.

use std::time::Duration;

use aws_config::BehaviorVersion;
pub use aws_config::SdkConfig;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;

mod error;

pub use error::describe_error;

/// Timeouts of one call to an AWS service.
#[derive(Debug, Clone, Copy)]
pub struct CallLimit {
    /// Timeout of the call, including all its attempts.
    pub total: Duration,
    /// Timeout of each attempt.
    pub attempt: Duration,
}

/// Timeout of a TCP and TLS handshake. Inside a region it takes a few milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(700);

/// Returns the configuration with region, credentials and endpoint from the environment. Lambda sets the credentials there
/// and nowhere else. Stalled stream protection is off: every call is small and has its [`timeouts`].
pub async fn config() -> SdkConfig {
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let defaults = aws_config::defaults(BehaviorVersion::v2026_01_12()).credentials_provider(credentials);
    defaults.stalled_stream_protection(StalledStreamProtectionConfig::disabled()).load().await
}

/// Returns the timeouts of a client whose calls have this limit.
#[must_use]
pub fn timeouts(limit: CallLimit) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(limit.attempt))
        .operation_timeout(limit.total)
        .operation_attempt_timeout(limit.attempt)
        .build()
}
