//! Items of the table as JSON, number by number with the digits that the table has.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

/// One item.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The text that an attribute holds; none when it is absent or no text.
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// The number that an attribute holds; none when it is absent or no such number.
pub(crate) fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// An item on one line, its attributes in the order of their names.
pub(crate) fn line(item: &Item) -> String {
    let mut text = String::new();
    members(item, &mut text);
    text
}

fn members(members: &Item, text: &mut String) {
    let sorted: BTreeMap<_, _> = members.iter().collect();
    text.push('{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        comma(index, text);
        quoted(name, text);
        text.push(':');
        write(value, text);
    }
    text.push('}');
}

fn write(value: &AttributeValue, text: &mut String) {
    match value {
        AttributeValue::S(string) => quoted(string, text),
        // DynamoDB's numbers are JSON numbers.
        AttributeValue::N(digits) => text.push_str(digits),
        AttributeValue::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        AttributeValue::M(map) => members(map, text),
        AttributeValue::L(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                comma(index, text);
                write(value, text);
            }
            text.push(']');
        }
        AttributeValue::Ss(strings) => {
            text.push('[');
            for (index, string) in strings.iter().enumerate() {
                comma(index, text);
                quoted(string, text);
            }
            text.push(']');
        }
        // The table holds binaries only in bookkeeping that is not exported.
        _ => text.push_str("null"),
    }
}

fn comma(index: usize, text: &mut String) {
    if index > 0 {
        text.push(',');
    }
}

fn quoted(string: &str, text: &mut String) {
    text.push_str(&serde_json::Value::from(string).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_becomes_json_without_losing_a_digit() {
        let n = |digits: &str| AttributeValue::N(digits.to_owned());
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let data = Item::from([
            ("amount".to_owned(), n("1234567890123456789012345678.0123456789")),
            (
                "tags".to_owned(),
                AttributeValue::L(vec![s("a\"b"), AttributeValue::Null(true), AttributeValue::Bool(true)]),
            ),
        ]);
        let item = Item::from([
            ("sk".to_owned(), s("LINK")),
            ("data".to_owned(), AttributeValue::M(data)),
            ("awaited".to_owned(), AttributeValue::Ss(vec!["OWNERS".to_owned()])),
        ]);
        let expected = r#"{"awaited":["OWNERS"],"data":{"amount":1234567890123456789012345678.0123456789,"tags":["a\"b",null,true]},"sk":"LINK"}"#;
        assert_eq!(line(&item), expected);
        assert!(serde_json::from_str::<serde_json::Value>(&line(&item)).is_ok());
    }
}
