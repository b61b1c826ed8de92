//! Shapes: the schemas of Belvo's objects as data, parsed from `shapes/*.txt`.
//!
//! A shape generates two kinds of objects: typical ones that the server returns (`typical`), and wild ones for tests, which cover
//! everything that Belvo's schema and compatible changes of it allow (see [`random`]).

mod notation;
mod typical;
mod wild;
mod words;

use std::{collections::HashMap, sync::LazyLock};

pub(crate) use self::{
    notation::{Field, Form},
    typical::{Generator, first_day},
    wild::members as wild_members,
};

/// Every shape: the webhook type that it belongs to, its name, its text. Several may belong to one type.
const TEXTS: [(&str, &str, &str); 30] = [
    ("ACCOUNTS", "accounts", include_str!("../../shapes/accounts.txt")),
    ("TRANSACTIONS", "transactions", include_str!("../../shapes/transactions.txt")),
    ("OWNERS", "owners", include_str!("../../shapes/owners.txt")),
    ("OWNERS", "owners_br_individual", include_str!("../../shapes/owners_br_individual.txt")),
    ("OWNERS", "owners_br_business", include_str!("../../shapes/owners_br_business.txt")),
    ("BALANCES", "balances", include_str!("../../shapes/balances.txt")),
    ("BILLS", "bills", include_str!("../../shapes/bills.txt")),
    ("EXCHANGES", "exchanges", include_str!("../../shapes/exchanges.txt")),
    ("INVESTMENTS", "investments", include_str!("../../shapes/investments.txt")),
    ("INVESTMENT_TRANSACTIONS", "investment_transactions", include_str!("../../shapes/investment_transactions.txt")),
    ("EMPLOYMENTS", "employments", include_str!("../../shapes/employments.txt")),
    ("EMPLOYMENTS", "employments_co", include_str!("../../shapes/employments_co.txt")),
    ("EMPLOYMENT_RECORDS", "employment_records", include_str!("../../shapes/employment_records.txt")),
    ("EMPLOYMENT_METRICS", "employment_metrics", include_str!("../../shapes/employment_metrics.txt")),
    ("CURRENT_EMPLOYMENTS", "current_employments", include_str!("../../shapes/current_employments.txt")),
    ("INCOMES", "incomes", include_str!("../../shapes/incomes.txt")),
    ("RECURRING_EXPENSES", "recurring_expenses", include_str!("../../shapes/recurring_expenses.txt")),
    ("RISK_INSIGHTS", "risk_insights", include_str!("../../shapes/risk_insights.txt")),
    ("INVOICES", "invoices", include_str!("../../shapes/invoices.txt")),
    ("INVOICES", "invoices_cl", include_str!("../../shapes/invoices_cl.txt")),
    ("TAX_RETURNS", "tax_returns_personal_yearly", include_str!("../../shapes/tax_returns_personal_yearly.txt")),
    ("TAX_RETURNS", "tax_returns_personal_monthly", include_str!("../../shapes/tax_returns_personal_monthly.txt")),
    ("TAX_RETURNS", "tax_returns_business_yearly", include_str!("../../shapes/tax_returns_business_yearly.txt")),
    ("TAX_RETURNS", "tax_returns_business_monthly", include_str!("../../shapes/tax_returns_business_monthly.txt")),
    ("TAX_STATUS", "tax_status", include_str!("../../shapes/tax_status.txt")),
    ("TAX_STATUS", "tax_status_cl", include_str!("../../shapes/tax_status_cl.txt")),
    ("TAX_COMPLIANCE_STATUS", "tax_compliance_status", include_str!("../../shapes/tax_compliance_status.txt")),
    ("TAX_RETENTIONS", "tax_retentions", include_str!("../../shapes/tax_retentions.txt")),
    ("FINANCIAL_STATEMENTS", "financial_statements", include_str!("../../shapes/financial_statements.txt")),
    ("CONSENT", "consents", include_str!("../../shapes/consents.txt")),
];

/// The parsed shapes. A test checks that all of them parse.
static SHAPES: LazyLock<HashMap<&str, Vec<Field>>> = LazyLock::new(|| {
    TEXTS.into_iter().map(|(_, name, text)| (name, notation::parse(text).unwrap_or_default())).collect()
});

/// Returns the fields of a shape by name.
pub(crate) fn fields(name: &str) -> &'static [Field] {
    SHAPES.get(name).map_or(&[], Vec::as_slice)
}

