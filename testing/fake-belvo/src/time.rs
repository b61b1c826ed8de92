//! Days and timestamps: integers, with Belvo's notations.

use std::fmt;

use jiff::{civil, tz::TimeZone};

/// Microseconds in a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// Returns the current time in microseconds since 1970.
pub(crate) fn now_micros() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// A calendar day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(pub(crate) i64);

impl Day {
    /// Returns the UTC day of a timestamp.
    pub(crate) fn of(micros: i64) -> Self {
        Self(micros.div_euclid(DAY_MICROS))
    }

    /// Parses `YYYY-MM-DD`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != 10 {
            return None;
        }
        let date: civil::Date = text.parse().ok()?;
        let midnight = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(Self::of(midnight.as_microsecond()))
    }

    pub(crate) fn plus(self, days: i64) -> Self {
        Self(self.0 + days)
    }

    /// Returns the start of the day in microseconds since 1970.
    pub(crate) fn midnight(self) -> i64 {
        self.0 * DAY_MICROS
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = timestamp(self.midnight()).to_string();
        f.write_str(text.get(..10).unwrap_or(&text))
    }
}

/// A timestamp with its notation. Belvo documents 3 to 6 fractional digits and either `Z` or `+00:00`, and treats changes between
/// them as compatible.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timestamp {
    micros: i64,
    fraction: usize,
    zulu: bool,
}

impl Timestamp {
    /// Creates a timestamp in one of the eight notations, chosen by `style`.
    pub(crate) fn styled(micros: i64, style: u64) -> Self {
        Self { micros, fraction: 3 + usize::try_from(style % 4).unwrap_or_default(), zulu: style % 8 < 4 }
    }

    /// Creates a timestamp with milliseconds and `Z`.
    pub(crate) fn millis(micros: i64) -> Self {
        Self { micros, fraction: 3, zulu: true }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.*}", self.fraction, timestamp(self.micros));
        let zone = if self.zulu { "Z" } else { "+00:00" };
        write!(f, "{}{zone}", text.trim_end_matches('Z'))
    }
}

/// Parses an ISO 8601 timestamp with an offset.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
}

fn timestamp(micros: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_and_written_as_a_date() {
        let day = Day::parse("2023-01-03").unwrap();
        assert_eq!(day.to_string(), "2023-01-03");
        assert_eq!(day.plus(365).to_string(), "2024-01-03");
        assert_eq!(Day::parse("2023-1-3"), None);
        assert_eq!(Day::parse("2023-02-30"), None);
    }

    #[test]
    fn a_timestamp_has_three_to_six_digits_and_either_notation_of_utc() {
        let micros = parse_timestamp("2024-02-20T12:29:03.374516Z").unwrap();
        assert_eq!(Timestamp::styled(micros, 3).to_string(), "2024-02-20T12:29:03.374516Z");
        assert_eq!(Timestamp::styled(micros, 4).to_string(), "2024-02-20T12:29:03.374+00:00");
        assert_eq!(Timestamp::styled(micros, 6).to_string(), "2024-02-20T12:29:03.37451+00:00");
        assert_eq!(Timestamp::millis(micros).to_string(), "2024-02-20T12:29:03.374Z");
    }
}
