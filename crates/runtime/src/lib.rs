//! The common base of the functions: settings, AWS configuration, secrets, logs and metrics.

pub mod aws;
mod event_log;
pub mod logging;
pub mod metrics;
mod secret;
mod settings;
mod webhook_credentials;

pub use event_log::{EventLog, Level, LogEvent};
pub use secret::{Secret, SecretError, SecretText, SecretVersion, secrets_client};
pub use settings::{InvalidSetting, bounded, optional, parsed, required};
pub use webhook_credentials::{Authorization, Scheme, WebhookCredentials};
