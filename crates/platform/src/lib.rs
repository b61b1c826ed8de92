//! What every function needs from its surroundings: settings from the environment, the AWS configuration, secrets, logs
//! and metrics.

pub mod aws;
mod journal;
pub mod logging;
pub mod metrics;
mod secret;
mod settings;
mod webhook_credentials;

pub use journal::{Journal, Level, Line, Value};
pub use secret::{Secret, SecretText, SecretUnavailable, SecretVersion};
pub use settings::{InvalidSetting, optional, parsed, required};
pub use webhook_credentials::{Authorization, Scheme, WebhookCredentials};
