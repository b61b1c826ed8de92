//! The placeholders in the expressions of a request.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::item::Item;
use crate::fault::Fault;

/// `ExpressionAttributeNames`.
pub(crate) type Names = BTreeMap<String, String>;

/// The placeholders of a request.
#[derive(Debug, Default)]
pub(crate) struct Scope<'a> {
    names: Names,
    values: Item<'a>,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(names: Option<Names>, values: Option<Item<'a>>) -> Self {
        Self { names: names.unwrap_or_default(), values: values.unwrap_or_default(), used: RefCell::default() }
    }

    /// Returns the name for `#name`.
    pub(crate) fn name(&self, placeholder: &str) -> Result<String, Fault> {
        self.used.borrow_mut().insert(placeholder.to_owned());
        let name = self.names.get(placeholder).cloned();
        name.ok_or_else(|| Fault::validation(format!("an expression attribute name is not defined: {placeholder}")))
    }

    /// Returns the value for `:value`.
    pub(crate) fn value(&self, placeholder: &str) -> Result<&'a RawValue, Fault> {
        self.used.borrow_mut().insert(placeholder.to_owned());
        let value = self.values.get(placeholder).copied();
        value.ok_or_else(|| Fault::validation(format!("an expression attribute value is not defined: {placeholder}")))
    }

    /// Returns an error if a placeholder is unused, as DynamoDB does.
    pub(crate) fn is_used_up(&self) -> Result<(), Fault> {
        let used = self.used.borrow();
        match self.names.keys().chain(self.values.keys()).find(|placeholder| !used.contains(*placeholder)) {
            None => Ok(()),
            Some(unused) => Err(Fault::validation(format!("a placeholder is not used in the expressions: {unused}"))),
        }
    }
}
