//! Exact decimal numbers: they keep the digits that Belvo sent, without floating point.

/// A JSON number in canonical spelling: no leading or trailing zeros, no `+`, and `-0` is `0`.
///
/// DynamoDB's `N` keeps 38 significant digits between 1E-130 and 9.99E+125. Its responses write numbers out: 1E39 is a one
/// and 39 zeros. boto3 parses them in a decimal context of 38 digits that does not round. It fails on the whole item if the
/// zeros exceed 38 digits, or if the last digit is below 1E-165. A [`Number`] satisfies both limits; other numbers are
/// stored as text. (Sources: DynamoDB developer guide, "Data types: Number"; boto3,
/// `boto3.dynamodb.types.DYNAMODB_CONTEXT`.)
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

/// The precision of DynamoDB and of boto3, in significant decimal digits.
const MAX_DIGITS: usize = 38;
/// The allowed powers of ten of the first significant digit.
///
/// Up to 37, a number has at most 38 digits before its point. -128 is boto3's minimum exponent: from there on, boto3
/// keeps all of 38 digits.
const MAGNITUDE: std::ops::RangeInclusive<i64> = -128..=37;
/// The maximum number of zeros before or after the digits that are written without an exponent.
const MAX_PLAIN_ZEROS: i64 = 20;

impl Number {
    /// Parses the text of a JSON number. Returns `None` if DynamoDB cannot keep every digit, or if boto3 cannot read the
    /// stored number.
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
        // The value is `digits` * 10^`scale`.
        let scale = exponent.parse::<i64>().ok()?.checked_sub(length(fraction))?.checked_add(trailing_zeros)?;
        let first_digit = scale.checked_add(length(digits) - 1)?;
        let kept = digits.len() <= MAX_DIGITS && MAGNITUDE.contains(&first_digit) && is_digits(digits);
        kept.then(|| Self(write(negative, digits, scale).into()))
    }

    /// Returns the canonical spelling, which DynamoDB accepts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Formats plus or minus `digits` * 10^`scale`.
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

/// Returns a text's length as a signed number.
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

    #[test]
    fn a_number_that_boto3_could_not_read_back_is_not_a_number() {
        let (one, thirty_eight) = ("1", "9".repeat(38));
        for (digits, first_digit) in [(one, 37), (&thirty_eight, 37), (one, -128), (&thirty_eight, -128)] {
            assert!(canonical(&at(digits, first_digit)).is_some(), "{digits}, {first_digit}");
        }
        for (digits, first_digit) in [(one, 38), (one, 39), (&thirty_eight, 38), (&thirty_eight, -129)] {
            assert_eq!(canonical(&at(digits, first_digit)), None, "{digits}, {first_digit}");
        }
    }

    /// These digits, with the first one at this power of ten.
    fn at(digits: &str, first_digit: i64) -> String {
        format!("{digits}e{}", first_digit - length(digits) + 1)
    }

    /// As DynamoDB gives a number back: written out, without an exponent.
    fn written_out(number: &str) -> String {
        let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
        let Some((digits, scale)) = number.split_once('E') else { return format!("{sign}{number}") };
        let scale: i64 = scale.parse().unwrap();
        let point = length(digits) + scale;
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap());
        if scale >= 0 {
            format!("{sign}{digits}{}", zeros(scale))
        } else {
            format!("{sign}0.{}{digits}", zeros(-point))
        }
    }

    proptest! {
        /// boto3's context has 38 digits and exponents from -128 on, and traps whatever is rounded.
        #[test]
        fn whatever_is_a_number_can_be_read_by_boto3_as_dynamodb_writes_it_out(
            digits in "-?[1-9][0-9]{0,45}", exponent in -190_i64..150
        ) {
            let Some(number) = canonical(&format!("{digits}e{exponent}")) else { return Ok(()) };
            let plain = written_out(&number);
            let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
            let coefficient = [whole, fraction].concat();
            let coefficient = coefficient.trim_start_matches('-').trim_start_matches('0');
            prop_assert!(coefficient.len() <= 38, "{} digits", coefficient.len());
            prop_assert!(length(fraction) <= 128 + 37, "{} places", fraction.len());
        }

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
