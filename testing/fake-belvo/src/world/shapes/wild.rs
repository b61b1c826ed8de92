//! Generates wild objects, for tests of programs that must keep everything that Belvo sends.

use std::fmt::Write as _;

use fastrand::Rng;

use super::{Field, Form, fields, notation::Decimal};
use crate::{ids::uuid_from, json::Put};

/// The usual maximum depth of values without a schema. One in 32 objects has a value of depth [`ABYSS`].
const DEPTH: usize = 5;
/// A depth above DynamoDB's limit of 32 levels.
const ABYSS: usize = 40;
const KEYS: [&str; 8] = ["nuevo", "extra_field", "ñandú", "with space", "dotted.key", "UPPER", "日本", "\"quoted\""];
const TEXTS: [&str; 16] = [
    "",
    " ",
    "null",
    "0",
    "007",
    "1e5",
    "true",
    "2024-02-30",
    "João \"Zé\" \\ / \n\t\u{8}",
    "☕🇧🇷👩‍👩‍👧",
    "e\u{301}",
    "\u{0}",
    "\u{2028}",
    "<script>",
    "' OR 1=1 --",
    "\u{feff}bom",
];

/// Generates an object of a shape.
pub(crate) fn object(shape: &[Field], rng: &mut Rng) -> String {
    let mut out = String::new();
    write_object(shape, true, rng, &mut out);
    out
}

fn write_object(shape: &[Field], whole: bool, rng: &mut Rng, out: &mut String) {
    out.push('{');
    let mut separator = "";
    for (key, value) in members(shape, whole, rng) {
        write_key(&key, &mut separator, out);
        out.push_str(&value);
    }
    out.push('}');
}

/// Generates the members of an object of a shape, with values as JSON text. A whole object has an id.
pub(crate) fn members(shape: &[Field], whole: bool, rng: &mut Rng) -> Vec<(String, String)> {
    let mut members = Vec::new();
    for field in shape {
        let identity = whole && field.name == "id";
        if !identity && rng.u8(..) < if field.optional { 80 } else { 4 } {
            continue;
        }
        let mut value = String::new();
        if identity {
            id(rng).put(&mut value);
        } else {
            write_value(field, rng, &mut value);
        }
        members.push((field.name.to_owned(), value));
    }
    if rng.u8(..32) == 0 {
        members.push(("abyss".to_owned(), anything(ABYSS, true, rng)));
    }
    for number in 0..rng.usize(..5).saturating_sub(2) {
        let key = format!("{}_{number}", KEYS[rng.usize(..KEYS.len())]);
        members.push((key, anything(DEPTH, false, rng)));
    }
    members
}

fn anything(depth: usize, down: bool, rng: &mut Rng) -> String {
    let mut out = String::new();
    write_anything(depth, down, rng, &mut out);
    out
}

fn write_key(key: &str, separator: &mut &str, out: &mut String) {
    out.push_str(separator);
    *separator = ",";
    key.put(out);
    out.push(':');
}

fn write_value(field: &Field, rng: &mut Rng, out: &mut String) {
    if rng.u8(..) < if field.nullable { 50 } else { 5 } {
        out.push_str("null");
    } else if field.many {
        let length = rng.usize(..4);
        write_list(length, rng, out, |rng, out| write_one(&field.form, rng, out));
    } else {
        write_one(&field.form, rng, out);
    }
}

fn write_list(length: usize, rng: &mut Rng, out: &mut String, mut write: impl FnMut(&mut Rng, &mut String)) {
    out.push('[');
    for index in 0..length {
        if index > 0 {
            out.push(',');
        }
        write(rng, out);
    }
    out.push(']');
}

