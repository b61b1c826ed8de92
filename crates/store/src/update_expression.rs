//! Update expressions of which not every part is always there.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{LinkId, LinkStatus};

use crate::attributes::{n, s};
use crate::{FencingToken, keys};

/// An update of some attributes. Each attribute `x` is written `#x`, and its new value `:x`.
#[derive(Debug, Default)]
pub(crate) struct UpdateExpression {
    set: Vec<String>,
    remove: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl UpdateExpression {
    /// Gives an attribute a value.
    pub(crate) fn set(self, name: &str, value: AttributeValue) -> Self {
        self.assign(name, value, format!("#{name} = :{name}"))
    }

    /// Gives an attribute a value, unless it has one.
    pub(crate) fn set_if_absent(self, name: &str, value: AttributeValue) -> Self {
        self.assign(name, value, format!("#{name} = if_not_exists(#{name}, :{name})"))
    }

    /// Gives an attribute a value, or none.
    pub(crate) fn set_or_remove(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    /// Takes an attribute away.
    pub(crate) fn remove(mut self, name: &str) -> Self {
        self.remove.push(format!("#{name}"));
        self.names.insert(format!("#{name}"), name.to_owned());
        self
    }

    /// Notes the id that the customer gave the link, and the index by which the link is found by it.
    pub(crate) fn of_customer(self, external_id: &str, link: &LinkId) -> Self {
        self.set("external_id", s(external_id))
            .set("gsi1pk", s(keys::by_external_id(external_id)))
            .set("gsi1sk", s(keys::link_pk(link)))
    }

    /// The expression.
    pub(crate) fn text(&self) -> String {
        let clause = |word: &str, parts: &[String]| match parts {
            [] => String::new(),
            parts => format!("{word} {} ", parts.join(", ")),
        };
        [clause("SET", &self.set), clause("REMOVE", &self.remove)].concat()
    }

    /// The names and values that the expression mentions.
    pub(crate) fn names_and_values(self) -> (HashMap<String, String>, HashMap<String, AttributeValue>) {
        (self.names, self.values)
    }

    /// The same, and the fencing token as `:s`, for a condition on the clock.
    pub(crate) fn under_the_clock(
        mut self,
        token: FencingToken,
    ) -> (HashMap<String, String>, HashMap<String, AttributeValue>) {
        self.values.insert(":s".to_owned(), n(token));
        self.names_and_values()
    }

    /// Names and values for an update that is refused while the link's status is one of these (at least one), and its
    /// condition.
    #[must_use]
    pub(crate) fn unless(mut self, statuses: &[LinkStatus]) -> (Self, String) {
        let name = |status: &LinkStatus| format!(":is_{}", status.as_str());
        self.names.insert("#status".to_owned(), "status".to_owned());
        self.values.extend(statuses.iter().map(|status| (name(status), s(status.as_str()))));
        let names: Vec<_> = statuses.iter().map(name).collect();
        (self, format!("(attribute_not_exists(#status) OR NOT #status IN ({}))", names.join(", ")))
    }

    fn assign(mut self, name: &str, value: AttributeValue, part: String) -> Self {
        self.set.push(part);
        self.names.insert(format!("#{name}"), name.to_owned());
        self.values.insert(format!(":{name}"), value);
        self
    }
}
