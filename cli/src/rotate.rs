//! The command `rotate`: replaces a secret while webhooks arrive.

mod belvo_key;
mod webhook_credentials;

use crate::error::Error;
use crate::output::Output;
use crate::stack::Stack;

/// The subcommands of `rotate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum Command {
    /// Generates a new token (or password) for the Authorization header of webhooks. The old one stays valid for the
    /// hours of the parameter `SecretGraceHours`.
    Webhook {
        /// Rotates even while the token before the current one is still valid. That token becomes invalid immediately.
        #[arg(long)]
        force: bool,
    },
    /// Asks for a new API key of Belvo and stores it, if Belvo accepts it.
    Belvo {
        /// Also stores a key of an account whose links the table does not know.
        #[arg(long)]
        another_account: bool,
    },
}

/// Replaces a secret.
pub(crate) async fn run(stack: &Stack, output: Output, command: Command) -> Result<(), Error> {
    match command {
        Command::Webhook { force } => webhook_credentials::rotate(stack, output, force).await,
        Command::Belvo { another_account } => belvo_key::rotate(stack, output, another_account).await,
    }
}
