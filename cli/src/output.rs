//! What a command prints: results to standard output, for people or as JSON; progress to standard error.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::error::Error;

/// The same without control characters.
pub(crate) fn harmless(words: &str) -> String {
    words.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// Epoch milliseconds in ISO 8601, to the second.
pub(crate) fn moment(at: i64) -> String {
    Timestamp::from_second(at.div_euclid(1_000)).map_or_else(|_| "?".to_owned(), |moment| moment.to_string())
}

/// Where a command prints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    is_json: bool,
}

impl Output {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// A result: these words for people, this object for programs.
    pub(crate) fn result(self, words: &str, object: &impl Serialize) {
        let line = if self.is_json {
            serde_json::to_string(object).unwrap_or_default()
        } else {
            // Some of it is what a sender wrote: nothing of that may steer the terminal.
            harmless(words)
        };
        // That nobody reads on (`| head`) is no reason to stop what was begun.
        let _ = writeln!(io::stdout(), "{line}");
    }

    /// What to do next. For people alone.
    pub(crate) fn hint(self, words: &str) {
        if !self.is_json {
            eprintln!("{words}");
        }
    }

    /// What has to be known beside the result: to standard error, for people and for programs.
    pub(crate) fn note(self, words: &str, object: &impl Serialize) {
        if self.is_json {
            eprintln!("{}", serde_json::to_string(object).unwrap_or_default());
        } else {
            eprintln!("{words}");
        }
    }

    pub(crate) fn error(self, error: &Error) {
        if self.is_json {
            eprintln!("{}", json!({ "error": error.to_string() }));
        } else {
            eprintln!("error: {error}");
        }
    }

    /// Shows that something goes on, where somebody can see it.
    pub(crate) fn progress(self, what: &str) -> ProgressBar {
        let bar = if self.is_json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        bar.set_style(ProgressStyle::default_spinner());
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc() {
        assert_eq!(moment(1_795_262_401_999), "2026-11-21T12:00:01Z");
    }

    #[test]
    fn what_a_sender_wrote_does_not_steer_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\nc é"), "a\u{fffd}[2Jb\u{fffd}c é");
    }
}
