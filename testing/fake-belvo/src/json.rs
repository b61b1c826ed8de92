//! Writing JSON text directly.
//!
//! A page of a thousand transactions is megabytes of text in which every number must keep its digits, so objects are written
//! field by field into one buffer: numbers are text from the start, and a field that `fields=` or `omit=` drops costs nothing.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use crate::{
    amount::Amount,
    time::{Day, Timestamp},
};

/// The first-level fields to return: Belvo's `fields=` and `omit=`.
#[derive(Debug, Default)]
pub(crate) struct Projection {
    pub(crate) fields: Option<Vec<String>>,
    pub(crate) omit: Vec<String>,
}

impl Projection {
    fn keeps(&self, key: &str) -> bool {
        let wanted = self.fields.as_ref().is_none_or(|fields| fields.iter().any(|field| field == key));
        wanted && !self.omit.iter().any(|field| field == key)
    }
}

/// Members of an object by name, as JSON text.
pub(crate) type Members = BTreeMap<String, String>;

/// One object being written.
pub(crate) struct Object<'a> {
    out: &'a mut String,
    projection: Option<&'a Projection>,
    empty: bool,
    /// Replacements of members, by name.
    replaced: Option<Arc<Members>>,
    /// The names of the replacements that were written.
    done: Vec<String>,
}

