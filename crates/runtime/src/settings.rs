//! Settings in environment variables, which the template sets.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// An invalid setting, with which the function does not start. The text does not hold its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSetting {
    /// The variable is missing or empty.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// The variable has a malformed value.
    #[error("the environment variable {0} is malformed")]
    Malformed(&'static str),
    /// The variable holds a number that is too small or too large.
    #[error("the environment variable {name} must be from {smallest} to {largest}")]
    OutOfRange {
        /// The name of the variable.
        name: &'static str,
        /// The minimum.
        smallest: u64,
        /// The maximum.
        largest: u64,
    },
}

/// Returns the value of a variable, or `None` if it is missing or empty.
#[must_use]
pub fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Returns the value of a variable.
///
/// # Errors
/// [`InvalidSetting::Missing`]
pub fn required(name: &'static str) -> Result<String, InvalidSetting> {
    optional(name).ok_or(InvalidSetting::Missing(name))
}

/// Returns the parsed value of a variable, or the default if it is missing or empty.
///
/// # Errors
/// [`InvalidSetting::Malformed`] if the value cannot be parsed: a typing error must not become the default.
pub fn parsed<T: FromStr>(name: &'static str, default: T) -> Result<T, InvalidSetting> {
    optional(name).map_or(Ok(default), |text| text.trim().parse().map_err(|_| InvalidSetting::Malformed(name)))
}

/// Returns the whole number of a variable, or the default if it is missing or empty. The template checks the same limits, but a
/// variable can also be set by hand. A fraction is rounded up, because CloudFormation accepts 0.5 for a parameter of the type
/// Number.
///
/// # Errors
/// [`InvalidSetting::Malformed`] as in [`parsed`], and [`InvalidSetting::OutOfRange`].
pub fn bounded<T>(name: &'static str, default: T, range: RangeInclusive<T>) -> Result<T, InvalidSetting>
where
    T: FromStr + PartialOrd + Copy + Into<u64>,
{
    let value = optional(name).map_or(Some(default), |text| whole(text.trim()));
    within(name, value.ok_or(InvalidSetting::Malformed(name))?, range)
}

/// Parses a number and rounds it up.
fn whole<T: FromStr>(text: &str) -> Option<T> {
    let rounded =
        || text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| format!("{:.0}", number.ceil()));
    text.parse().ok().or_else(|| rounded()?.parse().ok())
}

fn within<T>(name: &'static str, value: T, range: RangeInclusive<T>) -> Result<T, InvalidSetting>
where
    T: PartialOrd + Copy + Into<u64>,
{
    let out_of_range =
        InvalidSetting::OutOfRange { name, smallest: (*range.start()).into(), largest: (*range.end()).into() };
    if range.contains(&value) { Ok(value) } else { Err(out_of_range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_there_is_read_and_a_wrong_one_is_no_default() {
        // PATH is there on every machine that runs this test, and is no number.
        assert!(required("PATH").is_ok());
        assert_eq!(parsed("PATH", 7_u8), Err(InvalidSetting::Malformed("PATH")));
    }

    #[test]
    fn a_number_outside_of_its_range_is_refused_with_the_range() {
        assert_eq!([1, 900, 3_600].map(|value| within("CAP", value, 1..=3_600_u64)), [Ok(1), Ok(900), Ok(3_600)]);
        for value in [0, 3_601, u64::MAX] {
            let refused = within("CAP", value, 1..=3_600_u64).unwrap_err();
            assert_eq!(refused.to_string(), "the environment variable CAP must be from 1 to 3600");
        }
        assert_eq!(bounded("BELVO_SYNC_NO_SUCH", 7_u32, 1..=10), Ok(7));
    }

    #[test]
    fn a_fraction_is_rounded_up_and_what_is_no_number_is_refused() {
        assert_eq!(["0.5", "1.0", "72", "1e2", "719.01"].map(whole::<u32>), [1, 1, 72, 100, 720].map(Some));
        assert_eq!(["", "x", "-1", "NaN", "inf", "1e20", "0x10"].map(whole::<u32>), [None; 7]);
        assert_eq!(bounded("PATH", 7_u32, 1..=10), Err(InvalidSetting::Malformed("PATH")));
    }

    #[test]
    fn a_missing_variable_is_named_or_has_its_default() {
        assert_eq!(required("BELVO_SYNC_NO_SUCH"), Err(InvalidSetting::Missing("BELVO_SYNC_NO_SUCH")));
        assert_eq!(parsed("BELVO_SYNC_NO_SUCH", 7_u8), Ok(7));
    }
}
