//! The catalogue: one row for each resource, and one more for each country with a separate list.
//!
//! To add a resource, add a row. Only the request function's `retrievals.rs` and tests also name resources; steps in
//! CONTRIBUTING.md.
//!
//! Sources: paths, filters and members are those of Belvo's OpenAPI description of 2026-04-23. The names of the totals
//! are those of Belvo's webhook pages, as `docs/belvo-coverage.md` lists them. Where Belvo documents no total, the row has
//! the name that Belvo's naming rule gives. If the actual name differs, the sync function cannot verify the listing; it
//! stores the same records.

use crate::resource::{Country, Resource};

/// The defaults of a row.
const MOST: Resource = Resource {
    webhook_type: "",
    country: None,
    path: "",
    total: "",
    new: None,
    filters_by_id: true,
    flow_range: None,
    date: None,
    embeds_account: false,
    omit: &[],
};

/// Every row, in the order of Belvo's documentation.
///
/// ACCOUNTS stays first: `Resource::accounts()` returns it. The first row of a type serves every country without a
/// separate row.
const CATALOGUE: [Resource; 24] = [
    // Banking and Open Finance.
    Resource { webhook_type: "ACCOUNTS", path: "/api/accounts/", total: "total_accounts", ..MOST },
    Resource {
        webhook_type: "TRANSACTIONS",
        path: "/api/transactions/",
        total: "total_transactions",
        new: Some("new_transactions"),
        // `filters_by_id`: Belvo's guide to the webhook `transactions_updated` has it. The OpenAPI description lacks `id__in`.
        date: Some("value_date"),
        embeds_account: true,
        ..MOST
    },
    Resource { webhook_type: "OWNERS", path: "/api/owners/", total: "total_owners", ..MOST },
    Resource { webhook_type: "BILLS", path: "/api/bills/", total: "total_bills", embeds_account: true, ..MOST },
    Resource { webhook_type: "INVESTMENTS", path: "/api/br/investments/", total: "total_investments", ..MOST },
    Resource {
        webhook_type: "INVESTMENT_TRANSACTIONS",
        path: "/api/br/investment-transactions/",
        // The name on Belvo's page about this webhook.
        total: "total_transactions",
        new: Some("new_investment_transactions"),
        date: Some("value_date"),
        ..MOST
    },
    Resource { webhook_type: "BALANCES", path: "/api/br/balances/", total: "total_balances", ..MOST },
    Resource { webhook_type: "EXCHANGES", path: "/api/br/exchanges/", total: "total_exchanges", ..MOST },
    // Employment.
    Resource {
        webhook_type: "EMPLOYMENTS",
        country: Some(Country::Brazil),
        path: "/api/br/employments/",
        total: "total_employments",
        ..MOST
    },
    Resource {
        webhook_type: "EMPLOYMENTS",
        country: Some(Country::Colombia),
        // Source: Belvo's OpenAPI description of November 2024 (1.176.0), with `id__in`. That of 2026-04-23 omits Colombia.
        path: "/api/co/employments/",
        total: "total_employments",
        ..MOST
    },
    Resource {
        webhook_type: "EMPLOYMENT_RECORDS",
        path: "/api/employment-records/",
        total: "total_employment_record_profiles",
        omit: &["files"],
        ..MOST
    },
    Resource {
        webhook_type: "EMPLOYMENT_METRICS",
        path: "/api/employment-metrics/",
        total: "total_employment_metrics",
        filters_by_id: false,
        ..MOST
    },
    Resource {
        webhook_type: "CURRENT_EMPLOYMENTS",
        path: "/api/mx/current-employments/",
        total: "total_current_employments",
        ..MOST
    },
    // Enrichment.
    Resource {
        webhook_type: "INCOMES",
        path: "/api/incomes/",
        // Not `number_of_income_streams`, which counts items inside the objects.
        total: "total_incomes",
        filters_by_id: false,
        ..MOST
    },
    Resource {
        webhook_type: "RECURRING_EXPENSES",
        path: "/api/recurring-expenses/",
        total: "total_recurring_expenses",
        embeds_account: true,
        ..MOST
    },
    Resource { webhook_type: "RISK_INSIGHTS", path: "/api/risk-insights/", total: "total_risk_insights", ..MOST },
    // Fiscal.
    Resource {
        webhook_type: "INVOICES",
        path: "/api/invoices/",
        total: "total_invoices",
        new: Some("new_invoices"),
        flow_range: Some("invoice_date__range"),
        date: Some("invoice_date"),
        omit: &["xml"],
        ..MOST
    },
    Resource {
        webhook_type: "INVOICES",
        country: Some(Country::Chile),
        path: "/api/cl/invoices/",
        total: "total_invoices",
        new: Some("new_invoices"),
        date: Some("issue_date"),
        ..MOST
    },
    Resource {
        webhook_type: "TAX_RETURNS",
        path: "/api/tax-returns/",
        total: "total_tax_returns",
        omit: &["pdf", "receipt_pdf"],
        ..MOST
    },
    Resource {
        webhook_type: "TAX_STATUS",
        path: "/api/tax-status/",
        total: "total_tax_status",
        omit: &["pdf"],
        ..MOST
    },
    Resource {
        webhook_type: "TAX_STATUS",
        country: Some(Country::Chile),
        path: "/api/cl/tax-status/",
        total: "total_tax_status",
        ..MOST
    },
    Resource {
        webhook_type: "TAX_COMPLIANCE_STATUS",
        path: "/api/tax-compliance-status/",
        total: "total_tax_compliance_status",
        omit: &["pdf"],
        ..MOST
    },
    Resource {
        webhook_type: "TAX_RETENTIONS",
        path: "/api/tax-retentions/",
        total: "total_tax_retentions",
        filters_by_id: false,
        omit: &["xml"],
        ..MOST
    },
    Resource {
        webhook_type: "FINANCIAL_STATEMENTS",
        path: "/api/financial-statements/",
        // Despite its name, the number of all financial statements.
        total: "new_financial_statements",
        ..MOST
    },
];

