//! Money as Belvo sends it: up to 15 digits before the point and up to 4 after it.
//!
//! A binary floating-point number cannot hold nineteen digits. An amount is therefore an integer of ten-thousandths, with the
//! number of decimals to print: `10.50` stays `10.50`.

use std::fmt;

const SCALE: u64 = 10_000;

/// An exact, unsigned decimal number. It compares by value: `10.5` equals `10.50`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    ten_thousandths: u64,
    decimals: usize,
}

impl Amount {
    /// The maximum of Belvo's schema.
    pub(crate) const MAX: Self = Self { ten_thousandths: 9_999_999_999_999_999_999, decimals: 4 };

    /// Creates an amount of `units` of the last decimal place: `new(1050, 2)` is `10.50`. At most 4 decimals.
    pub(crate) fn new(units: u64, decimals: usize) -> Self {
        let decimals = decimals.min(4);
        let missing = u32::try_from(4 - decimals).unwrap_or_default();
        Self { ten_thousandths: units.saturating_mul(10_u64.pow(missing)).min(Self::MAX.ten_thousandths), decimals }
    }

    /// Parses the value of a filter: up to 15 digits, and up to 4 more after a point.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 15 || fraction.len() > 4 || !digits(whole) || !digits(fraction) {
            return None;
        }
        let units = format!("{whole}{fraction}").parse().ok()?;
        Some(Self::new(units, fraction.len()))
    }

    /// Returns the value in ten-thousandths, for comparisons.
    pub(crate) fn ordinal(self) -> i128 {
        i128::from(self.ten_thousandths)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.ten_thousandths / SCALE, self.ten_thousandths % SCALE);
        if self.decimals == 0 {
            return write!(f, "{whole}");
        }
        let shown = fraction / 10_u64.pow(u32::try_from(4 - self.decimals).unwrap_or_default());
        write!(f, "{whole}.{shown:0width$}", width = self.decimals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_and_every_trailing_zero_is_kept() {
        for text in ["999999999999999.9999", "0.01", "10.50", "600", "7.1000", "0.0001"] {
            assert_eq!(Amount::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Amount::MAX.to_string(), "999999999999999.9999");
    }

    #[test]
    fn what_the_schema_does_not_allow_is_no_amount() {
        for text in ["", "-1", "1e3", "1,5", "1234567890123456", "1.23456", ".5", "+1"] {
            assert!(Amount::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn amounts_compare_by_value() {
        assert_eq!(Amount::parse("10.5").unwrap().ordinal(), Amount::parse("10.50").unwrap().ordinal());
        assert!(Amount::parse("9.9999").unwrap().ordinal() < Amount::parse("10").unwrap().ordinal());
    }
}
