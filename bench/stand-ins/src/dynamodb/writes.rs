//! PutItem, UpdateItem and TransactWriteItems.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Instant;

use serde::Deserialize;

use super::condition::Condition;
use super::expression;
use super::item::Item;
use super::operations::check_table;
use super::scope::{Names, Scope};
use super::size::write_units;
use super::table::{Key, Stored, Table};
use super::update::{Action, Draft, apply};
use crate::fault::{Fault, Refusal};
use crate::stats::Units;

/// The maximum number of parts of TransactWriteItems.
const MAX_PARTS: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct PutItem<'a> {
    #[serde(borrow)]
    table_name: Cow<'a, str>,
    #[serde(borrow)]
    item: Item<'a>,
    condition_expression: Option<String>,
    expression_attribute_names: Option<Names>,
    #[serde(borrow)]
    expression_attribute_values: Option<Item<'a>>,
    return_values: Option<Returned>,
    return_values_on_condition_check_failure: Option<Returned>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct UpdateItem<'a> {
    #[serde(borrow)]
    table_name: Cow<'a, str>,
    #[serde(borrow)]
    key: Item<'a>,
    update_expression: String,
    condition_expression: Option<String>,
    expression_attribute_names: Option<Names>,
    #[serde(borrow)]
    expression_attribute_values: Option<Item<'a>>,
    return_values: Option<Returned>,
    return_values_on_condition_check_failure: Option<Returned>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ConditionCheck<'a> {
    #[serde(borrow)]
    table_name: Cow<'a, str>,
    #[serde(borrow)]
    key: Item<'a>,
    condition_expression: String,
    expression_attribute_names: Option<Names>,
    #[serde(borrow)]
    expression_attribute_values: Option<Item<'a>>,
    return_values_on_condition_check_failure: Option<Returned>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct TransactWriteItems<'a> {
    #[serde(borrow)]
    transact_items: Vec<Part<'a>>,
    /// The idempotency token. No transaction is repeated here.
    #[serde(rename = "ClientRequestToken")]
    _client_request_token: Option<String>,
}

#[derive(Deserialize)]
enum Part<'a> {
    Put(#[serde(borrow)] PutItem<'a>),
    Update(#[serde(borrow)] UpdateItem<'a>),
    ConditionCheck(#[serde(borrow)] ConditionCheck<'a>),
}

#[derive(Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Returned {
    #[default]
    None,
    AllOld,
    AllNew,
}

/// A parsed write.
struct Write<'a> {
    key: Key,
    change: Change<'a>,
    condition: Option<Condition<'a>>,
    returned: Returned,
    returned_on_failure: Returned,
}

enum Change<'a> {
    Put(Item<'a>),
    Update { actions: Vec<Action<'a>>, key: Item<'a> },
    Nothing,
}

pub(super) fn put_item(table: &mut Table, request: PutItem<'_>, units: &mut Units) -> Result<String, Fault> {
    Write::of_put(table, request)?.carry_out_alone(table, units)
}

pub(super) fn update_item(table: &mut Table, request: UpdateItem<'_>, units: &mut Units) -> Result<String, Fault> {
    Write::of_update(table, request)?.carry_out_alone(table, units)
}

/// Executes a transaction: all conditions are evaluated before anything is written. It costs twice the units.
pub(super) fn transact(table: &mut Table, request: TransactWriteItems<'_>, units: &mut Units) -> Result<String, Fault> {
    let writes = request.transact_items.into_iter().map(|part| match part {
        Part::Put(put) => Write::of_put(table, put),
        Part::Update(update) => Write::of_update(table, update),
        Part::ConditionCheck(check) => Write::of_check(table, check),
    });
    let writes: Vec<_> = writes.collect::<Result<_, _>>()?;
    let places: BTreeSet<_> = writes.iter().map(|write| &write.key).collect();
    if writes.is_empty() || writes.len() > MAX_PARTS || places.len() < writes.len() {
        return Err(Fault::validation("a transaction has 1 to 100 parts, each on an item of its own"));
    }
    // Ours never leave their partition.
    let (pk, throttled) = (writes[0].key.pk.clone(), Fault::TransactionThrottled(writes.len()));
    within_capacity(table, &pk, throttled, units, |table, units| carry_out_all(table, writes, units))
}

/// Does what a partition has units for, and takes them.
fn within_capacity(
    table: &mut Table,
    pk: &str,
    throttled: Fault,
    units: &mut Units,
    work: impl FnOnce(&mut Table, &mut Units) -> Result<String, Fault>,
) -> Result<String, Fault> {
    let now = Instant::now();
    if !table.throttle.admits(pk, now) {
        return Err(throttled);
    }
    let result = work(table, units);
    table.throttle.spend(pk, units.write, now);
    result
}

