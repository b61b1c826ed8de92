//! One filter of a list: a column, an operator, a value.
//!
//! Timestamps are compared with *midnights*: `created_at__range=a,b` means from a 00:00 to b 00:00, so objects of the last day are
//! missing. Belvo's documentation allows this, and a client must handle it.

use std::ops::{Bound, RangeBounds};

use crate::{
    amount::Amount,
    error::ApiError,
    time::{DAY_MICROS, Day, parse_timestamp},
    world::{
        Place,
        catalogue::{Cell, Column, Kind},
    },
};

/// The maximum number of values of a filter.
const MAX_VALUES: usize = 1_000;

/// A parsed filter.
pub(crate) struct Filter {
    pub(crate) column: &'static Column,
    test: Test,
}

enum Test {
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
    AllOf(Vec<String>),
    Contains(String),
    Within(Bound<i128>, Bound<i128>),
}

impl Filter {
    pub(crate) fn parse(
        column: &'static Column,
        operator: &str,
        parameter: &str,
        value: &str,
    ) -> Result<Self, ApiError> {
        let test = match operator {
            "icontains" => Some(Test::Contains(value.to_lowercase())),
            "in" => values(value).map(Test::OneOf),
            "not_in" => values(value).map(Test::NoneOf),
            "allin" => values(value).map(Test::AllOf),
            _ if matches!(column.kind, Kind::Text | Kind::Undocumented) => Some(Test::OneOf(vec![value.to_owned()])),
            _ => within(column.kind, operator, value),
        };
        let test = test.ok_or_else(|| ApiError::invalid(parameter, "Enter a valid value."))?;
        Ok(Self { column, test })
    }

    pub(crate) fn passes(&self, place: Place<'_>) -> bool {
        self.test.passes(&self.column.cell(place))
    }
}

impl Test {
    fn passes(&self, cell: &Cell<'_>) -> bool {
        match (self, cell) {
            (Self::OneOf(values), Cell::Text(text)) => values.iter().any(|value| value == text),
            (Self::OneOf(values), Cell::List(list)) => values.iter().any(|value| list.contains(&value.as_str())),
            (Self::NoneOf(values), Cell::Text(text)) => !values.iter().any(|value| value == text),
            (Self::AllOf(values), Cell::List(list)) => values.iter().all(|value| list.contains(&value.as_str())),
            (Self::Contains(part), Cell::Text(text)) => text.to_lowercase().contains(part.as_str()),
            (Self::Within(low, high), Cell::Ordinal(value)) => (*low, *high).contains(value),
            _ => false,
        }
    }
}

fn values(list: &str) -> Option<Vec<String>> {
    let values: Vec<String> = list.split(',').map(|value| value.trim().to_owned()).collect();
    (values.len() <= MAX_VALUES).then_some(values)
}

fn within(kind: Kind, operator: &str, value: &str) -> Option<Test> {
    use Bound::{Excluded, Included, Unbounded};
    if operator == "range" {
        let (low, high) = value.split_once(',')?;
        return Some(Test::Within(Included(ordinal(kind, low)?), Included(ordinal(kind, high)?)));
    }
    let point = ordinal(kind, value)?;
    let (low, high) = match operator {
        "gt" => (Excluded(point), Unbounded),
        "gte" => (Included(point), Unbounded),
        "lt" => (Unbounded, Excluded(point)),
        "lte" => (Unbounded, Included(point)),
        _ if is_whole_day(kind, value) => (Included(point), Excluded(point + i128::from(DAY_MICROS))),
        _ => (Included(point), Included(point)),
    };
    Some(Test::Within(low, high))
}

/// Returns `true` if the value is a date: a timestamp then equals it on the whole day.
fn is_whole_day(kind: Kind, value: &str) -> bool {
    matches!(kind, Kind::TimestampByDay | Kind::Timestamp) && Day::parse(value.trim()).is_some()
}

fn ordinal(kind: Kind, value: &str) -> Option<i128> {
    let value = value.trim();
    let midnight = |day: Day| i128::from(day.midnight());
    match kind {
        Kind::Text | Kind::Undocumented => None,
        Kind::Amount => Amount::parse(value).map(Amount::ordinal),
        Kind::Day => Day::parse(value).map(|day| i128::from(day.0)),
        Kind::TimestampByDay => Day::parse(value).map(midnight),
        Kind::Timestamp => Day::parse(value).map(midnight).or_else(|| parse_timestamp(value).map(i128::from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(kind: Kind, operator: &str, value: &str, cell: i128) -> bool {
        within(kind, operator, value).unwrap().passes(&Cell::Ordinal(cell))
    }

    #[test]
    fn the_last_day_of_a_timestamp_range_means_its_midnight() {
        let noon = i128::from(parse_timestamp("2024-05-02T12:00:00Z").unwrap());
        assert!(!passes(Kind::TimestampByDay, "range", "2024-05-01,2024-05-02", noon));
        assert!(!passes(Kind::TimestampByDay, "lte", "2024-05-02", noon));
        assert!(passes(Kind::TimestampByDay, "gte", "2024-05-02", noon));
        assert!(passes(Kind::TimestampByDay, "range", "2024-05-02,2024-05-03", noon));
    }

    #[test]
    fn a_timestamp_that_equals_a_date_is_one_of_that_day() {
        let noon = i128::from(parse_timestamp("2024-05-02T12:00:00Z").unwrap());
        assert!(passes(Kind::TimestampByDay, "", "2024-05-02", noon));
        assert!(!passes(Kind::TimestampByDay, "", "2024-05-01", noon));
    }

    #[test]
    fn the_last_day_of_a_date_range_belongs_to_it() {
        let day = i128::from(Day::parse("2024-01-03").unwrap().0);
        assert!(passes(Kind::Day, "range", "2023-01-03,2024-01-03", day));
        assert!(!passes(Kind::Day, "gt", "2024-01-03", day));
    }

    #[test]
    fn only_collected_at_takes_a_timestamp() {
        assert!(within(Kind::Timestamp, "gte", "2024-05-02T12:00:00Z").is_some());
        assert!(within(Kind::TimestampByDay, "gte", "2024-05-02T12:00:00Z").is_none());
    }

    #[test]
    fn null_matches_nothing() {
        assert!(!within(Kind::Day, "gte", "1970-01-01").unwrap().passes(&Cell::Missing));
        assert!(!Test::OneOf(vec![String::new()]).passes(&Cell::Missing));
    }
}
