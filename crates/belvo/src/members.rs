//! Readers of the members of a JSON object, each validated alone.
//!
//! An invalid member that is not required counts as absent and does not invalidate the object. A repeated member is invalid
//! too, because its value is ambiguous.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The maximum length of an external id, in bytes. Belvo's own limit is far below.
const MAX_EXTERNAL_ID_BYTES: usize = 512;

/// Returns the values of the members with these names, or `None` when the JSON is not an object.
///
/// A member that is missing, `null` or repeated has no value.
pub(crate) fn members<'de, const N: usize>(json: &'de str, names: [&str; N]) -> Option<[Option<&'de RawValue>; N]> {
    let mut json = serde_json::Deserializer::from_str(json);
    let values = json.deserialize_map(Members(names)).ok()?;
    json.end().ok()?;
    Some(values)
}

/// Reads a text. Any other value counts as absent.
pub(crate) fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

/// Returns the elements of an array. Any other value has none.
pub(crate) fn elements(value: Option<&RawValue>) -> Vec<&RawValue> {
    value.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
}

/// Reads an external id. U+FFFD shows that a character was replaced on the way: the id is then not the customer's.
pub(crate) fn external_id(value: Option<&RawValue>) -> Option<String> {
    text(value).filter(|id| (1..=MAX_EXTERNAL_ID_BYTES).contains(&id.len()) && !id.contains('\u{fffd}'))
}

/// Returns the text of a response. Bytes that are not UTF-8 become U+FFFD, and invalidate only their member.
pub(crate) fn decoded(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body)
}

struct Members<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut values = [None; N];
        let mut counts = [0_usize; N];
        while let Some(index) = object.next_key_seed(NameIndex(&self.0))? {
            let value: &RawValue = object.next_value()?;
            if let Some(index) = index {
                counts[index] += 1;
                values[index] = (counts[index] == 1 && value.get() != "null").then_some(value);
            }
        }
        Ok(values)
    }
}

/// Deserializes a member's name to its index in the wanted names. It compares bytes, so that a name with a lone surrogate is
/// no error.
struct NameIndex<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for NameIndex<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for NameIndex<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| wanted.as_bytes() == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<[Option<&str>; 2]> {
        members(json, ["a", "b"]).map(|values| values.map(|value| value.map(RawValue::get)))
    }

    #[test]
    fn a_member_that_is_null_missing_or_repeated_has_no_value() {
        assert_eq!(read(r#" {"b":{"c":[1]},"z":1,"a":"x"} "#), Some([Some(r#""x""#), Some(r#"{"c":[1]}"#)]));
        assert_eq!(read(r#"{"a":null}"#), Some([None, None]));
        assert_eq!(read(r#"{"a":1,"b":2,"a":1,"a":3}"#), Some([None, Some("2")]));
        assert_eq!(read(r#"{"\u0061":1,"\ud800":2}"#), Some([Some("1"), None]));
    }

    #[test]
    fn only_an_object_has_members() {
        for json in ["", "[]", r#"["x"]"#, r#""a""#, "null", "{", r#"{"a":NaN}"#, r#"{"a":1}{"#] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    #[test]
    fn only_text_is_text_and_only_an_array_has_elements() {
        let values = members(r#"{"a":["x",1],"b":"y"}"#, ["a", "b"]).unwrap();
        assert_eq!(values.map(text), [None, Some("y".to_owned())]);
        assert_eq!(values.map(|value| elements(value).len()), [2, 0]);
        assert_eq!(members(r#"{"a":"\ud800"}"#, ["a"]).map(|[value]| text(value)), Some(None));
    }
}
