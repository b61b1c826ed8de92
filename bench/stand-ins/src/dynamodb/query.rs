//! Query: the items of a partition whose sort keys begin alike, a megabyte at a time.

use serde::Deserialize;
use serde_json::json;

use std::borrow::Cow;

use super::condition::{Comparator, Condition, Operand};
use super::expression;
use super::item::{Item, Path, Scalar};
use super::operations::{check_table, shown};
use super::scope::{Names, Scope};
use super::size::read_units;
use super::table::{Key, Table};
use crate::fault::Fault;
use crate::stats::Units;

/// The size at which a page ends, before the projection.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Query<'a> {
    #[serde(borrow)]
    table_name: Cow<'a, str>,
    key_condition_expression: String,
    projection_expression: Option<String>,
    expression_attribute_names: Option<Names>,
    #[serde(borrow)]
    expression_attribute_values: Option<Item<'a>>,
    #[serde(borrow)]
    exclusive_start_key: Option<Item<'a>>,
    #[serde(rename = "ConsistentRead")]
    _consistent_read: Option<bool>,
}

pub(super) fn query(table: &Table, request: Query<'_>, units: &mut Units) -> Result<String, Fault> {
    check_table(table, &request.table_name)?;
    let scope = Scope::new(request.expression_attribute_names, request.expression_attribute_values);
    let condition = expression::condition(&request.key_condition_expression, &scope)?;
    let paths = request.projection_expression.map(|text| expression::projection(&text, &scope)).transpose()?;
    scope.is_used_up()?;
    let (pk, prefix) = place(&condition)?;
    let after = request.exclusive_start_key.as_ref().map(Key::only).transpose()?;
    let (mut items, mut bytes, mut last) = (Vec::new(), 0, None);
    for (sk, stored) in table.range(&pk, &prefix, after.as_ref().map(|key| key.sk.as_str())) {
        items.push(shown(stored, paths.as_deref())?);
        bytes += stored.bytes();
        if bytes >= MAX_PAGE_BYTES {
            last = Some(sk);
            break;
        }
    }
    units.read += read_units(bytes);
    let mut page = json!({"Count": items.len(), "ScannedCount": items.len(), "Items": items});
    if let Some(sk) = last {
        page["LastEvaluatedKey"] = json!({"pk": {"S": pk}, "sk": {"S": sk}});
    }
    Ok(page.to_string())
}

/// The partition, and with what the sort keys begin. Other conditions on keys are not known here.
fn place(condition: &Condition<'_>) -> Result<(String, String), Fault> {
    let parts = match condition {
        Condition::Any(any) => match any.as_slice() {
            [Condition::All(parts)] => parts.as_slice(),
            _ => &[],
        },
        _ => &[],
    };
    let place = match parts {
        [Condition::Compare(Operand::Path(pk), Comparator::Equal, value)] if is(pk, "pk") => {
            text(value).map(|pk| (pk, String::new()))
        }
        [Condition::Compare(Operand::Path(pk), Comparator::Equal, value), Condition::BeginsWith(sk, prefix)]
            if is(pk, "pk") && is(sk, "sk") =>
        {
            text(value).zip(text(prefix))
        }
        _ => None,
    };
    place.ok_or_else(|| Fault::validation("the stand-in knows `pk = :v` and `pk = :v AND begins_with(sk, :w)`"))
}

fn is(path: &Path, name: &str) -> bool {
    path.0 == [name]
}

fn text(operand: &Operand<'_>) -> Option<String> {
    match operand.scalar(&Item::new()) {
        Ok(Some(Scalar::Text(text))) => Some(text),
        _ => None,
    }
}