fn write_one(form: &Form, rng: &mut Rng, out: &mut String) {
    match form {
        Form::Uuid | Form::AccountId => id(rng).put(out),
        Form::Choice(choices) if rng.u8(..10) > 0 => choices[rng.usize(..choices.len())].put(out),
        Form::Choice(_) => "A_VALUE_OF_TOMORROW".put(out),
        Form::Digits(least, most) => digits(rng.usize(*least..=*most), rng).put(out),
        Form::Flag => rng.bool().put(out),
        Form::Int(most) => rng.u64(..=*most).put(out),
        Form::Decimal(decimal) => write_decimal(*decimal, rng, out),
        Form::Map => write_anything(DEPTH, true, rng, out),
        Form::File => "JVBERi0x".repeat(rng.usize(..500)).put(out),
        Form::Object(fields) => write_object(fields, false, rng, out),
        Form::Account => write_object(fields("accounts"), true, rng, out),
        Form::Date => format!("20{}-0{}-{}", rng.u8(10..30), rng.u8(1..10), rng.u8(10..29)).put(out),
        Form::Month => format!("20{}-0{}", rng.u8(10..30), rng.u8(1..10)).put(out),
        Form::Timestamp => moment(rng).put(out),
        Form::Currency | Form::Letters(_) | Form::Email | Form::Text(_) => text(rng).put(out),
    }
}

/// Generates an id: a UUID or another valid form.
fn id(rng: &mut Rng) -> String {
    let mut id = uuid_from(rng.u64(..));
    match rng.u8(..16) {
        0 => id.replace_range(14..16, "po"),
        1 => id = format!("{}_{}-Z", rng.u32(..), rng.u32(..)),
        2 => id = id.replace('-', ""),
        _ => {}
    }
    id
}

fn moment(rng: &mut Rng) -> String {
    let day = format!("20{}-0{}-{}", rng.u8(10..30), rng.u8(1..10), rng.u8(10..29));
    let fraction = digits(rng.usize(3..=6), rng);
    let zone = ["Z", "+00:00", "-03:00"][rng.usize(..3)];
    format!("{day}T{:02}:{:02}:{:02}.{fraction}{zone}", rng.u8(..24), rng.u8(..60), rng.u8(..60))
}

fn text(rng: &mut Rng) -> String {
    match rng.u8(..8) {
        0..3 => TEXTS[rng.usize(..TEXTS.len())].to_owned(),
        3 => "texto largo ☕ ".repeat(rng.usize(1..150)),
        _ => format!("Pago núm. {}", rng.u32(..)),
    }
}

fn digits(length: usize, rng: &mut Rng) -> String {
    (0..length).map(|_| rng.digit(10)).collect()
}

/// Writes a number of up to 19 digits within the precision of the schema; rarely with an undocumented sign or exponent.
fn write_decimal(decimal: Decimal, rng: &mut Rng, out: &mut String) {
    let Decimal { signed, whole, fraction } = decimal;
    if rng.u8(..10) < if signed { 4 } else { 1 } {
        out.push('-');
    }
    let most = usize::try_from(whole).unwrap_or(1);
    let whole = digits(rng.usize(1..=most), rng);
    let trimmed = whole.trim_start_matches('0');
    out.push_str(if trimmed.is_empty() { "0" } else { trimmed });
    let most = usize::try_from(fraction).unwrap_or(0);
    let fraction = digits(rng.usize(0..=most), rng);
    if !fraction.is_empty() {
        let _ = write!(out, ".{fraction}");
    }
    if rng.u8(..40) == 0 {
        let _ = write!(out, "{}", ["e-7", "E2", "e+3"][rng.usize(..3)]);
    }
}

/// Writes JSON without a schema. `down` makes it use the full depth.
fn write_anything(depth: usize, down: bool, rng: &mut Rng, out: &mut String) {
    let kind = if down { rng.u8(5..7) } else { rng.u8(..if depth == 0 { 5 } else { 7 }) };
    let inner = |out: &mut String, rng: &mut Rng, down: bool| {
        write_anything(depth.saturating_sub(1), down && depth > 1, rng, out);
    };
    match kind {
        0 => out.push_str("null"),
        1 => rng.bool().put(out),
        2 => write_decimal(Decimal { signed: true, whole: 15, fraction: 4 }, rng, out),
        3 | 4 => text(rng).put(out),
        5 if depth > DEPTH => {
            out.push('[');
            inner(out, rng, down);
            out.push(']');
        }
        5 => {
            let length = rng.usize(..3);
            write_list(length, rng, out, |rng, out| inner(out, rng, false));
        }
        _ => {
            out.push('{');
            let mut separator = "";
            write_key("a", &mut separator, out);
            inner(out, rng, down);
            if depth <= DEPTH && rng.bool() {
                write_key(KEYS[rng.usize(..KEYS.len())], &mut separator, out);
                inner(out, rng, false);
            }
            out.push('}');
        }
    }
}
