//! The operations that the sync calls, and those of them that read one by one. A member of a request that is not named
//! here is an error.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::item::{Item, Path, project};
use super::scope::{Names, Scope};
use super::size::read_units;
use super::table::{Key, Stored, Table};
use super::{expression, query, writes};
use crate::fault::Fault;
use crate::locks::lock;
use crate::stats::Units;

/// The maximum number of keys of BatchGetItem.
const MAX_KEYS: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetItem<'a> {
    #[serde(borrow)]
    table_name: Cow<'a, str>,
    #[serde(borrow)]
    key: Item<'a>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<Names>,
    #[serde(rename = "ConsistentRead")]
    _consistent_read: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct BatchGetItem<'a> {
    #[serde(borrow)]
    request_items: BTreeMap<String, Keys<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Keys<'a> {
    #[serde(borrow)]
    keys: Vec<Item<'a>>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<Names>,
    #[serde(rename = "ConsistentRead")]
    _consistent_read: Option<bool>,
}

/// Returns the response body and the capacity units. A rejected write costs as much as a successful one.
pub(super) fn carry_out(table: &Mutex<Table>, operation: &str, body: &[u8]) -> (Result<String, Fault>, Units) {
    let mut units = Units::default();
    let result = match operation {
        "GetItem" => read(body).and_then(|request| get_item(&lock(table), request, &mut units)),
        "BatchGetItem" => read(body).and_then(|request| batch_get_item(&lock(table), request, &mut units)),
        "Query" => read(body).and_then(|request| query::query(&lock(table), request, &mut units)),
        "PutItem" => read(body).and_then(|request| writes::put_item(&mut lock(table), request, &mut units)),
        "UpdateItem" => read(body).and_then(|request| writes::update_item(&mut lock(table), request, &mut units)),
        "TransactWriteItems" => read(body).and_then(|request| writes::transact(&mut lock(table), request, &mut units)),
        _ => Err(Fault::UnknownOperation(operation.to_owned())),
    };
    (result, units)
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    Ok(serde_json::from_slice(body)?)
}

pub(super) fn check_table(table: &Table, name: &str) -> Result<(), Fault> {
    if table.name == name { Ok(()) } else { Err(Fault::NotFound("table")) }
}

fn projection(text: Option<String>, names: Option<Names>) -> Result<Option<Vec<Path>>, Fault> {
    let scope = Scope::new(names, None);
    let paths = text.map(|text| expression::projection(&text, &scope)).transpose()?;
    scope.is_used_up().map(|()| paths)
}

/// An item, or what a projection leaves of it.
pub(super) fn shown(stored: &Stored, paths: Option<&[Path]>) -> Result<Box<RawValue>, Fault> {
    match paths {
        None => stored.raw(),
        Some(paths) => Ok(serde_json::value::to_raw_value(&project(&stored.item()?, paths))?),
    }
}

fn get_item(table: &Table, request: GetItem<'_>, units: &mut Units) -> Result<String, Fault> {
    check_table(table, &request.table_name)?;
    let key = Key::only(&request.key)?;
    let paths = projection(request.projection_expression, request.expression_attribute_names)?;
    let stored = table.get(&key);
    units.read += read_units(stored.map_or(0, Stored::bytes));
    let Some(stored) = stored else { return Ok("{}".to_owned()) };
    Ok(json!({"Item": shown(stored, paths.as_deref())?}).to_string())
}

fn batch_get_item(table: &Table, request: BatchGetItem<'_>, units: &mut Units) -> Result<String, Fault> {
    let mut tables = request.request_items.into_iter();
    let (Some((name, request)), None) = (tables.next(), tables.next()) else {
        return Err(Fault::validation("there is one table"));
    };
    check_table(table, &name)?;
    let paths = projection(request.projection_expression, request.expression_attribute_names)?;
    let keys: Vec<_> = request.keys.iter().map(Key::only).collect::<Result<_, _>>()?;
    if keys.is_empty() || keys.len() > MAX_KEYS || keys.iter().collect::<BTreeSet<_>>().len() < keys.len() {
        return Err(Fault::validation("a BatchGetItem has 1 to 100 keys, each once"));
    }
    let mut found = Vec::with_capacity(keys.len());
    for key in &keys {
        let stored = table.get(key);
        units.read += read_units(stored.map_or(0, Stored::bytes));
        if let Some(stored) = stored {
            found.push(shown(stored, paths.as_deref())?);
        }
    }
    Ok(json!({"Responses": {name: found}, "UnprocessedKeys": {}}).to_string())
}
