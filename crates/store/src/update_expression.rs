//! Update expressions that are put together from optional parts.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Update};
use domain::{EpochMillis, LinkId, LinkStatus};

use crate::attributes::{n, s};
use crate::error::{BUILD_FAILED, StoreError};
use crate::fencing_token::FencingToken;
use crate::keys;

/// An update of some attributes, with its conditions. The expression names an attribute `x` as `#x`, and its new value as
/// `:x`.
#[derive(Debug, Default)]
pub(crate) struct UpdateExpression {
    set: Vec<String>,
    remove: Vec<String>,
    add: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl UpdateExpression {
    /// Sets an attribute.
    pub(crate) fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.set.push(format!("#{name} = :{name}"));
        self.name(name).value(&format!(":{name}"), value)
    }

    /// Sets an attribute, unless the item has it.
    pub(crate) fn set_if_absent(mut self, name: &str, value: AttributeValue) -> Self {
        self.set.push(format!("#{name} = if_not_exists(#{name}, :{name})"));
        self.name(name).value(&format!(":{name}"), value)
    }

    /// Sets an attribute, or removes it if there is no value.
    pub(crate) fn set_or_remove(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    /// Removes an attribute.
    pub(crate) fn remove(mut self, name: &str) -> Self {
        self.remove.push(format!("#{name}"));
        self.name(name)
    }

    /// Adds a value to a number or a set. `action` is an action of the ADD clause, such as `attempts :one`.
    pub(crate) fn add(mut self, action: &str, placeholder: &str, value: AttributeValue) -> Self {
        self.add.push(action.to_owned());
        self.value(placeholder, value)
    }

    /// Sets the id that the customer gave the link, and the keys of the index that finds the link by it.
    pub(crate) fn set_external_id(self, external_id: &str, link: &LinkId) -> Self {
        self.set("external_id", s(external_id))
            .set("gsi1pk", s(keys::by_external_id(external_id)))
            .set("gsi1sk", s(keys::link_pk(link)))
    }

    /// Makes the link due at a time.
    pub(crate) fn set_due(self, link: &LinkId, at: EpochMillis) -> Self {
        self.set("gsi2pk", s(keys::reconcile_shard(link.as_str()))).set("gsi2sk", s(keys::due(at)))
    }

    /// Makes the item not due.
    pub(crate) fn remove_due(self) -> Self {
        self.remove("gsi2pk").remove("gsi2sk")
    }

    /// Adds a condition. The update goes through only if all conditions are true.
    pub(crate) fn condition(mut self, condition: impl Into<String>) -> Self {
        self.conditions.push(condition.into());
        self
    }

    /// Adds the condition that the link's clock still shows this token: no later pass has begun.
    pub(crate) fn if_clock_is(self, token: FencingToken) -> Self {
        self.condition("clock = :token").value(":token", n(token))
    }

    /// Adds the condition that the link's status is none of these.
    pub(crate) fn unless_status(mut self, statuses: &[LinkStatus]) -> Self {
        if statuses.is_empty() {
            return self;
        }
        let name = |status: &LinkStatus| format!(":is_{}", status.as_str());
        self.values.extend(statuses.iter().map(|status| (name(status), s(status.as_str()))));
        let names: Vec<_> = statuses.iter().map(name).collect();
        self.name("status")
            .condition(format!("(attribute_not_exists(#status) OR NOT #status IN ({}))", names.join(", ")))
    }

    /// Declares an attribute name that a condition mentions as `#name`.
    pub(crate) fn name(mut self, name: &str) -> Self {
        self.names.insert(format!("#{name}"), name.to_owned());
        self
    }

    /// Declares a value that a condition mentions.
    pub(crate) fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }

    /// Puts the expression into a call.
    pub(crate) fn apply_to(self, update: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        update
            .update_expression(self.text())
            .set_condition_expression(self.condition_text())
            .set_expression_attribute_names(non_empty(self.names))
            .set_expression_attribute_values(non_empty(self.values))
    }

    /// Puts the expression into a part of a transaction.
    pub(crate) fn build_part(self, update: UpdateBuilder) -> Result<Update, StoreError> {
        update
            .update_expression(self.text())
            .set_condition_expression(self.condition_text())
            .set_expression_attribute_names(non_empty(self.names))
            .set_expression_attribute_values(non_empty(self.values))
            .build()
            .map_err(|_| BUILD_FAILED)
    }

    fn text(&self) -> String {
        let clause = |word: &str, parts: &[String]| match parts {
            [] => String::new(),
            parts => format!("{word} {} ", parts.join(", ")),
        };
        let add = if self.add.is_empty() { String::new() } else { format!("ADD {}", self.add.join(", ")) };
        [clause("SET", &self.set), clause("REMOVE", &self.remove), add].concat()
    }

    fn condition_text(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }
}

/// Returns the map, or `None` if it is empty: DynamoDB rejects an empty map.
fn non_empty<V>(map: HashMap<String, V>) -> Option<HashMap<String, V>> {
    (!map.is_empty()).then_some(map)
}
