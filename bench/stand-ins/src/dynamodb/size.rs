//! What an item weighs. (Source: DynamoDB developer guide, "DynamoDB item sizes and formats", and "On-demand capacity
//! mode" for what a unit is.)

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::fault::Fault;

/// The number of bytes in a write unit.
const WRITE_UNIT_BYTES: usize = 1024;
/// The number of bytes in a read unit of a strongly consistent read.
const READ_UNIT_BYTES: usize = 4096;

/// A value, with the types that the sync writes. Any other is an error.
#[derive(Deserialize)]
#[expect(clippy::upper_case_acronyms, reason = "DynamoDB's names")]
enum Value<'a> {
    S(#[serde(borrow)] Cow<'a, str>),
    N(#[serde(borrow)] Cow<'a, str>),
    B(#[serde(borrow)] Cow<'a, str>),
    NULL(bool),
    BOOL(bool),
    M(#[serde(borrow)] BTreeMap<String, Value<'a>>),
    L(Vec<Value<'a>>),
}

impl Value<'_> {
    fn bytes(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            // Two digits a byte, and one more.
            Self::N(digits) => digits.len().div_ceil(2) + 1,
            // Base64: four characters for three bytes.
            Self::B(text) => text.trim_end_matches('=').len() * 3 / 4,
            Self::NULL(value) | Self::BOOL(value) => size_of_val(value),
            // Three for the map or the list, one more for each member.
            Self::M(members) => 3 + members.len() + sum(members),
            Self::L(items) => 3 + items.len() + items.iter().map(Self::bytes).sum::<usize>(),
        }
    }
}

fn sum(members: &BTreeMap<String, Value<'_>>) -> usize {
    members.iter().map(|(name, value)| name.len() + value.bytes()).sum()
}

/// The size of an item in DynamoDB's JSON.
pub(crate) fn item_bytes(json: &str) -> Result<usize, Fault> {
    Ok(sum(&serde_json::from_str(json)?))
}

/// Write units of an item of this size.
pub(crate) fn write_units(bytes: usize) -> u64 {
    bytes.div_ceil(WRITE_UNIT_BYTES).max(1) as u64
}

/// Read units of an item, or of the items of a query's page, of this size.
pub(crate) fn read_units(bytes: usize) -> u64 {
    bytes.div_ceil(READ_UNIT_BYTES).max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_weighs_what_dynamodbs_guide_says() {
        let item = r#"{"pk":{"S":"abc"},"n":{"N":"1234"},"z":{"NULL":true},"b":{"B":"AAAAAA=="},
                       "m":{"M":{"a":{"L":[{"S":"xy"}]}}}}"#;
        // pk 2+3; n 1+3; z 1+1; b 1+4; m 1 + map 3+1 + a 1 + list 3+1 + 2.
        assert_eq!(item_bytes(item).unwrap(), 5 + 4 + 2 + 5 + 12);
        assert_eq!((write_units(1024), write_units(1025), read_units(0), read_units(4097)), (1, 2, 1, 2));
    }

    #[test]
    fn a_value_without_a_type_or_of_an_unknown_type_is_refused() {
        for item in [r#"{"a":{}}"#, r#"{"a":"x"}"#, r#"{"a":{"SS":["x"]}}"#, r#"{"a":{"S":"x","N":"1"}}"#] {
            assert!(item_bytes(item).is_err(), "{item}");
        }
    }
}
