//! Settings, from environment variables that the template sets.

use std::str::FromStr;

/// A setting that the function cannot start with. Its value is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSetting {
    /// The variable is missing or empty.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// The variable holds something else than it should.
    #[error("the environment variable {0} cannot be read")]
    Unreadable(&'static str),
}

/// The text of a variable; none when it is missing or empty.
#[must_use]
pub fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// The text of a variable.
///
/// # Errors
/// [`InvalidSetting::Missing`]
pub fn required(name: &'static str) -> Result<String, InvalidSetting> {
    optional(name).ok_or(InvalidSetting::Missing(name))
}

/// The parsed value of a variable, or the default where it is missing or empty.
///
/// # Errors
/// [`InvalidSetting::Unreadable`] when there is a text that cannot be parsed: a typing error must not pass for a
/// default.
pub fn parsed<T: FromStr>(name: &'static str, default: T) -> Result<T, InvalidSetting> {
    optional(name).map_or(Ok(default), |text| text.trim().parse().map_err(|_| InvalidSetting::Unreadable(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_there_is_read_and_a_wrong_one_is_no_default() {
        // PATH is there on every machine that runs this test, and is no number.
        assert!(required("PATH").is_ok());
        assert_eq!(parsed("PATH", 7_u8), Err(InvalidSetting::Unreadable("PATH")));
    }

    #[test]
    fn a_missing_variable_is_named_or_has_its_default() {
        assert_eq!(required("BELVO_SYNC_NO_SUCH"), Err(InvalidSetting::Missing("BELVO_SYNC_NO_SUCH")));
        assert_eq!(parsed("BELVO_SYNC_NO_SUCH", 7_u8), Ok(7));
    }
}
