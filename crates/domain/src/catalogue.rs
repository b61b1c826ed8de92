//! The catalogue itself: one row for each resource, one more for each country that has a list of its own.
//!
//! Adding a resource is adding a row; nothing else knows the resources by name. Sources: paths, filters and members are
//! those of Belvo's OpenAPI description of 2026-04-23; the names of the totals are those of Belvo's webhook pages, as
//! `docs/belvo-coverage.md` lists them. Where Belvo documents no total, the name that its own rule would give is used: a
//! total that is called otherwise leaves the listing unverified and does no harm.

use crate::resource::{Country, Resource};

/// What most lists have in common.
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

/// In the order of Belvo's documentation. The first row of a type serves every country that has no row of its own.
pub(crate) const CATALOGUE: [Resource; 24] = [
    // Banking and Open Finance.
    Resource { webhook_type: "ACCOUNTS", path: "/api/accounts/", total: "total_accounts", ..MOST },
    Resource {
        webhook_type: "TRANSACTIONS",
        path: "/api/transactions/",
        total: "total_transactions",
        new: Some("new_transactions"),
        // `id__in` is in Belvo's guide to the webhook `transactions_updated`, and not in its OpenAPI description.
        filters_by_id: true,
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
        // So Belvo's page about its webhook calls it.
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
        // In Belvo's OpenAPI description of November 2024 (1.176.0), with `id__in`; that of 2026-04-23 leaves Colombia out.
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
        // Beside it stands `number_of_income_streams`, which counts something inside the objects.
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
        // So Belvo calls what there is in all, not what is new.
        total: "new_financial_statements",
        ..MOST
    },
];