fn carry_out_all(table: &mut Table, writes: Vec<Write<'_>>, units: &mut Units) -> Result<String, Fault> {
    let refusals: Vec<_> = writes.iter().map(|write| write.refusal(table)).collect::<Result<_, _>>()?;
    if refusals.iter().any(Option::is_some) {
        units.write += 2 * writes.iter().map(|write| write.units_now(table)).sum::<u64>();
        return Err(Fault::TransactionCanceled(refusals));
    }
    for write in writes {
        let Units { write, index_write, .. } = write.carry_out(table)?;
        units.write += 2 * write;
        units.index_write += index_write;
    }
    Ok("{}".to_owned())
}

impl<'a> Write<'a> {
    fn of_put(table: &Table, put: PutItem<'a>) -> Result<Self, Fault> {
        check_table(table, &put.table_name)?;
        let scope = Scope::new(put.expression_attribute_names, put.expression_attribute_values);
        let condition = put.condition_expression.map(|text| expression::condition(&text, &scope)).transpose()?;
        scope.is_used_up()?;
        Ok(Self {
            key: Key::of(&put.item)?,
            change: Change::Put(put.item),
            condition,
            returned: put.return_values.unwrap_or_default(),
            returned_on_failure: put.return_values_on_condition_check_failure.unwrap_or_default(),
        })
    }

    fn of_update(table: &Table, update: UpdateItem<'a>) -> Result<Self, Fault> {
        check_table(table, &update.table_name)?;
        let scope = Scope::new(update.expression_attribute_names, update.expression_attribute_values);
        let condition = update.condition_expression.map(|text| expression::condition(&text, &scope)).transpose()?;
        let actions = expression::update(&update.update_expression, &scope)?;
        scope.is_used_up()?;
        Ok(Self {
            key: Key::only(&update.key)?,
            change: Change::Update { actions, key: update.key },
            condition,
            returned: update.return_values.unwrap_or_default(),
            returned_on_failure: update.return_values_on_condition_check_failure.unwrap_or_default(),
        })
    }

    fn of_check(table: &Table, check: ConditionCheck<'a>) -> Result<Self, Fault> {
        check_table(table, &check.table_name)?;
        let scope = Scope::new(check.expression_attribute_names, check.expression_attribute_values);
        let condition = Some(expression::condition(&check.condition_expression, &scope)?);
        scope.is_used_up()?;
        Ok(Self {
            key: Key::only(&check.key)?,
            change: Change::Nothing,
            condition,
            returned: Returned::None,
            returned_on_failure: check.return_values_on_condition_check_failure.unwrap_or_default(),
        })
    }

    fn carry_out_alone(self, table: &mut Table, units: &mut Units) -> Result<String, Fault> {
        let pk = self.key.pk.clone();
        within_capacity(table, &pk, Fault::Throttled, units, |table, units| self.carry_out_if_allowed(table, units))
    }

    fn carry_out_if_allowed(self, table: &mut Table, units: &mut Units) -> Result<String, Fault> {
        if let Some(refusal) = self.refusal(table)? {
            units.write += self.units_now(table);
            return Err(Fault::ConditionFailed(refusal));
        }
        let (returned, key) = (self.returned, self.key.clone());
        let old = match returned {
            Returned::AllOld => table.get(&key).map(Stored::raw).transpose()?,
            Returned::AllNew | Returned::None => None,
        };
        *units = self.carry_out(table)?;
        let item = match returned {
            Returned::AllNew => table.get(&key).map(Stored::raw).transpose()?,
            Returned::AllOld | Returned::None => old,
        };
        Ok(item.map_or_else(|| "{}".to_owned(), |item| format!(r#"{{"Attributes":{item}}}"#)))
    }

    /// Returns `None` if the condition holds.
    fn refusal(&self, table: &Table) -> Result<Option<Refusal>, Fault> {
        let Some(condition) = &self.condition else { return Ok(None) };
        let there = table.get(&self.key);
        if condition.holds(&there.map(Stored::item).transpose()?.unwrap_or_default())? {
            return Ok(None);
        }
        let item = match self.returned_on_failure {
            Returned::AllOld => there.map(Stored::raw).transpose()?,
            Returned::AllNew | Returned::None => None,
        };
        Ok(Some(Refusal { item }))
    }

    /// Returns the units of a rejected write: those of the existing item.
    fn units_now(&self, table: &Table) -> u64 {
        write_units(table.get(&self.key).map_or(0, Stored::bytes))
    }

    fn carry_out(self, table: &mut Table) -> Result<Units, Fault> {
        match self.change {
            Change::Nothing => Ok(Units { write: self.units_now(table), ..Units::default() }),
            Change::Put(item) => {
                table.put(self.key, item.into_iter().map(|(name, raw)| (name, Cow::Borrowed(raw))).collect())
            }
            Change::Update { actions, key } => {
                let before = table.get(&self.key).map(Stored::item).transpose()?.unwrap_or_default();
                let after = apply(&actions, &before, &key)?;
                let after: Draft<'static> =
                    after.into_iter().map(|(name, raw)| (name, Cow::Owned(raw.into_owned()))).collect();
                table.put(self.key, after)
            }
        }
    }
}
