//! What a webhook says that will be found.

use serde_json::value::RawValue;

use crate::{Day, Fields, Flow, Record, Resource};

/// What a webhook says of its resource: a checksum for the listing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct AnnouncedTotals {
    /// How many objects there are, or how many are new.
    pub total: Option<u64>,
    /// How many of them are inflows.
    pub inflows: Option<u64>,
    /// How many of them are outflows.
    pub outflows: Option<u64>,
    /// The first and the last day that the totals count, both included.
    pub days: Option<(Day, Day)>,
    /// Which of a resource's kinds the totals count; none for all.
    pub kind: Option<TaxReturnKind>,
}

/// Tax returns come in two kinds, each with a webhook and totals of its own, in one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaxReturnKind {
    /// Written `yearly` in webhooks and `annual` in objects. Belvo describes yearly tax returns without a `type`.
    Yearly,
    /// `monthly`
    Monthly,
}

impl AnnouncedTotals {
    /// Reads how many objects there are: the member that the catalogue names, and the documented totals of transactions.
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

    /// Reads how many objects are new.
    pub(crate) fn new_ones(resource: &Resource, data: &Fields<'_>) -> Self {
        Self { total: resource.new.and_then(|name| data.get(name)).and_then(count), ..Self::default() }
    }

    /// Reads how many inflows or outflows there are within some days.
    pub(crate) fn flow(resource: &Resource, flow: Flow, data: &Fields<'_>) -> Self {
        let total = data.get(resource.total).and_then(count);
        let announced = Self { days: days(data), ..Self::default() };
        match flow {
            Flow::Inflow => Self { inflows: total, ..announced },
            Flow::Outflow => Self { outflows: total, ..announced },
        }
    }

    /// Do the totals count this record?
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

    /// A record that does not say what it is may be either: a total must not seem to be missed for that.
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
    fn belvos_odd_totals_are_read_and_what_looks_like_one_is_not() {
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
    fn days_of_which_the_objects_do_not_know_limit_nothing() {
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
