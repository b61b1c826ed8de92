//! What every function needs from its surroundings: settings from the environment, the AWS configuration, secrets and
//! logs.

pub mod aws;
pub mod logging;
mod secret;
mod settings;

pub use secret::{Secret, SecretUnavailable, SecretVersion};
pub use settings::{InvalidSetting, optional, parsed, required};
