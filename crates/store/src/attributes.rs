//! Domain values as DynamoDB attributes.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::Value;

/// An item, or a map in it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Returns a value as a DynamoDB attribute. Numbers keep all digits: they are passed as text, never as floats.
#[must_use]
pub fn to_attribute(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(value) => AttributeValue::Bool(value),
        Value::Number(number) => AttributeValue::N(number.as_str().to_owned()),
        Value::Text(text) => AttributeValue::S(text),
        Value::Array(items) => AttributeValue::L(items.into_iter().map(to_attribute).collect()),
        Value::Object(members) => map(members),
    }
}

pub(crate) fn map(members: BTreeMap<String, Value>) -> AttributeValue {
    AttributeValue::M(members.into_iter().map(|(name, value)| (name, to_attribute(value))).collect())
}

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn n(number: impl ToString + Copy) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn strings(texts: &[String]) -> AttributeValue {
    AttributeValue::L(texts.iter().map(s).collect())
}

/// Returns the number in an attribute. `None` if the attribute is absent, or is no integer.
pub(crate) fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// Returns the text in an attribute. `None` if the attribute is absent, or is no text.
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// Returns an upper bound of the size that DynamoDB counts for an item or a map, in bytes: names, texts, and three bytes for
/// each value that holds others. (Source: DynamoDB developer guide, "DynamoDB item sizes and formats".)
pub(crate) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size_of_value(value)).sum()
}

pub(crate) fn size_of_value(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len() + 1,
        AttributeValue::L(items) => 3 + items.iter().map(|item| 1 + size_of_value(item)).sum::<usize>(),
        AttributeValue::M(members) => 3 + members.len() + size(members),
        _ => 2,
    }
}
