//! A notation for Belvo's schemas: a line for each field, two spaces for each level.
//!
//! ```text
//! id: uuid
//! due_date?: date or null          the key may be absent, the value may be null
//! payments[]?: object              a list of objects, whose fields follow, indented
//!   amount: decimal 15.4           up to 15 digits before the point and 4 after it; `-15.8` may be negative
//!   type: one of FULL | OTHER      more choices may follow on lines that begin with `|`
//! ```

/// One field of an object.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// The key may be absent.
    pub(crate) optional: bool,
    /// The value may be null.
    pub(crate) nullable: bool,
    /// The value is a list of such values.
    pub(crate) many: bool,
    pub(crate) form: Form,
}

/// The form of a value.
#[derive(Debug)]
pub(crate) enum Form {
    Uuid,
    /// A string, with its maximum length in characters.
    Text(usize),
    Email,
    /// A string of decimal digits, with its minimum and maximum length.
    Digits(usize, usize),
    /// Capital letters, with their number.
    Letters(usize),
    Currency,
    Date,
    /// A year and a month.
    Month,
    Timestamp,
    Flag,
    /// An integer, with its maximum.
    Int(u64),
    Decimal(Decimal),
    /// One of these texts.
    Choice(Vec<&'static str>),
    /// A document, in Base64.
    File,
    /// An object without a schema.
    Map,
    /// A whole account.
    Account,
    /// The id of one of the link's accounts.
    AccountId,
    Object(Vec<Field>),
}

/// The precision of a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) signed: bool,
    pub(crate) whole: u32,
    pub(crate) fraction: u32,
}

/// The precision where Belvo's schema says only "float".
const PLAIN: Decimal = Decimal { signed: false, whole: 15, fraction: 4 };
const LONG_TEXT: usize = 200;

/// Parses the fields of a shape. Returns `None` if a line is not valid.
pub(crate) fn parse(text: &'static str) -> Option<Vec<Field>> {
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(more) = line.trim_start().strip_prefix("| ") {
            let (_, _, pieces): &mut Line = lines.last_mut()?;
            pieces.push(more);
        } else {
            let depth = (line.len() - line.trim_start().len()) / 2;
            let (name, form) = line.trim().split_once(": ")?;
            lines.push((depth, name, vec![form]));
        }
    }
    let mut rest = lines.as_slice();
    let fields = level(&mut rest, 0)?;
    rest.is_empty().then_some(fields)
}

/// A line: depth, name, and the parts of its form.
type Line = (usize, &'static str, Vec<&'static str>);

fn level(rest: &mut &[Line], depth: usize) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while let Some((line, after)) = rest.split_first().filter(|(line, _)| line.0 == depth) {
        *rest = after;
        let nested = level(rest, depth + 1)?;
        fields.push(field(line, nested)?);
    }
    Some(fields)
}

fn field((_, name, parts): &Line, nested: Vec<Field>) -> Option<Field> {
    let (last, others) = parts.split_last()?;
    let (last, nullable) = last.strip_suffix(" or null").map_or((*last, false), |last| (last, true));
    let (name, optional) = name.strip_suffix('?').map_or((*name, false), |name| (name, true));
    let (name, many) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
    let pieces: Vec<&'static str> = others.iter().copied().chain([last]).collect();
    let form = form(&pieces, nested)?;
    Some(Field { name, optional, nullable, many, form })
}

fn form(pieces: &[&'static str], nested: Vec<Field>) -> Option<Form> {
    let first = *pieces.first()?;
    if let Some(first) = first.strip_prefix("one of ") {
        let pieces = std::iter::once(first).chain(pieces[1..].iter().copied());
        return Some(Form::Choice(pieces.flat_map(|piece| piece.split(" | ")).collect()));
    }
    let (word, rest) = first.split_once(' ').unwrap_or((first, ""));
    let number = || rest.parse::<usize>().ok();
    match (word, rest) {
        ("object", "") => Some(Form::Object(nested)),
        _ if !nested.is_empty() => None,
        ("uuid", "") => Some(Form::Uuid),
        ("text", "") => Some(Form::Text(LONG_TEXT)),
        ("text", _) => Some(Form::Text(number()?)),
        ("email", "") => Some(Form::Email),
        ("digits", _) => {
            let (least, most) = rest.split_once(" to ").unwrap_or((rest, rest));
            Some(Form::Digits(least.parse().ok()?, most.parse().ok()?))
        }
        ("letters", _) => Some(Form::Letters(number()?)),
        ("currency", "") => Some(Form::Currency),
        ("date", "") => Some(Form::Date),
        ("month", "") => Some(Form::Month),
        ("timestamp", "") => Some(Form::Timestamp),
        ("flag", "") => Some(Form::Flag),
        ("int", "") => Some(Form::Int(u64::from(u16::MAX))),
        ("int", _) => Some(Form::Int(rest.parse().ok()?)),
        ("long", "") => Some(Form::Int(99_999_999_999_999)),
        ("decimal", "") => Some(Form::Decimal(PLAIN)),
        ("decimal", _) => {
            let (magnitude, signed) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
            let (whole, fraction) = magnitude.split_once('.')?;
            Some(Form::Decimal(Decimal { signed, whole: whole.parse().ok()?, fraction: fraction.parse().ok()? }))
        }
        ("file", "") => Some(Form::File),
        ("map", "") => Some(Form::Map),
        ("account", "") => Some(Form::Account),
        ("account", "id") => Some(Form::AccountId),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_name_presence_null_list_and_form() {
        let fields =
            parse("id: uuid\npayments[]?: object or null\n  amount?: decimal -15.8\ntype: one of A B\n  | C or null\n")
                .unwrap();
        let [id, payments, kind] = fields.as_slice() else { panic!("{fields:?}") };
        assert!(!id.optional && !id.nullable && !id.many && matches!(id.form, Form::Uuid));
        assert!(payments.optional && payments.nullable && payments.many && payments.name == "payments");
        let Form::Object(nested) = &payments.form else { panic!("{payments:?}") };
        let exact = Decimal { signed: true, whole: 15, fraction: 8 };
        assert!(nested[0].optional && matches!(nested[0].form, Form::Decimal(decimal) if decimal == exact));
        assert!(kind.nullable && matches!(&kind.form, Form::Choice(choices) if *choices == ["A B", "C"]));
    }

    #[test]
    fn what_makes_no_sense_is_no_shape() {
        for text in ["id", "id: uid", "id: uuid\n  nested: uuid", "    id: uuid", "| A", "amount: decimal x"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
