//! Generates the typical objects that the server returns. Every value is a function of the object's position, so a field can be
//! generated without the others. Each level of nesting has its own generator.

use std::fmt::Write as _;

use super::{Field, Form, notation::Decimal, words};
use crate::{
    amount::Amount,
    ids::uuid_from,
    json::{Null, Object, Put, Raw},
    random::Dice,
    time::{Day, Timestamp},
    world::Place,
};

/// The inverse of the probability that an optional key is absent, or a nullable value null.
const RARE: u64 = 6;
/// The maximum age of dates in days.
const HISTORY_DAYS: i64 = 3 * 365;

/// A generator of the values of one object.
#[derive(Clone, Copy)]
pub(crate) struct Generator<'a> {
    place: Place<'a>,
    dice: Dice,
}

impl<'a> Generator<'a> {
    pub(crate) fn of(place: Place<'a>) -> Self {
        Self { place, dice: place.dice() }
    }

    /// Returns the value of a field as JSON text, or `None` if its key is absent.
    pub(crate) fn value(self, field: &Field) -> Option<String> {
        let inner = self.within(field.name);
        // A change fills in missing values, so that it is always visible.
        let may_lack = self.place.row.revision == 0;
        if field.optional && may_lack && inner.dice.once_in("absent", RARE) {
            return None;
        }
        let mut out = String::new();
        if field.nullable && may_lack && inner.dice.once_in("null", RARE) {
            Null.put(&mut out);
        } else if field.many {
            inner.list(field, &mut out);
        } else {
            inner.one(field, &mut out);
        }
        Some(out)
    }

    /// Returns the length of a list.
    pub(crate) fn length(self, field: &str) -> usize {
        1 + self.within(field).dice.below("length", 3)
    }

    fn within(self, name: &str) -> Self {
        Self { dice: self.dice.within(name), ..self }
    }

    fn list(self, field: &Field, out: &mut String) {
        out.push('[');
        for index in 0..=self.dice.below("length", 3) {
            if index > 0 {
                out.push(',');
            }
            Self { dice: self.dice.at(index), ..self }.one(field, out);
        }
        out.push(']');
    }

    fn one(self, field: &Field, out: &mut String) {
        let dice = self.dice;
        let changing = dice.revised(self.place.row.revision);
        match &field.form {
            Form::Uuid => uuid_from(dice.bits("uuid")).put(out),
            Form::Text(longest) => {
                let dice = if words::is_identity(field.name) { dice } else { changing };
                words::text(field.name, dice, *longest).put(out);
            }
            Form::Email => words::email(dice).put(out),
            Form::Digits(least, most) => digits(dice, *least, *most).put(out),
            Form::Letters(length) => "MEXICO"[..(*length).min(6)].put(out),
            Form::Currency => self.place.link.institution.currency().put(out),
            Form::Date => self.day().put(out),
            Form::Month => self.day().to_string()[..7].put(out),
            Form::Timestamp => Timestamp::styled(self.day().midnight() + self.second(), dice.bits("style")).put(out),
            Form::Flag => dice.once_in("flag", 2).put(out),
            Form::Int(most) => changing.roll("int", (*most).clamp(1, 9_999) + 1).put(out),
            Form::Decimal(decimal) => write_decimal(changing, *decimal, out),
            Form::Choice(choices) => dice.pick("choice", choices).put(out),
            Form::File => write_file(self.place.link.file_bytes, changing, out),
            Form::Map => write_map(changing, out),
            // The resource writes a whole account, which exists at the first level only.
            Form::Account => Null.put(out),
            Form::AccountId => match self.place.account() {
                Some(account) => account.located_id().put(out),
                None => uuid_from(dice.bits("account")).put(out),
            },
            Form::Object(fields) => Object::write(out, None, |object| {
                for field in fields {
                    if let Some(text) = self.value(field) {
                        object.put(field.name, Raw(&text));
                    }
                }
            }),
        }
    }

    /// Returns a day in the link's history. Objects after the first load are a few days old.
    fn day(self) -> Day {
        let back = |days: u64| -i64::try_from(self.dice.roll("day", days)).unwrap_or_default();
        let loaded = self.place.link.tables[self.place.resource].loaded;
        if self.place.index >= loaded {
            Day::of(self.place.row.created).plus(back(4))
        } else {
            self.place.link.history.1.plus(back(HISTORY_DAYS.unsigned_abs()))
        }
    }

    fn second(self) -> i64 {
        i64::try_from(self.dice.roll("second", 86_400_000_000)).unwrap_or_default()
    }
}

/// Returns the first day of the dates of a link's first load.
pub(crate) fn first_day(place: Place<'_>) -> Day {
    place.link.history.1.plus(-HISTORY_DAYS)
}

fn digits(dice: Dice, least: usize, most: usize) -> String {
    let length = least + dice.below("length", most.saturating_sub(least) + 1);
    let mut text = String::new();
    while text.len() < length {
        text.push_str(&dice.at(text.len()).digits("digits", 18));
    }
    text.truncate(length);
    text
}

/// Writes a number of usual size; one in 40 has the maximum length of the schema.
fn write_decimal(dice: Dice, decimal: Decimal, out: &mut String) {
    let Decimal { signed, whole, fraction } = decimal;
    let (whole, fraction) = if dice.once_in("extreme", 40) {
        (whole, fraction)
    } else {
        (
            whole.min(2 + u32::try_from(dice.roll("size", 4)).unwrap_or_default()),
            fraction.min(2 + 4 * u32::from(whole == 1)),
        )
    };
    let part = |subject, digits: u32| dice.bits(subject) % 10_u64.pow(digits.min(18));
    let sign = if signed && dice.once_in("negative", 4) { "-" } else { "" };
    let _ = write!(out, "{sign}{}", if whole == 1 { part("whole", 1) % 2 } else { part("whole", whole) });
    if fraction > 0 {
        let width = usize::try_from(fraction).unwrap_or_default();
        let _ = write!(out, ".{:0width$}", part("fraction", fraction));
    }
}

/// Writes a file of random bytes in Base64.
fn write_file(bytes: usize, dice: Dice, out: &mut String) {
    out.push('"');
    out.push_str("JVBERi0xLjQK");
    let mut written = 0;
    while written < bytes {
        let piece = format!("{:016x}", dice.at(written).bits("file"));
        out.push_str(&piece);
        written += piece.len();
    }
    out.push('"');
}

/// Writes an object without a schema, such as the fields of a tax return.
fn write_map(dice: Dice, out: &mut String) {
    Object::write(out, None, |object| {
        object.put("descripcion", words::text("descripcion", dice, 80));
        object.put("total", Amount::new(dice.roll("total", 10_000_000), 2));
        object.put("cantidad", dice.roll("cantidad", 100));
        object.nest("detalle", |object| {
            object.put("impuesto_a_cargo", Amount::new(dice.roll("cargo", 10_000_000_000), 4));
            object.put("a_favor", dice.once_in("favor", 2));
            object.nulls(&["observaciones"]);
        });
    });
}