/// Returns the webhook types that have a shape.
pub fn webhook_types() -> impl Iterator<Item = &'static str> {
    let new = |at: &usize| *at == 0 || TEXTS[*at - 1].0 != TEXTS[*at].0;
    (0..TEXTS.len()).filter(new).map(|at| TEXTS[at].0)
}

/// Generates an object of a webhook type as JSON text, with everything that Belvo may send: absent optional fields, nulls, unknown
/// fields, unknown enum values, empty, long and unusual strings, deep nesting, exact decimal numbers.
///
/// It always has an `id` of 1 to 128 characters of `A-Z a-z 0-9 _ -`. The same state of `rng` makes the same object. Returns
/// `None` if the webhook type does not exist.
pub fn random(webhook_type: &str, rng: &mut fastrand::Rng) -> Option<String> {
    let names: Vec<&str> = TEXTS.iter().filter(|(of, ..)| *of == webhook_type).map(|(_, name, _)| *name).collect();
    let name = rng.choice(names)?;
    Some(wild::object(fields(name), rng))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_can_be_read() {
        for (_, name, text) in TEXTS {
            let fields = notation::parse(text).unwrap_or_else(|| panic!("{name}"));
            assert!(fields.iter().any(|field| field.name == "id"), "{name}");
        }
        assert_eq!(SHAPES.len(), TEXTS.len());
    }

    #[test]
    fn every_webhook_type_is_there_once() {
        let types: Vec<_> = webhook_types().collect();
        assert_eq!(types.len(), 22, "{types:?}");
        assert!(types.contains(&"RISK_INSIGHTS"));
    }

    /// How deep a value is nested, and what else there is in it.
    #[derive(Default)]
    struct Census {
        depth: usize,
        nulls: usize,
        tomorrow: usize,
        longest_number: usize,
        keys: std::collections::BTreeSet<String>,
    }

    impl Census {
        fn take(&mut self, value: &serde_json::Value, depth: usize) {
            self.depth = self.depth.max(depth);
            match value {
                serde_json::Value::Null => self.nulls += 1,
                serde_json::Value::String(text) => self.tomorrow += usize::from(text == "A_VALUE_OF_TOMORROW"),
                serde_json::Value::Array(list) => list.iter().for_each(|one| self.take(one, depth + 1)),
                serde_json::Value::Object(fields) => {
                    self.keys.extend(fields.keys().cloned());
                    fields.values().for_each(|one| self.take(one, depth + 1));
                }
                _ => {}
            }
        }

        fn measure_numbers(&mut self, text: &str) {
            let digits = |run: &str| run.bytes().filter(u8::is_ascii_digit).count();
            let runs = text.split(|one: char| !one.is_ascii_digit() && one != '.').map(digits);
            self.longest_number = self.longest_number.max(runs.max().unwrap_or(0));
        }
    }

    #[test]
    fn random_objects_have_all_that_can_be_hard() {
        for webhook_type in webhook_types() {
            let (mut rng, mut census, mut absent) = (fastrand::Rng::with_seed(1), Census::default(), 0);
            for _ in 0..400 {
                let text = random(webhook_type, &mut rng).unwrap();
                let object: serde_json::Value =
                    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
                let id = object["id"].as_str().unwrap();
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
                assert!(id.bytes().all(plain) && (1..=128).contains(&id.len()), "{id}");
                absent += usize::from(object.get("created_at").is_none());
                census.take(&object, 0);
                census.measure_numbers(&text);
            }
            assert!(census.depth > 32, "{webhook_type}: {}", census.depth);
            assert!(census.nulls > 100 && absent > 0, "{webhook_type}");
            assert!(census.longest_number >= 19, "{webhook_type}: {}", census.longest_number);
            assert!(census.keys.iter().any(|key| key.starts_with("日本_")), "{webhook_type}");
            let chooses = TEXTS.iter().any(|(of, _, text)| *of == webhook_type && text.contains("one of"));
            assert!(census.tomorrow > 0 || !chooses, "{webhook_type}");
        }
    }

    #[test]
    fn the_same_state_makes_the_same_object_and_another_makes_another() {
        let object = |seed| random("BILLS", &mut fastrand::Rng::with_seed(seed));
        assert_eq!(object(1), object(1));
        assert_ne!(object(1), object(2));
        assert_eq!(random("LINK", &mut fastrand::Rng::with_seed(1)), None);
    }
}
