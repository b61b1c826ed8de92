//! Who puts messages into the queue.

use serde::{Deserialize, Serialize};

/// Who put a message into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Belvo, through the webhook function.
    Webhook,
    /// A person who asked for a link to be listed again.
    Resync,
    /// The schedule.
    Reconcile,
    /// The sync function itself, which had more to do than fits into one invocation.
    Continuation,
}

impl Source {
    /// The word for it, in messages, in the table and on the command line.
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
