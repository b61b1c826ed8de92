//! Which JSON values the table holds as such, at the bounds.

use domain::{Number, Record, Resource, Value};
use serde_json::value::RawValue;

fn raw(json: &str) -> Box<RawValue> {
    serde_json::from_str(json).expect("JSON")
}

/// The value, and the paths that are kept as text.
fn read(json: &str) -> (Value, Vec<String>) {
    let mut as_text = Vec::new();
    (Value::read(&raw(json), &mut as_text), as_text)
}

fn number(json: &str) -> Option<String> {
    Number::parse(json).map(|number| number.as_str().to_owned())
}

#[test]
fn null_and_the_booleans_are_values_and_no_text() {
    let (value, as_text) = read("[null,true,false]");
    assert_eq!(value, Value::Array(vec![Value::Null, Value::Bool(true), Value::Bool(false)]));
    assert!(as_text.is_empty());
}

#[test]
fn an_object_below_the_31st_level_is_kept_as_text() {
    let nested = |levels: usize| "{\"a\":".repeat(levels) + "1" + &"}".repeat(levels);
    assert!(read(&nested(31)).1.is_empty());
    assert_eq!(read(&nested(32)).1, [["a"; 31].join(".")]);
}

#[test]
fn a_member_of_one_mebibyte_is_read_and_a_longer_one_is_kept_as_text() {
    let member = |bytes: usize| format!(r#"{{"a":["{}"]}}"#, "x".repeat(bytes - 4));
    assert!(read(&member(1024 * 1024)).1.is_empty());
    assert_eq!(read(&member(1024 * 1024 + 1)).1, ["a"]);
}

#[test]
fn the_members_of_a_document_hold_150_000_values_together() {
    let zeros = |count: usize| format!(r#"{{"a":[{}]}}"#, vec!["0"; count].join(","));
    assert!(read(&zeros(150_000)).1.is_empty());
    assert_eq!(read(&zeros(150_001)).1, ["a"]);
}

#[test]
fn the_paths_below_members_have_64_kibibytes_together() {
    // Each path is `c.` and a name, and counts one byte more: 64 x 1,024 with names of 1,021 bytes.
    let document = |first: usize| {
        let name = |n: usize| format!("{n:04}{}", "n".repeat(if n == 0 { first - 4 } else { 1_017 }));
        let members: Vec<_> = (0..64).map(|n| format!(r#""{}":1e999"#, name(n))).collect();
        format!(r#"{{"b":1e999,"c":{{{}}}}}"#, members.join(","))
    };
    assert_eq!(read(&document(1_021)).1.len(), 65, "the path of a member itself does not count");
    assert_eq!(read(&document(1_022)).1, ["b", "c"]);
}

#[test]
fn a_number_has_at_most_twenty_zeros_beside_its_digits_before_it_has_an_exponent() {
    for (json, expected) in [
        ("1e20", "100000000000000000000"),
        ("1e21", "1E21"),
        ("0.12", "0.12"),
        ("12e-22", "0.0000000000000000000012"),
        ("12e-23", "12E-23"),
    ] {
        assert_eq!(number(json).as_deref(), Some(expected), "{json}");
    }
    assert_eq!((number("1x"), number("0x10")), (None, None));
}

#[test]
fn the_names_of_an_object_have_64_kibibytes_together() {
    let object = |last: usize| {
        let name = |n: usize| format!("{n:04}{}", "n".repeat(if n == 63 { last - 4 } else { 1_020 }));
        let members: Vec<_> = (0..64).map(|n| format!(r#""{}":1"#, name(n))).collect();
        raw(&format!(r#"{{"id":"a",{}}}"#, members.join(",")))
    };
    assert!(Record::read(Resource::accounts(), &object(1_022)).is_ok());
    assert!(Record::read(Resource::accounts(), &object(1_023)).is_err());
}
