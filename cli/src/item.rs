//! Items of the table: their attributes, and their JSON form with exact numbers.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

/// An item of the table.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Returns the value of a string attribute.
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// Returns the value of an integer attribute.
pub(crate) fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// Returns an item as JSON on one line, with its attributes sorted by name.
pub(crate) fn to_json(item: &Item) -> String {
    let mut text = String::new();
    write_object(item, &mut text);
    text
}

fn write_object(item: &Item, text: &mut String) {
    let sorted: BTreeMap<_, _> = item.iter().collect();
    text.push('{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        write_comma(index, text);
        write_string(name, text);
        text.push(':');
        write_value(value, text);
    }
    text.push('}');
}

fn write_value(value: &AttributeValue, text: &mut String) {
    match value {
        AttributeValue::S(string) => write_string(string, text),
        // The digits of DynamoDB are a JSON number. Parsing them would lose precision.
        AttributeValue::N(digits) => text.push_str(digits),
        AttributeValue::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        AttributeValue::M(map) => write_object(map, text),
        AttributeValue::L(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                write_comma(index, text);
                write_value(value, text);
            }
            text.push(']');
        }
        AttributeValue::Ss(strings) => {
            text.push('[');
            for (index, string) in strings.iter().enumerate() {
                write_comma(index, text);
                write_string(string, text);
            }
            text.push(']');
        }
        // Only internal items, which are not exported, have binary attributes.
        _ => text.push_str("null"),
    }
}

fn write_comma(index: usize, text: &mut String) {
    if index > 0 {
        text.push(',');
    }
}

fn write_string(string: &str, text: &mut String) {
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
        assert_eq!(to_json(&item), expected);
        assert!(serde_json::from_str::<serde_json::Value>(&to_json(&item)).is_ok());
    }
}
