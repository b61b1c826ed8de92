//! One object of a list, from its bytes to a record.
//!
//! The record is compared with the text by means of its own, which know nothing of the reader.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Record, Resource, Value};
use serde_json::value::RawValue;

/// DynamoDB's own bounds.
const MAX_LEVELS: usize = 32;
const MAX_NAME_BYTES: usize = 64 * 1024;
/// What one record may name in `as_text` beside its own members.
const MAX_PATHS_BYTES: usize = 64 * 1024;
/// How many values one record may hold beside its own members.
const MAX_VALUES: usize = 150_000;
/// The names of a record's members have to fit into an item, even when none of the members does.
const MAX_NAMES_BYTES: usize = 64 * 1024;

/// The first byte chooses the resource, the others are the object.
///
/// - A record holds what was sent, value by value, or its JSON text where `as_text` says so, and nowhere else.
/// - It has no more levels, names and values than the table takes, and names no more than it holds.
/// - Numbers are exact.
/// - Its keys are made of an id and a day.
///
/// # Panics
/// When that does not hold.
pub fn object(input: &[u8]) {
    let Some((choice, json)) = input.split_first() else { return };
    let number = usize::from(*choice) % Resource::all().count();
    let resource = Resource::all().nth(number).expect("there are resources");
    let Ok(raw) = serde_json::from_slice::<Box<RawValue>>(json) else { return };
    check(resource, &raw);
}

/// As [`object`], for a resource and its text.
pub(crate) fn check(resource: &'static Resource, raw: &RawValue) {
    let (record, account) = match Record::read(resource, raw) {
        Ok(read) => read,
        Err(unreadable) => {
            assert!(unreadable.to_string().len() < 100, "a long refusal");
            return;
        }
    };
    let sent = members(raw).expect("a record was an object");
    let mut seen = Seen::default();
    for (name, raw) in &sent {
        match record.data.get(name) {
            Some(value) => seen.same(raw, value, &mut vec![escaped(name)]),
            None => assert!(name == "account" && account.is_some(), "a member was lost"),
        }
    }
    assert_eq!(record.data.len() + usize::from(account.is_some()), sent.len(), "a member was made up");
    let as_text: BTreeSet<_> = record.as_text.iter().cloned().collect();
    assert_eq!(as_text.len(), record.as_text.len(), "a path is named twice");
    assert_eq!(as_text, seen.as_text, "what is kept as text, and what is said of it");

    let names: usize = record.data.keys().map(String::len).sum();
    let paths: usize = record.as_text.iter().map(String::len).sum();
    // In a path, a dot of a name takes two bytes.
    let most = MAX_PATHS_BYTES + 2 * names;
    assert!(names <= MAX_NAMES_BYTES && paths <= most, "{names} bytes of names, {paths} of paths");
    assert!(seen.values <= MAX_VALUES + record.data.len(), "{} values", seen.values);
    let key = record.date_key(resource);
    assert!(key.len() <= 139 && key.is_ascii() && key.as_bytes()[10] == b'#', "a date key of {}", key.len());
    assert_eq!(record.content_hash.len(), 64);

    if let Some(account) = account {
        assert_eq!(record.account_id.as_ref(), Some(&account.id));
        if let Ok((read, _)) = Record::read(Resource::accounts(), account.raw) {
            assert_eq!(read.id, account.id, "another id in the validator than in the record");
        }
    }
}

/// What comparing has come across.
#[derive(Default)]
struct Seen {
    as_text: BTreeSet<String>,
    values: usize,
}

impl Seen {
    fn same(&mut self, raw: &RawValue, value: &Value, path: &mut Vec<String>) {
        self.values += 1;
        let json = raw.get();
        assert!(path.len() < MAX_LEVELS, "{} levels", path.len());
        match (json.as_bytes()[0], value) {
            (b'n', Value::Null) | (b't', Value::Bool(true)) | (b'f', Value::Bool(false)) => {}
            (b'"', Value::Text(text)) => match serde_json::from_str::<String>(json) {
                Ok(sent) => assert!(sent == *text, "a text became another"),
                Err(_) => self.kept(json, text, path),
            },
            (b'{', Value::Object(stored)) => {
                let sent = members(raw).expect("an object");
                assert_eq!(sent.len(), stored.len());
                for (name, raw) in &sent {
                    assert!((1..=MAX_NAME_BYTES).contains(&name.len()), "a name of {} bytes", name.len());
                    path.push(escaped(name));
                    self.same(raw, &stored[name], path);
                    path.pop();
                }
            }
            (b'[', Value::Array(stored)) => {
                let sent: Vec<&RawValue> = serde_json::from_str(json).expect("an array");
                assert_eq!(sent.len(), stored.len());
                for (index, (raw, value)) in sent.iter().zip(stored).enumerate() {
                    path.push(index.to_string());
                    self.same(raw, value, path);
                    path.pop();
                }
            }
            (b'-' | b'0'..=b'9', Value::Number(number)) => exact(json, number.as_str()),
            (_, Value::Text(text)) => self.kept(json, text, path),
            _ => panic!("another kind of value"),
        }
    }

    fn kept(&mut self, json: &str, text: &str, path: &[String]) {
        assert!(json == text, "its text became another");
        self.as_text.insert(path.join("."));
    }
}

/// As `docs/data-model.md` says that a name stands in a path.
fn escaped(name: &str) -> String {
    name.chars().fold(
        String::new(),
        |escaped, c| if matches!(c, '.' | '\\') { escaped + "\\" } else { escaped } + c.encode_utf8(&mut [0; 4]),
    )
}

fn members(raw: &RawValue) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// The same value, in at most 38 digits, in DynamoDB's range, and no longer than its readers take when it is written out.
fn exact(sent: &str, stored: &str) {
    let (negative, digits, scale) = decimal(stored).expect("our own numbers are short");
    assert_eq!(decimal(sent), Some((negative, digits.clone(), scale)), "a number became another");
    let magnitude = scale + i64::try_from(digits.len()).expect("38 at most") - 1;
    assert!(digits.len() <= 38 && (digits.is_empty() || (-128..=37).contains(&magnitude)), "a reader would round");
}

/// Sign, digits without zeros at either end, and the power of ten of the last digit.
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
