//! Exact decimal numbers: the digits that Belvo sent, never through a float.

/// A JSON number in the one spelling that stands for its value: no leading or trailing zeros, no `+`, `-0` is `0`.
///
/// DynamoDB's `N` keeps 38 significant digits between 1E-130 and 9.99E+125; a number beyond that is not a
/// [`Number`] and is stored as text. (Source: DynamoDB developer guide, "Data types: Number".)
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

/// DynamoDB's precision, in significant decimal digits.
const MAX_DIGITS: usize = 38;
/// DynamoDB's range, as the power of ten of the first significant digit.
const MAGNITUDE: std::ops::RangeInclusive<i64> = -130..=125;
/// Numbers with more zeros than this before or after their digits are written with an exponent.
const MAX_PLAIN_ZEROS: i64 = 20;

impl Number {
    /// Reads the text of a JSON number. `None` when DynamoDB could not keep every digit of it.
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        let (negative, magnitude) = json.strip_prefix('-').map_or((false, json), |rest| (true, rest));
        let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = [whole, fraction].concat();
        let digits = all_digits.trim_start_matches('0').trim_end_matches('0');
        if digits.is_empty() {
            return (!all_digits.is_empty()).then(|| Self("0".into()));
        }
        let trailing_zeros = length(&all_digits) - length(all_digits.trim_end_matches('0'));
        // The value is `digits` x 10^`scale`.
        let scale = exponent.parse::<i64>().ok()?.checked_sub(length(fraction))?.checked_add(trailing_zeros)?;
        let first_digit = scale.checked_add(length(digits) - 1)?;
        let kept = digits.len() <= MAX_DIGITS && MAGNITUDE.contains(&first_digit) && is_digits(digits);
        kept.then(|| Self(write(negative, digits, scale).into()))
    }

    /// The canonical spelling, as DynamoDB takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn write(negative: bool, digits: &str, scale: i64) -> String {
    let sign = if negative { "-" } else { "" };
    let point = length(digits) + scale;
    if scale > MAX_PLAIN_ZEROS || point < -MAX_PLAIN_ZEROS {
        return format!("{sign}{digits}E{scale}");
    }
    let zeros = |n: i64| "0".repeat(usize::try_from(n).unwrap_or_default());
    if scale >= 0 {
        return format!("{sign}{digits}{}", zeros(scale));
    }
    match usize::try_from(point) {
        Ok(point) if point > 0 => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
        _ => format!("{sign}0.{}{digits}", zeros(-point)),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// A length as a signed number; no number text comes near `i64::MAX` bytes.
fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(json: &str) -> Option<String> {
        Number::parse(json).map(|number| number.as_str().to_owned())
    }

    #[test]
    fn every_spelling_of_a_value_becomes_the_same_number() {
        for (json, expected) in [
            ("10.50", "10.5"),
            ("1.05E1", "10.5"),
            ("999999999999999.9999", "999999999999999.9999"),
            ("0.01", "0.01"),
            ("-0.0", "0"),
            ("0e99999999999999999999", "0"),
            ("-120", "-120"),
            ("1200e-2", "12"),
            ("1e30", "1E30"),
            ("0.00012", "0.00012"),
        ] {
            assert_eq!(canonical(json).as_deref(), Some(expected), "{json}");
        }
    }

    #[test]
    fn a_number_that_dynamodb_would_round_is_not_a_number() {
        let thirty_eight = "9".repeat(38);
        assert_eq!(canonical(&thirty_eight), Some(thirty_eight.clone()));
        for json in [&format!("{thirty_eight}1"), "1e126", "1e-131", "1e999999999999999999999", "", "-", ".", "e5"] {
            assert_eq!(canonical(json), None, "{json}");
        }
    }

    proptest! {
        #[test]
        fn moving_the_point_and_adding_zeros_never_changes_the_value(
            digits in 1_u64..u64::MAX, places in 0_usize..30, zeros in 0_usize..5
        ) {
            let text = format!("{digits:030}");
            let (whole, fraction) = text.split_at(text.len() - places);
            let decimal = format!("{}.{fraction}{}", if whole.is_empty() { "0" } else { whole }, "0".repeat(zeros + 1));
            let scientific = format!("{digits}e-{places}");
            prop_assert!(canonical(&decimal).is_some());
            prop_assert_eq!(canonical(&decimal), canonical(&scientific));
        }
    }
}
