//! The conversion of a listed object to a record.
//!
//! The check compares the record with the JSON text independently of the product's parser.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Record, Resource, Value};
use serde_json::value::RawValue;

/// DynamoDB's limit of nesting levels.
const MAX_LEVELS: usize = 32;
/// DynamoDB's limit of an attribute name, in bytes.
const MAX_NAME_BYTES: usize = 64 * 1024;
/// The maximum total size of the paths in `as_text`, in bytes, apart from the record's own members.
const MAX_PATHS_BYTES: usize = 64 * 1024;
/// The maximum number of values in a record, apart from its own members.
const MAX_VALUES: usize = 150_000;
/// The maximum total size of the names of a record's members, in bytes. They fit into an item even if no value does.
const MAX_NAMES_BYTES: usize = 64 * 1024;

/// Checks the properties of a record. The first byte of the input selects the resource, the rest is the object.
///
/// - Each value equals the value that was sent. Exactly the values that `as_text` names are their JSON text.
/// - Levels, names and values are within the table's limits. `as_text` names only existing values.
/// - Numbers are exact.
/// - Its keys consist of an id and a day.
///
/// # Panics
/// If a property does not hold.
pub fn object(input: &[u8]) {
    let Some((choice, json)) = input.split_first() else { return };
    let number = usize::from(*choice) % Resource::all().count();
    let resource = Resource::all().nth(number).expect("there are resources");
    let Ok(raw) = serde_json::from_slice::<Box<RawValue>>(json) else { return };
    check(resource, &raw);
}

/// Checks the same properties as [`object`] for an object of a known resource.
pub(crate) fn check(resource: &'static Resource, raw: &RawValue) {
    let (record, account) = match Record::read(resource, raw) {
        Ok(read) => read,
        Err(error) => {
            assert!(error.to_string().len() < 100, "a long error text");
            return;
        }
    };
    let sent = members(raw).expect("a record was an object");
    let mut comparison = Comparison::default();
    for (name, raw) in &sent {
        match record.data.get(name) {
            Some(value) => comparison.compare(raw, value, &mut vec![escaped(name)]),
            None => assert!(name == "account" && account.is_some(), "a member was lost"),
        }
    }
    assert_eq!(record.data.len() + usize::from(account.is_some()), sent.len(), "a member was invented");
    let as_text: BTreeSet<_> = record.as_text.iter().cloned().collect();
    assert_eq!(as_text.len(), record.as_text.len(), "a path is named twice");
    assert_eq!(as_text, comparison.as_text, "`as_text` differs from the values that are text");

    let names: usize = record.data.keys().map(String::len).sum();
    let paths: usize = record.as_text.iter().map(String::len).sum();
    // In a path, a dot of a name takes two bytes.
    let most = MAX_PATHS_BYTES + 2 * names;
    assert!(names <= MAX_NAMES_BYTES && paths <= most, "{names} bytes of names, {paths} of paths");
    assert!(comparison.values <= MAX_VALUES + record.data.len(), "{} values", comparison.values);
    let key = record.date_key(resource);
    assert!(key.len() <= 139 && key.is_ascii() && key.as_bytes()[10] == b'#', "a date key of {}", key.len());
    assert_eq!(record.content_hash.len(), 64);

    if let Some(account) = account {
        assert_eq!(record.account_id.as_ref(), Some(&account.id));
        if let Ok((read, _)) = Record::read(Resource::accounts(), account.raw) {
            assert_eq!(read.id, account.id, "the validator and the record differ in the id");
        }
    }
}

/// The findings of a comparison.
#[derive(Default)]
struct Comparison {
    as_text: BTreeSet<String>,
    values: usize,
}

impl Comparison {
    fn compare(&mut self, raw: &RawValue, value: &Value, path: &mut Vec<String>) {
        self.values += 1;
        let json = raw.get();
        assert!(path.len() < MAX_LEVELS, "{} levels", path.len());
        match (json.as_bytes()[0], value) {
            (b'n', Value::Null) | (b't', Value::Bool(true)) | (b'f', Value::Bool(false)) => {}
            (b'"', Value::Text(text)) => match serde_json::from_str::<String>(json) {
                Ok(sent) => assert!(sent == *text, "a text changed"),
                Err(_) => self.compare_as_text(json, text, path),
            },
            (b'{', Value::Object(stored)) => {
                let sent = members(raw).expect("an object");
                assert_eq!(sent.len(), stored.len());
                for (name, raw) in &sent {
                    assert!((1..=MAX_NAME_BYTES).contains(&name.len()), "a name of {} bytes", name.len());
                    path.push(escaped(name));
                    self.compare(raw, &stored[name], path);
                    path.pop();
                }
            }
            (b'[', Value::Array(stored)) => {
                let sent: Vec<&RawValue> = serde_json::from_str(json).expect("an array");
                assert_eq!(sent.len(), stored.len());
                for (index, (raw, value)) in sent.iter().zip(stored).enumerate() {
                    path.push(index.to_string());
                    self.compare(raw, value, path);
                    path.pop();
                }
            }
            (b'-' | b'0'..=b'9', Value::Number(number)) => check_number(json, number.as_str()),
            (_, Value::Text(text)) => self.compare_as_text(json, text, path),
            _ => panic!("a value changed its type"),
        }
    }

    fn compare_as_text(&mut self, json: &str, text: &str, path: &[String]) {
        assert!(json == text, "its JSON text changed");
        self.as_text.insert(path.join("."));
    }
}

/// Escapes a name in a path, as `docs/data-model.md` defines.
fn escaped(name: &str) -> String {
    name.chars().fold(
        String::new(),
        |escaped, c| if matches!(c, '.' | '\\') { escaped + "\\" } else { escaped } + c.encode_utf8(&mut [0; 4]),
    )
}

fn members(raw: &RawValue) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// Checks that a number has the same value, at most 38 digits, and a magnitude within DynamoDB's range.
fn check_number(sent: &str, stored: &str) {
    let (negative, digits, scale) = decimal(stored).expect("stored numbers are short");
    assert_eq!(decimal(sent), Some((negative, digits.clone(), scale)), "a number changed");
    let magnitude = scale + i64::try_from(digits.len()).expect("38 at most") - 1;
    assert!(digits.len() <= 38 && (digits.is_empty() || (-128..=37).contains(&magnitude)), "a reader would round");
}

/// Returns the sign, the digits without leading and trailing zeros, and the power of ten of the last digit.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let magnitude = mantissa.trim_start_matches('-');
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_end_matches('0');
    let places = i64::try_from(fraction.len()).ok()? - i64::try_from(all.len() - digits.len()).ok()?;
    let digits = digits.trim_start_matches('0').to_owned();
    if digits.is_empty() {
        return Some((false, digits, 0));
    }
    Some((text.starts_with('-'), digits, exponent.trim_start_matches('+').parse::<i64>().ok()?.checked_sub(places)?))
}
