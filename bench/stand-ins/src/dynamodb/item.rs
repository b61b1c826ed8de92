//! Items in DynamoDB's JSON, parsed only as deep as needed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fault::Fault;

/// An item: its attributes, not parsed.
pub(crate) type Item<'a> = BTreeMap<String, &'a RawValue>;

/// The path of an attribute: a name, or a name inside of maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<String>);

/// A value that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// `S`
    Text(String),
    /// `N`; every number that is compared here is an integer.
    Number(i128),
    /// Anything else. It is equal to no text and no number.
    Other,
}

/// The types that are looked into.
#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(rename = "S", borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(rename = "N", borrow)]
    number: Option<Cow<'a, str>>,
    #[serde(rename = "M", borrow)]
    map: Option<Item<'a>>,
}

impl Scalar {
    pub(crate) fn read(raw: &RawValue) -> Result<Self, Fault> {
        let Typed { text, number, .. } = serde_json::from_str(raw.get())?;
        Ok(match (text, number) {
            (Some(text), _) => Self::Text(text.into_owned()),
            (None, Some(digits)) => {
                let number = digits.parse();
                Self::Number(number.map_err(|_| Fault::validation("the stand-in compares integers only"))?)
            }
            (None, None) => Self::Other,
        })
    }
}

/// A number as an attribute.
pub(crate) fn number(value: i128) -> Result<Box<RawValue>, Fault> {
    Ok(RawValue::from_string(format!(r#"{{"N":"{value}"}}"#))?)
}

/// The text of an attribute of a key.
pub(crate) fn key_text(item: &Item<'_>, name: &str) -> Result<String, Fault> {
    let raw = item.get(name).ok_or_else(|| Fault::validation(format!("missing the key {name}")))?;
    match Scalar::read(raw)? {
        Scalar::Text(text) if !text.is_empty() => Ok(text),
        _ => Err(Fault::validation(format!("the key {name} is no text"))),
    }
}

/// Returns the members of a map, or `None` if it is not a map.
pub(crate) fn members(raw: &RawValue) -> Option<Item<'_>> {
    serde_json::from_str::<Typed<'_>>(raw.get()).ok()?.map
}

impl Path {
    /// Returns the value at the path.
    pub(crate) fn of<'a>(&self, item: &Item<'a>) -> Option<&'a RawValue> {
        let (first, rest) = self.0.split_first()?;
        let first = item.get(first).copied();
        rest.iter().fold(first, |raw, name| members(raw?)?.get(name).copied())
    }
}

/// The attributes that a projection names, at most one map deep.
pub(crate) fn project(item: &Item<'_>, paths: &[Path]) -> BTreeMap<String, Box<RawValue>> {
    let mut projected = BTreeMap::new();
    for path in paths {
        let Some(raw) = path.of(item) else { continue };
        let (name, raw) = match path.0.as_slice() {
            [name] => (name, raw.to_owned()),
            [name, member] => (name, map_of(member, raw)),
            _ => continue,
        };
        projected.insert(name.clone(), raw);
    }
    projected
}

/// `{"M": {member: raw}}`
pub(crate) fn map_of(member: &str, raw: &RawValue) -> Box<RawValue> {
    let map = BTreeMap::from([("M", BTreeMap::from([(member, raw)]))]);
    // JSON made of JSON cannot fail to be written.
    serde_json::value::to_raw_value(&map).unwrap_or_else(|_| raw.to_owned())
}
