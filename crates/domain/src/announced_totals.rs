//! The totals that a webhook announces.

use serde_json::value::RawValue;

use crate::{Day, Fields, Flow, Record, Resource};

/// The totals that a webhook announces for its resource. They verify that a listing is complete.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct AnnouncedTotals {
    /// The number of all objects, or of new objects.
    pub total: Option<u64>,
    /// The number of inflows.
    pub inflows: Option<u64>,
    /// The number of outflows.
    pub outflows: Option<u64>,
    /// The first and last day that the totals count, inclusive.
    pub days: Option<(Day, Day)>,
    /// The kind of tax return that the totals count. `None` for all objects.
    pub kind: Option<TaxReturnKind>,
}

/// A kind of tax return. Each kind has separate webhooks and totals, but both are in the same list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaxReturnKind {
    /// `yearly` in webhooks, `annual` in objects. Belvo's documentation of yearly tax returns has no `type`.
    Yearly,
    /// `monthly`
    Monthly,
}

impl AnnouncedTotals {
    /// Reads the totals of all objects: the member that the catalogue names, and the totals of inflows and outflows.
    pub(crate) fn all(resource: &Resource, data: &Fields<'_>) -> Self {
        let named =
            |prefix: &str| data.iter().find(|(name, _)| name.starts_with(prefix)).and_then(|(_, raw)| count(raw));
        Self {
            total: data.get(resource.total).and_then(count),
            inflows: named("total_inflow_"),
            outflows: named("total_outflow_"),
            days: days(data),
            kind: data.text("type").and_then(|kind| TaxReturnKind::from_belvo(&kind)),
        }
    }

    /// Reads the number of new objects.
    pub(crate) fn new_ones(resource: &Resource, data: &Fields<'_>) -> Self {
        Self { total: resource.new.and_then(|name| data.get(name)).and_then(count), ..Self::default() }
    }

    /// Reads the number of inflows or outflows, and their days.
    pub(crate) fn flow(resource: &Resource, flow: Flow, data: &Fields<'_>) -> Self {
        let total = data.get(resource.total).and_then(count);
        let announced = Self { days: days(data), ..Self::default() };
        match flow {
            Flow::Inflow => Self { inflows: total, ..announced },
            Flow::Outflow => Self { outflows: total, ..announced },
        }
    }

    /// Returns `true` if the totals count this record.
    #[must_use]
    pub fn counts(&self, resource: &Resource, record: &Record) -> bool {
        let is_within = |((first, last), date): ((Day, Day), &str)| {
            record.day(date).is_some_and(|day| (first..=last).contains(&day))
        };
        self.days.zip(resource.date).is_none_or(is_within) && self.kind.is_none_or(|kind| kind.may_be(record))
    }
}

impl TaxReturnKind {
    fn from_belvo(word: &str) -> Option<Self> {
        match word {
            "yearly" | "annual" => Some(Self::Yearly),
            "monthly" => Some(Self::Monthly),
            _ => None,
        }
    }

    /// Returns `true` unless the record is of the other kind. A record without a known `type` counts for both kinds, so
    /// that the total is not reported as missed.
    fn may_be(self, record: &Record) -> bool {
        record.text("type").and_then(Self::from_belvo).is_none_or(|kind| kind == self)
    }
}

fn days(data: &Fields<'_>) -> Option<(Day, Day)> {
    let day = |prefix: &str| {
        let found = data.iter().find(|(name, _)| name.starts_with(prefix) && name.ends_with("_date"));
        found.and_then(|(_, raw)| Day::of_date(&crate::json::text(raw)?))
    };
    day("first_").zip(day("last_"))
}

fn count(raw: &RawValue) -> Option<u64> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(webhook_type: &str, data: &str) -> AnnouncedTotals {
        AnnouncedTotals::all(resource(webhook_type), &Fields::read(data.as_bytes()).0)
    }

    fn resource(webhook_type: &str) -> &'static Resource {
        Resource::of_webhook_type(webhook_type).unwrap()
    }

    fn counts(announced: &AnnouncedTotals, webhook_type: &str, json: &str) -> bool {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        announced.counts(resource(webhook_type), &Record::read(resource(webhook_type), &raw).unwrap().0)
    }

    #[test]
    fn totals_with_unusual_names_are_read_and_similar_members_are_not() {
        let total = |webhook_type, data| all(webhook_type, data).total;
        assert_eq!(total("FINANCIAL_STATEMENTS", r#"{"new_financial_statements":3}"#), Some(3));
        assert_eq!(total("EMPLOYMENT_RECORDS", r#"{"total_employment_record_profiles":1}"#), Some(1));
        assert_eq!(total("INCOMES", r#"{"number_of_income_streams":5,"total_incomes":1}"#), Some(1));
        assert_eq!(total("INCOMES", r#"{"total_income_streams":5}"#), None);
        assert_eq!(total("TRANSACTIONS", r#"{"total_inflow_transactions":5}"#), None);
        assert_eq!(total("ACCOUNTS", r#"{"total_accounts":-1}"#), None);
    }

    #[test]
    fn only_a_first_and_a_last_day_limit_what_is_counted() {
        let status = all("TAX_STATUS", r#"{"total_tax_status":1,"last_status_change_date":"1995-08-01"}"#);
        let years = all("TAX_RETURNS", r#"{"first_tax_return_year":2017,"last_tax_return_year":2018}"#);
        assert_eq!((status.days, years.days), (None, None));
    }

    #[test]
    fn records_outside_of_the_announced_days_are_not_counted() {
        let data = r#"{"first_invoice_date":"2021-04-05","last_invoice_date":"2021-05-05"}"#;
        let announced = all("INVOICES", data);
        let counts = |day| counts(&announced, "INVOICES", &format!(r#"{{"id":"i","invoice_date":{day}}}"#));
        assert!(counts(r#""2021-04-05""#) && counts(r#""2021-05-05T23:59:59Z""#));
        assert!(!counts(r#""2021-04-04""#) && !counts(r#""2021-05-06""#) && !counts("null"));
    }

    #[test]
    fn days_do_not_limit_objects_without_a_date() {
        let data = r#"{"first_tax_retention_date":"2023-06-01","last_tax_retention_date":"2023-08-20"}"#;
        assert!(counts(&all("TAX_RETENTIONS", data), "TAX_RETENTIONS", r#"{"id":"r","issued_at":"2019-01-03"}"#));
    }

    #[test]
    fn the_totals_of_one_kind_of_tax_returns_do_not_count_the_other() {
        let (yearly, monthly) =
            (all("TAX_RETURNS", r#"{"type":"yearly"}"#), all("TAX_RETURNS", r#"{"type":"monthly"}"#));
        for (json, is_yearly, is_monthly) in [
            (r#"{"id":"t"}"#, true, true),
            (r#"{"id":"t","type":null}"#, true, true),
            (r#"{"id":"t","type":"monthly"}"#, false, true),
            (r#"{"id":"t","type":"annual"}"#, true, false),
        ] {
            assert_eq!(counts(&yearly, "TAX_RETURNS", json), is_yearly, "{json}");
            assert_eq!(counts(&monthly, "TAX_RETURNS", json), is_monthly, "{json}");
        }
    }
}
