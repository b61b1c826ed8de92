//! Printing: results to standard output, as text or as JSON; progress and notes to standard error.

use std::io::{self, Write};
use std::time::Duration;

use domain::EpochMillis;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::error::Error;

/// Returns the text with U+FFFD in place of each control character.
pub(crate) fn without_control_characters(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// Formats a time in ISO 8601, in UTC, to the second.
pub(crate) fn format_time(at: EpochMillis) -> String {
    Timestamp::from_second(at.div_euclid(1_000)).map_or_else(|_| "?".to_owned(), |time| time.to_string())
}

/// The printer of a command's results.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    is_json: bool,
}

impl Output {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// Prints a result: the text, or with `--json` the object.
    pub(crate) fn result(self, text: &str, object: &impl Serialize) {
        let line = if self.is_json {
            serde_json::to_string(object).unwrap_or_default()
        } else {
            // Some of the text comes from senders of webhooks: it must not control the terminal.
            without_control_characters(text)
        };

        // A closed pipe (`| head`) does not stop a command that has begun.
        let _ = writeln!(io::stdout(), "{line}");
    }

    /// Prints advice on the next step. Omitted with `--json`.
    pub(crate) fn hint(self, text: &str) {
        if !self.is_json {
            eprintln!("{text}");
        }
    }

    /// Prints information beside the result to standard error: the text, or with `--json` the object.
    pub(crate) fn note(self, text: &str, object: &impl Serialize) {
        if self.is_json {
            eprintln!("{}", serde_json::to_string(object).unwrap_or_default());
        } else {
            eprintln!("{text}");
        }
    }

    /// Prints the error that ended the command.
    pub(crate) fn error(self, error: &Error) {
        if self.is_json {
            eprintln!("{}", json!({ "error": error.to_string() }));
        } else {
            eprintln!("error: {error}");
        }
    }

    /// Shows a spinner on a terminal. Hidden with `--json`.
    pub(crate) fn progress(self, message: &str) -> ProgressBar {
        let bar = if self.is_json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        bar.set_style(ProgressStyle::default_spinner());
        bar.set_message(message.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_formatted_in_utc() {
        assert_eq!(format_time(1_795_262_401_999), "2026-11-21T12:00:01Z");
    }

    #[test]
    fn text_of_a_sender_does_not_control_the_terminal() {
        assert_eq!(without_control_characters("a\u{1b}[2Jb\nc é"), "a\u{fffd}[2Jb\u{fffd}c é");
    }
}
