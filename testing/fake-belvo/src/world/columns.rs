//! The filterable properties of a resource.

use std::borrow::Cow;

use super::{Place, resources::shaped};

/// One filterable property.
pub(crate) struct Column {
    /// The name in the query, without the operator.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) operators: &'static [&'static str],
    pub(crate) read: Read,
}

/// The source of the values of a column.
#[derive(Clone, Copy)]
pub(crate) enum Read {
    By(for<'a> fn(Place<'a>) -> Cell<'a>),
    /// The member of the object that has the column's name.
    Member,
}

impl Column {
    pub(crate) fn cell<'a>(&self, place: Place<'a>) -> Cell<'a> {
        match self.read {
            Read::By(read) => read(place),
            Read::Member => shaped::member(place, self.name, self.kind),
        }
    }
}

/// The type of the value of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Amount,
    Day,
    /// A timestamp that is filtered by dates only.
    TimestampByDay,
    /// A timestamp that is filtered by dates or timestamps.
    Timestamp,
    /// Text that Belvo's documentation filters by but its schema lacks. [`IdIn`](crate::IdIn) sets the effect.
    Undocumented,
}

/// A property of an object, ready for comparison.
pub(crate) enum Cell<'a> {
    /// Null: no filter matches it.
    Missing,
    Text(Cow<'a, str>),
    Ordinal(i128),
    List(&'a [&'a str]),
}

impl<'a> Cell<'a> {
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn maybe(text: Option<impl Into<Cow<'a, str>>>) -> Self {
        text.map_or(Self::Missing, Self::text)
    }

    pub(crate) fn ordinal(value: impl Into<i128>) -> Self {
        Self::Ordinal(value.into())
    }
}

/// Equal, or one of several.
pub(crate) const ONE_OF: &[&str] = &["", "in"];
/// Equal only.
pub(crate) const EXACT: &[&str] = &[""];
/// Equal, or in an interval.
pub(crate) const INTERVAL: &[&str] = &["", "gt", "gte", "lt", "lte", "range"];
