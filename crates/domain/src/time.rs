//! Times in epoch milliseconds, and days for Belvo's date filters.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
pub type EpochMillis = i64;

/// A day in UTC, written `YYYY-MM-DD`: the precision of Belvo's date filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(jiff::civil::Date);

impl Day {
    /// Returns the UTC day of a moment. A moment outside the range of [`jiff::Timestamp`] clamps to its first or last day.
    #[must_use]
    pub fn of(moment: EpochMillis) -> Self {
        let clamp = |_| {
            if moment < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX }
        };
        let timestamp = jiff::Timestamp::from_millisecond(moment).unwrap_or_else(clamp);
        Self(timestamp.to_zoned(jiff::tz::TimeZone::UTC).date())
    }

    /// Parses `YYYY-MM-DD`, and no other format.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == 10
            && text.bytes().enumerate().all(|(i, b)| match i {
                4 | 7 => b == b'-',
                _ => b.is_ascii_digit(),
            });
        well_formed.then(|| text.parse().ok().map(Self)).flatten()
    }

    /// Parses the day at the beginning of a date, with or without a time after it.
    #[must_use]
    pub fn of_date(text: &str) -> Option<Self> {
        Self::parse(text.trim().get(..10)?)
    }

    /// Returns the day before. The first representable day returns itself.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.yesterday().unwrap_or(self.0))
    }

    /// Returns the day after. The last representable day returns itself.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.tomorrow().unwrap_or(self.0))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Parses a time that Belvo writes as `2022-02-09T08:45:50.406032Z`, and returns it in microseconds since
/// 1970-01-01T00:00:00Z.
///
/// Belvo writes three to six digits of a second, and any offset. A time without an offset is in UTC. A day without a time
/// is its midnight. Microseconds keep every digit for comparisons.
#[must_use]
pub fn moment_micros(text: &str) -> Option<i64> {
    let text = text.trim();
    let in_utc = || text.parse::<jiff::civil::DateTime>().and_then(|time| jiff::tz::TimeZone::UTC.to_timestamp(time));
    let moment = text.parse::<jiff::Timestamp>().or_else(|_| in_utc());
    moment.ok().map(jiff::Timestamp::as_microsecond)
}

/// Formats a moment as `2023-11-14T22:13:20.000Z`.
#[must_use]
pub fn rfc3339(moment: EpochMillis) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(moment).unwrap_or_default())
}

/// Returns the time of this host's wall clock.
#[must_use]
pub fn now() -> EpochMillis {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EpochMillis::try_from(elapsed.as_millis()).unwrap_or(EpochMillis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_falls_on_its_utc_day() {
        assert_eq!(Day::of(1_700_000_000_000).to_string(), "2023-11-14");
        assert_eq!(Day::of(1_699_999_999_999).previous().to_string(), "2023-11-13");
    }

    #[test]
    fn a_moment_is_written_with_its_milliseconds_also_when_there_are_none() {
        assert_eq!(rfc3339(1_700_000_000_000), "2023-11-14T22:13:20.000Z");
        assert_eq!(rfc3339(1_700_000_000_120), "2023-11-14T22:13:20.120Z");
    }

    #[test]
    fn moments_compare_whatever_their_digits_and_offset() {
        let micros = |text| moment_micros(text).unwrap();
        assert_eq!(micros("2024-01-01T00:00:00.120Z"), micros("2023-12-31T21:00:00.120000-03:00"));
        assert!(micros("2024-01-01T00:00:00.120001+00:00") > micros("2024-01-01T00:00:00.12Z"));
        assert_eq!(moment_micros("yesterday"), None);
    }

    #[test]
    fn a_moment_without_a_zone_is_in_utc() {
        let noon = moment_micros("2025-08-10T12:00:00.123456Z");
        assert!(noon.is_some());
        for text in [
            "2025-08-10T12:00:00.123456",
            "2025-08-10 12:00:00.123456",
            "2025-08-10 12:00:00.123456+00:00",
            "2025-08-10T12:00:00.123456+0000",
            "2025-08-10T09:00:00.123456-03",
            "2025-08-10t12:00:00.123456z",
            " 2025-08-10T12:00:00.123456Z\n",
        ] {
            assert_eq!(moment_micros(text), noon, "{text}");
        }
        assert_eq!(moment_micros("2025-08-10"), moment_micros("2025-08-10T00:00:00Z"));
        for text in ["", "12:00:00", "2025-08", "2025-02-30T12:00:00", "10/08/2025 12:00", "1754827200", "null"] {
            assert_eq!(moment_micros(text), None, "{text}");
        }
    }

    #[test]
    fn only_calendar_days_are_days() {
        assert_eq!(Day::parse("2024-02-29").unwrap().previous().to_string(), "2024-02-28");
        assert_eq!(Day::parse("2024-02-28").unwrap().next().to_string(), "2024-02-29");
        for text in ["2023-02-29", "2023-1-1", "20230101", "2023-01-01T00", "", "0000-00-00"] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_is_its_day_whatever_time_follows() {
        for text in ["2024-02-29", " 2024-02-29 ", "2024-02-29T23:00:00-03:00", "2024-02-29 23:00:00"] {
            assert_eq!(Day::of_date(text), Day::parse("2024-02-29"), "{text}");
        }
        for text in ["", "2024-02", "29/02/2024", "2023-02-29T00:00:00Z", "2024-02-2é"] {
            assert_eq!(Day::of_date(text), None, "{text}");
        }
    }
}
