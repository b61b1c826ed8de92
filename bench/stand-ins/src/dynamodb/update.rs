//! The execution of updates.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::condition::Operand;
use super::item::{Item, Path, Scalar, number};
use crate::fault::Fault;

/// An item under construction.
pub(crate) type Draft<'a> = BTreeMap<String, Cow<'a, RawValue>>;

/// One part of an update. Each changes a whole attribute.
#[derive(Debug)]
pub(crate) enum Action<'a> {
    Set(String, NewValue<'a>),
    Remove(String),
    Add(String, &'a RawValue),
}

/// The new value of an attribute.
#[derive(Debug)]
pub(crate) enum NewValue<'a> {
    Of(Operand<'a>),
    IfMissing(Path, Operand<'a>),
    Sum(Box<NewValue<'a>>, i128, Box<NewValue<'a>>),
}

/// Applies an update and returns the item. Every part reads the item as it was before.
pub(crate) fn apply<'a>(actions: &[Action<'a>], before: &Item<'a>, key: &Item<'a>) -> Result<Draft<'a>, Fault> {
    let mut after: Draft<'a> =
        before.iter().chain(key).map(|(name, raw)| (name.clone(), Cow::Borrowed(*raw))).collect();
    for action in actions {
        let (Action::Set(name, _) | Action::Remove(name) | Action::Add(name, _)) = action;
        if key.contains_key(name) {
            return Err(Fault::validation("an update cannot change the key"));
        }
        match action {
            Action::Set(name, value) => {
                after.insert(name.clone(), value.of(before)?);
            }
            Action::Remove(name) => {
                after.remove(name);
            }
            Action::Add(name, more) => {
                let there = before.get(name).map_or(Ok(0), |raw| integer(raw))?;
                after.insert(name.clone(), Cow::Owned(number(sum(there, 1, integer(more)?)?)?));
            }
        }
    }
    Ok(after)
}

impl<'a> NewValue<'a> {
    fn of(&self, item: &Item<'a>) -> Result<Cow<'a, RawValue>, Fault> {
        let given = |operand: &Operand<'a>| {
            let raw = operand.raw(item).map(Cow::Borrowed);
            raw.ok_or_else(|| Fault::validation("an update reads an attribute that is not there"))
        };
        match self {
            Self::Of(operand) => given(operand),
            Self::IfMissing(path, otherwise) => {
                path.of(item).map_or_else(|| given(otherwise), |raw| Ok(Cow::Borrowed(raw)))
            }
            Self::Sum(left, sign, right) => {
                let total = sum(integer(&left.of(item)?)?, *sign, integer(&right.of(item)?)?)?;
                Ok(Cow::Owned(number(total)?))
            }
        }
    }
}

fn integer(raw: &RawValue) -> Result<i128, Fault> {
    match Scalar::read(raw)? {
        Scalar::Number(number) => Ok(number),
        _ => Err(Fault::validation("the stand-in adds integers only")),
    }
}

fn sum(left: i128, sign: i128, right: i128) -> Result<i128, Fault> {
    let total = right.checked_mul(sign).and_then(|right| left.checked_add(right));
    total.ok_or_else(|| Fault::validation("a sum out of range"))
}

#[cfg(test)]
mod tests {
    use super::super::expression;
    use super::super::scope::Scope;
    use super::*;

    fn updated(update: &str, before: &str) -> Result<String, Fault> {
        let values = r#"{":one":{"N":"1"},":a":{"S":"active"}}"#;
        let scope = Scope::new(None, Some(serde_json::from_str(values).unwrap()));
        let actions = expression::update(update, &scope)?;
        let key = serde_json::from_str(r#"{"pk":{"S":"p"}}"#).unwrap();
        let after = apply(&actions, &serde_json::from_str(before).unwrap(), &key)?;
        Ok(serde_json::to_string(&after).unwrap())
    }

    #[test]
    fn what_is_set_removed_and_added_stands_in_the_item_with_its_key() {
        let update = "SET state = if_not_exists(state, :a), n = n + :one REMOVE gone ADD attempts :one";
        assert_eq!(
            updated(update, r#"{"n":{"N":"4"},"gone":{"S":"x"}}"#).unwrap(),
            r#"{"attempts":{"N":"1"},"n":{"N":"5"},"pk":{"S":"p"},"state":{"S":"active"}}"#
        );
        assert_eq!(
            updated(update, r#"{"n":{"N":"5"},"state":{"S":"gone"},"attempts":{"N":"1"}}"#).unwrap(),
            r#"{"attempts":{"N":"2"},"n":{"N":"6"},"pk":{"S":"p"},"state":{"S":"gone"}}"#
        );
    }

    #[test]
    fn what_the_stand_in_does_not_know_is_refused() {
        for update in [
            "SET n = n + :one",
            "SET n",
            "SET a.b = :one",
            "SET a = list_append(a, :one)",
            "DELETE a :one",
            "ADD a :a",
            "SET pk = :a",
            "REMOVE a b",
            "n = :one",
        ] {
            assert!(matches!(updated(update, "{}"), Err(Fault::Validation(_))), "{update}");
        }
    }
}
