//! The evaluation of conditions.

use serde_json::value::RawValue;

use super::item::{Item, Path, Scalar};
use crate::fault::Fault;

/// A condition.
#[derive(Debug)]
pub(crate) enum Condition<'a> {
    Any(Vec<Condition<'a>>),
    All(Vec<Condition<'a>>),
    Not(Box<Condition<'a>>),
    Exists(Path),
    BeginsWith(Path, Operand<'a>),
    Compare(Operand<'a>, Comparator, Operand<'a>),
    In(Operand<'a>, Vec<Operand<'a>>),
}

/// An operand of a comparison.
#[derive(Debug)]
pub(crate) enum Operand<'a> {
    Path(Path),
    Value(&'a RawValue),
}

/// A comparator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition<'_> {
    /// Returns `true` if the condition holds for the item. An item that does not exist has no attributes.
    pub(crate) fn holds(&self, item: &Item<'_>) -> Result<bool, Fault> {
        match self {
            Self::Any(parts) => parts.iter().try_fold(false, |any, part| Ok(part.holds(item)? || any)),
            Self::All(parts) => parts.iter().try_fold(true, |all, part| Ok(part.holds(item)? && all)),
            Self::Not(inner) => Ok(!inner.holds(item)?),
            Self::Exists(path) => Ok(path.of(item).is_some()),
            Self::BeginsWith(path, prefix) => {
                let text = path.of(item).map(Scalar::read).transpose()?;
                Ok(match (text, prefix.scalar(item)?) {
                    (Some(Scalar::Text(text)), Some(Scalar::Text(prefix))) => text.starts_with(&prefix),
                    _ => false,
                })
            }
            Self::Compare(left, comparator, right) => {
                Ok(comparator.holds(left.scalar(item)?.as_ref(), right.scalar(item)?.as_ref()))
            }
            Self::In(one, list) => {
                let one = one.scalar(item)?;
                list.iter().try_fold(false, |any, other| {
                    Ok(Comparator::Equal.holds(one.as_ref(), other.scalar(item)?.as_ref()) || any)
                })
            }
        }
    }
}

impl<'a> Operand<'a> {
    /// Returns the value in DynamoDB's JSON, or `None` if the attribute does not exist.
    pub(crate) fn raw<'r>(&self, item: &Item<'r>) -> Option<&'r RawValue>
    where
        'a: 'r,
    {
        match self {
            Self::Path(path) => path.of(item),
            Self::Value(raw) => Some(raw),
        }
    }

    /// Returns the value for a comparison.
    pub(crate) fn scalar(&self, item: &Item<'_>) -> Result<Option<Scalar>, Fault> {
        match self {
            Self::Path(path) => path.of(item).map(Scalar::read).transpose(),
            Self::Value(raw) => match Scalar::read(raw)? {
                Scalar::Other => Err(Fault::validation("the stand-in compares texts and integers only")),
                scalar => Ok(Some(scalar)),
            },
        }
    }
}

impl Comparator {
    pub(crate) fn read(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "=" => Self::Equal,
            "<>" => Self::Unequal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// Compares two values. If a value is absent or the types differ, only "unequal" holds.
    fn holds(self, left: Option<&Scalar>, right: Option<&Scalar>) -> bool {
        let order = match (left, right) {
            (Some(Scalar::Text(left)), Some(Scalar::Text(right))) => left.as_bytes().cmp(right.as_bytes()),
            (Some(Scalar::Number(left)), Some(Scalar::Number(right))) => left.cmp(right),
            _ => return self == Self::Unequal,
        };
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::expression;
    use super::super::scope::Scope;
    use super::*;

    const RECORD: &str = r#"{"pk":{"S":"LINK#1"},"sk":{"S":"TRANSACTIONS#1"},"fetched_at":{"N":"10"},"data":{"M":{}}}"#;
    const TOMBSTONE: &str = r#"{"pk":{"S":"LINK#1"},"fetched_at":{"N":"10"},"deleted_at":{"N":"1"}}"#;
    const NOTHING: &str = "{}";

    fn holds(condition: &str, item: &str, token: i64) -> bool {
        try_holds(condition, item, &format!(r#"{{":s":{{"N":"{token}"}}}}"#)).unwrap()
    }

    fn try_holds(condition: &str, item: &str, values: &str) -> Result<bool, Fault> {
        let names = serde_json::from_str(r##"{"#status":"status"}"##).unwrap();
        let scope = Scope::new(Some(names), Some(serde_json::from_str(values).unwrap()));
        expression::condition(condition, &scope)?.holds(&serde_json::from_str(item).unwrap())
    }

    #[test]
    fn an_upsert_goes_through_over_nothing_and_over_a_live_record_that_is_not_newer() {
        let upsert = "attribute_not_exists(pk) OR (attribute_not_exists(deleted_at) AND fetched_at <= :s)";
        assert!(holds(upsert, NOTHING, 10));
        assert!(holds(upsert, RECORD, 10));
        assert!(!holds(upsert, RECORD, 9));
        assert!(!holds(upsert, TOMBSTONE, 11));
    }

    #[test]
    fn a_burial_goes_through_over_nothing_and_over_what_is_older() {
        let tombstone = "attribute_not_exists(pk) OR fetched_at < :s";
        assert!(holds(tombstone, NOTHING, 10));
        assert!(holds(tombstone, TOMBSTONE, 11));
        assert!(!holds(tombstone, RECORD, 10));
    }

    #[test]
    fn a_revival_goes_through_over_the_tombstone_that_was_seen_only() {
        let restore = "attribute_exists(deleted_at) AND fetched_at = :s";
        assert!(holds(restore, TOMBSTONE, 10));
        assert!(!holds(restore, TOMBSTONE, 11));
        assert!(!holds(restore, RECORD, 10));
        assert!(!holds(restore, NOTHING, 10));
    }

    #[test]
    fn a_clock_moves_forward_only_and_not_when_the_link_was_erased() {
        let clock =
            "(attribute_not_exists(clock) OR clock < :s) AND (attribute_not_exists(#status) OR #status <> :erased)";
        let holds = |link: &str, token: u8| {
            let values = format!(r#"{{":s":{{"N":"{token}"}},":erased":{{"S":"erased"}}}}"#);
            try_holds(clock, link, &values).unwrap()
        };
        let active = r#"{"clock":{"N":"9"},"status":{"S":"active"}}"#;
        assert!(holds(NOTHING, 10) && holds(active, 10));
        assert!(!holds(active, 9));
        assert!(!holds(r#"{"clock":{"N":"9"},"status":{"S":"erased"}}"#, 10));
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_never_with_texts() {
        assert!(holds("fetched_at > :s", RECORD, 9), "as text, 9 would come behind 10");
        assert!(!holds("pk > :s", RECORD, 0) && !holds("pk = :s", RECORD, 0) && holds("pk <> :s", RECORD, 0));
        assert!(try_holds("begins_with(sk, :p)", RECORD, r#"{":p":{"S":"TRANS"}}"#).unwrap());
        assert!(!try_holds("begins_with(sk, :p)", RECORD, r#"{":p":{"S":"ACC"}}"#).unwrap());
    }

    #[test]
    fn a_value_is_in_a_list_when_it_is_equal_to_one_of_it() {
        let gone = |item: &str| {
            let values = r#"{":erased":{"S":"erased"},":deleted":{"S":"deleted"}}"#;
            try_holds("NOT #status IN (:erased, :deleted)", item, values).map(|is_there| !is_there).unwrap()
        };
        assert!(gone(r#"{"status":{"S":"deleted"}}"#) && gone(r#"{"status":{"S":"erased"}}"#));
        assert!(!gone(r#"{"status":{"S":"active"}}"#) && !gone(r#"{"status":{"N":"1"}}"#) && !gone(NOTHING));
    }

    #[test]
    fn what_the_stand_in_does_not_know_is_refused() {
        let values = r#"{":s":{"N":"1"},":m":{"M":{}},":d":{"N":"1.5"}}"#;
        for condition in [
            "",
            "fetched_at",
            "fetched_at <=",
            "fetched_at BETWEEN :s AND :s",
            "fetched_at IN (:s",
            "fetched_at IN ()",
            "fetched_at IN (:m)",
            "size(data) > :s",
            "attribute_type(pk, :s)",
            "contains(pk, :s)",
            "fetched_at = :undefined",
            "#undefined = :s",
            "fetched_at = :s :s",
            "(fetched_at = :s",
            "data = :m",
            "fetched_at = :d",
            "fetched_at == :s",
            "a[0] = :s",
            "fetched_at = 'x'",
        ] {
            assert!(matches!(try_holds(condition, RECORD, values), Err(Fault::Validation(_))), "{condition}");
        }
    }

    #[test]
    fn a_part_that_cannot_be_evaluated_is_refused_even_where_another_part_decides() {
        let values = r#"{":d":{"N":"1.5"}}"#;
        assert!(try_holds("attribute_exists(pk) OR fetched_at = :d", RECORD, values).is_err());
    }

    #[test]
    fn placeholders_that_nothing_uses_are_refused_as_dynamodb_does() {
        let values = Some(serde_json::from_str(r#"{":s":{"N":"1"},":t":{"N":"1"}}"#).unwrap());
        let scope = Scope::new(None, values);
        expression::condition("clock = :s", &scope).unwrap();
        assert!(scope.is_used_up().is_err());
        expression::condition("clock = :t", &scope).unwrap();
        assert!(scope.is_used_up().is_ok());
    }
}
