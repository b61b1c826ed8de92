//! Members of a JSON object, each read by itself.
//!
//! Belvo's answers are validated where they are used: an odd member that nothing needs costs only itself. A member that
//! comes twice is odd too, because nothing says which of the two counts.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Returns the values of the members with these names, or `None` when the JSON is not an object.
///
/// A member that is missing, `null` or there twice has no value.
pub(crate) fn members<'de, const N: usize>(json: &'de str, names: [&str; N]) -> Option<[Option<&'de RawValue>; N]> {
    let mut json = serde_json::Deserializer::from_str(json);
    let values = json.deserialize_map(Members(names)).ok()?;
    json.end().ok()?;
    Some(values)
}

/// Reads a value as text. Every other value counts as absent.
pub(crate) fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

/// Reads the elements of an array. Every other value counts as absent.
pub(crate) fn elements(value: Option<&RawValue>) -> Vec<&RawValue> {
    value.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
}

/// Returns the text of an answer. Bytes that are not UTF-8 become U+FFFD: they cost only the member that holds them.
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
        let mut times = [0_usize; N];
        while let Some(place) = object.next_key_seed(Place(&self.0))? {
            let value: &RawValue = object.next_value()?;
            if let Some(place) = place {
                times[place] += 1;
                values[place] = (times[place] == 1 && value.get() != "null").then_some(value);
            }
        }
        Ok(values)
    }
}

/// Finds a member's name among those that are looked for. Names are compared as bytes: one with half a surrogate pair is
/// another member's concern.
struct Place<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Place<'_> {
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
    fn a_member_that_is_null_missing_or_there_twice_has_no_value() {
        assert_eq!(read(r#" {"b":{"c":[1]},"z":1,"a":"x"} "#), Some([Some(r#""x""#), Some(r#"{"c":[1]}"#)]));
        assert_eq!(read(r#"{"a":null}"#), Some([None, None]));
        assert_eq!(read(r#"{"a":1,"b":2,"a":1,"a":3}"#), Some([None, Some("2")]));
        assert_eq!(read(r#"{"\u0061":1,"\ud800":2}"#), Some([Some("1"), None]));
    }

    #[test]
    fn what_is_no_object_has_no_members() {
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