impl Object<'_> {
    /// Writes a whole object to the end of `out`.
    pub(crate) fn write(out: &mut String, projection: Option<&Projection>, fields: impl FnOnce(&mut Object<'_>)) {
        out.push('{');
        fields(&mut Object { out, projection, empty: true, replaced: None, done: Vec::new() });
        out.push('}');
    }

    /// Writes fields with replacements. A replacement of a field that does not exist is appended.
    pub(crate) fn replace(&mut self, members: &Arc<Members>, fields: impl FnOnce(&mut Self)) {
        self.replaced = Some(Arc::clone(members));
        fields(self);
        self.replaced = None;
        let done = std::mem::take(&mut self.done);
        for (key, text) in members.iter().filter(|(key, _)| !done.contains(key)) {
            self.put_any(key, Raw(text));
        }
    }

    /// Writes one field.
    pub(crate) fn put(&mut self, key: &str, value: impl Put) {
        if self.begin(key) {
            value.put(self.out);
        }
    }

    /// Writes an object as a field.
    pub(crate) fn nest(&mut self, key: &str, fields: impl FnOnce(&mut Object<'_>)) {
        if self.begin(key) {
            Object::write(self.out, None, fields);
        }
    }

    /// Writes an object as a field, or null.
    pub(crate) fn nest_if(&mut self, key: &str, present: bool, fields: impl FnOnce(&mut Object<'_>)) {
        if present {
            self.nest(key, fields);
        } else {
            self.put(key, Null);
        }
    }

    /// Writes an array of one object.
    pub(crate) fn list_of_one(&mut self, key: &str, fields: impl FnOnce(&mut Object<'_>)) {
        if self.begin(key) {
            self.out.push('[');
            Object::write(self.out, None, fields);
            self.out.push(']');
        }
    }

    /// Writes null for each of the keys.
    pub(crate) fn nulls(&mut self, keys: &[&str]) {
        for key in keys {
            self.put(key, Null);
        }
    }

    /// Writes one field whose key may need escapes. No key of Belvo's does.
    pub(crate) fn put_any(&mut self, key: &str, value: impl Put) {
        if self.separate(key) {
            key.put(self.out);
            self.out.push(':');
            if !self.is_replaced(key) {
                value.put(self.out);
            }
        }
    }

    /// Writes the key of the next field. Returns `false` if its value is omitted or replaced.
    fn begin(&mut self, key: &str) -> bool {
        let kept = self.separate(key);
        if kept {
            self.out.push('"');
            self.out.push_str(key);
            self.out.push_str("\":");
        }
        kept && !self.is_replaced(key)
    }

    /// Writes the replacement of the value, if there is one.
    fn is_replaced(&mut self, key: &str) -> bool {
        let Some(text) = self.replaced.as_ref().and_then(|members| members.get(key)) else { return false };
        self.out.push_str(text);
        self.done.push(key.to_owned());
        true
    }

    /// Writes the separator before a field. Returns `false` if the projection omits the field.
    fn separate(&mut self, key: &str) -> bool {
        if self.projection.is_some_and(|projection| !projection.keeps(key)) {
            return false;
        }
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        true
    }
}

/// A type that can be written as the value of a field.
pub(crate) trait Put {
    /// Writes the value to the end of `out`.
    fn put(self, out: &mut String);
}

/// JSON's null.
pub(crate) struct Null;

/// Text that is JSON already.
pub(crate) struct Raw<'a>(pub(crate) &'a str);

impl Put for Null {
    fn put(self, out: &mut String) {
        out.push_str("null");
    }
}

impl Put for Raw<'_> {
    fn put(self, out: &mut String) {
        out.push_str(self.0);
    }
}

impl Put for &str {
    fn put(self, out: &mut String) {
        let plain = self.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
        if plain {
            out.push('"');
            out.push_str(self);
            out.push('"');
        } else {
            out.push_str(&serde_json::Value::from(self).to_string());
        }
    }
}

impl Put for &String {
    fn put(self, out: &mut String) {
        self.as_str().put(out);
    }
}

impl Put for String {
    fn put(self, out: &mut String) {
        self.as_str().put(out);
    }
}

impl Put for bool {
    fn put(self, out: &mut String) {
        out.push_str(if self { "true" } else { "false" });
    }
}

impl Put for u64 {
    fn put(self, out: &mut String) {
        let _ = write!(out, "{self}");
    }
}

impl Put for usize {
    fn put(self, out: &mut String) {
        let _ = write!(out, "{self}");
    }
}

impl Put for Amount {
    fn put(self, out: &mut String) {
        let _ = write!(out, "{self}");
    }
}

impl Put for Day {
    fn put(self, out: &mut String) {
        let _ = write!(out, "\"{self}\"");
    }
}

impl Put for Timestamp {
    fn put(self, out: &mut String) {
        let _ = write!(out, "\"{self}\"");
    }
}

impl<T: Put> Put for Option<T> {
    fn put(self, out: &mut String) {
        match self {
            Some(value) => value.put(out),
            None => Null.put(out),
        }
    }
}

/// An array of strings.
impl<T: AsRef<str>> Put for &[T] {
    fn put(self, out: &mut String) {
        out.push('[');
        for (position, text) in self.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            text.as_ref().put(out);
        }
        out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projection_reaches_the_first_level_only() {
        let omit_id = Projection { fields: None, omit: vec!["id".into()] };
        let mut out = String::new();
        Object::write(&mut out, Some(&omit_id), |object| {
            object.put("id", 1_u64);
            object.nest("account", |account| account.put("id", 2_u64));
            object.put("amount", Amount::new(1050, 2));
        });
        assert_eq!(out, r#"{"account":{"id":2},"amount":10.50}"#);
    }

    #[test]
    fn replaced_members_keep_their_place_and_new_ones_come_last() {
        let members = [("id", "12"), ("balance", "null"), ("new", r#"{"id":[]}"#), ("gone", "3")];
        let members = Arc::new(members.map(|(key, text)| (key.to_owned(), text.to_owned())).into());
        let omit = Projection { fields: None, omit: vec!["gone".into()] };
        let mut out = String::new();
        Object::write(&mut out, Some(&omit), |object| {
            object.replace(&members, |object| {
                object.put("id", 1_u64);
                object.nest("balance", |balance| balance.put("id", 2_u64));
                object.put("amount", Amount::new(1050, 2));
            });
        });
        assert_eq!(out, r#"{"id":12,"balance":null,"amount":10.50,"new":{"id":[]}}"#);
    }

    #[test]
    fn awkward_text_is_escaped() {
        let mut out = String::new();
        "PIX \"João\"\\\n☕".put(&mut out);
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), "PIX \"João\"\\\n☕");
    }
}