impl Resource {
    /// Returns the first row of a `webhook_type`, or `None` if the type is unknown or not a resource (`LINK`, `CONSENT`).
    /// [`Resource::at`] returns the row for a country.
    #[must_use]
    pub fn of_webhook_type(webhook_type: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|resource| resource.webhook_type == webhook_type)
    }

    /// Returns the row of the accounts, which other resources embed.
    #[must_use]
    pub fn accounts() -> &'static Self {
        &CATALOGUE[0]
    }

    /// Returns every row, including those of single countries.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        CATALOGUE.iter()
    }

    /// Returns `true` if the link's institution determines which list has the objects.
    #[must_use]
    pub fn depends_on_country(&self) -> bool {
        self.country.is_some() || self.of_its_type().any(|row| row.country.is_some())
    }

    /// Returns the row for the links of an institution: that of its country, or else the first of the type.
    #[must_use]
    pub fn at(&'static self, institution: &str) -> &'static Self {
        let country = Country::of_institution(institution);
        let own = self.of_its_type().find(|row| country.is_some() && row.country == country);
        own.or_else(|| self.of_its_type().next()).unwrap_or(self)
    }

    fn of_its_type(&self) -> impl Iterator<Item = &'static Self> {
        CATALOGUE.iter().filter(|row| row.webhook_type == self.webhook_type)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn row(webhook_type: &str) -> &'static Resource {
        Resource::of_webhook_type(webhook_type).unwrap()
    }

    #[test]
    fn there_are_twenty_one_resources_and_each_row_has_a_separate_list() {
        let types: HashSet<_> = Resource::all().map(|row| row.webhook_type).collect();
        let paths: HashSet<_> = Resource::all().map(|row| row.path).collect();
        assert_eq!((types.len(), paths.len()), (21, Resource::all().count()));
        for row in Resource::all() {
            assert!(row.path.starts_with("/api/") && row.path.ends_with('/'), "{}", row.path);
            assert!(!row.webhook_type.is_empty() && !row.total.is_empty(), "{}", row.path);
            assert!(row.flow_range.is_none() || row.date.is_some(), "a range of which days? {}", row.path);
        }
        assert_eq!(Resource::accounts().webhook_type, "ACCOUNTS");
        assert_eq!((Resource::of_webhook_type("LINK"), Resource::of_webhook_type("CONSENT")), (None, None));
    }

    #[test]
    fn the_rows_of_one_type_differ_in_their_lists_and_not_in_what_a_webhook_means() {
        for row in Resource::all() {
            let first = Resource::of_webhook_type(row.webhook_type).unwrap();
            assert_eq!((row.total, row.new, row.embeds_account), (first.total, first.new, first.embeds_account));
            assert_eq!(row.depends_on_country(), row.of_its_type().count() > 1, "{}", row.path);
        }
    }

    #[test]
    fn the_institution_decides_which_countrys_list_is_read() {
        for (webhook_type, institution, path) in [
            ("INVOICES", "sat_mx_fiscal", "/api/invoices/"),
            ("INVOICES", "sii_cl_fiscal", "/api/cl/invoices/"),
            ("TAX_STATUS", "sii_cl_fiscal", "/api/cl/tax-status/"),
            ("EMPLOYMENTS", "inss_br_employment", "/api/br/employments/"),
            ("EMPLOYMENTS", "pila_co_employment", "/api/co/employments/"),
            ("EMPLOYMENTS", "somewhere_else", "/api/br/employments/"),
            ("ACCOUNTS", "erebor_br_retail", "/api/accounts/"),
            ("INVOICES", "co_cl_fiscal", "/api/cl/invoices/"),
            ("INVOICES", "sii_br_fiscal", "/api/invoices/"),
        ] {
            assert_eq!(row(webhook_type).at(institution).path, path, "{webhook_type} at {institution}");
        }
        assert!(std::ptr::eq(row("INVOICES").at("sii_cl_fiscal").at("sat_mx_fiscal"), row("INVOICES")));
    }

    #[test]
    fn only_transactions_are_found_by_account_and_day() {
        let indexed = |row: &&Resource| row.embeds_account && row.date.is_some();
        let types: Vec<_> = Resource::all().filter(indexed).map(|row| row.webhook_type).collect();
        assert_eq!(types, ["TRANSACTIONS"], "applications rely on what is in the index");
    }
}
