//! The senders of queue messages.

use serde::{Deserialize, Serialize};

/// The sender of a queue message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Belvo, through the webhook function.
    Webhook,
    /// An operator or application that requested a new listing or an erasure.
    Resync,
    /// The reconcile function, on its schedule.
    Reconcile,
    /// The sync function, for work that did not fit into an invocation.
    Continuation,
}

impl Source {
    /// Returns the word for it in messages, in the table and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Resync => "resync",
            Self::Reconcile => "reconcile",
            Self::Continuation => "continuation",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_source_is_the_one_that_messages_carry() {
        for source in [Source::Webhook, Source::Resync, Source::Reconcile, Source::Continuation] {
            assert_eq!(serde_json::to_value(source).unwrap(), source.as_str());
        }
    }
}
