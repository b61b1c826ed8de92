//! Every webhook that Belvo documents, as it stands in `events/webhook/`, and what it is taken to ask for.

use std::collections::BTreeSet;
use std::fs;

use domain::{AnnouncedTotals, Consent, Filter, Plan, Webhook};
use serde_json::Value;

/// Events that are about the request and not about what a webhook asks for.
const REQUESTS: [&str; 3] = ["bad-json", "url-validation", "wrong-credentials"];

/// The event, and the plan that it must become.
const EXPECTED: [(&str, &str); 57] = [
    ("accounts-historical-update", "list ACCOUNTS whole, total 5"),
    ("accounts-new-accounts-available", "list ACCOUNTS whole"),
    (
        "transactions-historical-update",
        "list TRANSACTIONS whole, total 19, inflows 10, outflows 9, 2023-01-03 to 2024-01-03",
    ),
    ("transactions-new-transactions-available", "list TRANSACTIONS since watermark, total 19"),
    ("transactions-new-transactions-updated", "list TRANSACTIONS since watermark, total 19"),
    ("transactions-updated", "get 5 TRANSACTIONS"),
    ("transactions-deleted", "delete 5 TRANSACTIONS"),
    ("owners-historical-update", "list OWNERS whole, total 2"),
    ("owners-new-owners-available", "list OWNERS whole"),
    ("bills-historical-update", "list BILLS whole, total 2"),
    ("bills-new-bills-available", "list BILLS whole"),
    ("investments-historical-update", "list INVESTMENTS whole, total 5"),
    // Belvo's example has the type ACCOUNTS.
    ("investments-new-investments-available", "list INVESTMENTS whole"),
    (
        "investment-transactions-historical-update",
        "list INVESTMENT_TRANSACTIONS whole, total 19, inflows 10, outflows 9, 2023-01-03 to 2024-01-03",
    ),
    (
        "investment-transactions-new-investment-transactions-available",
        "list INVESTMENT_TRANSACTIONS since watermark, total 1",
    ),
    ("employments-historical-update", "list EMPLOYMENTS whole, total 1"),
    ("employments-new-employments-available", "list EMPLOYMENTS whole"),
    ("employment-records-historical-update", "list EMPLOYMENT_RECORDS whole, total 1"),
    ("employment-records-employment-changes", "list EMPLOYMENT_RECORDS whole"),
    ("employment-metrics-historical-update", "list EMPLOYMENT_METRICS whole, total 1"),
    ("incomes-historical-update", "list INCOMES whole, total 1"),
    ("recurring-expenses-historical-update", "list RECURRING_EXPENSES whole, total 23"),
    ("risk-insights-historical-update", "list RISK_INSIGHTS whole, total 1"),
    ("invoices-initial-inflow-update", "list INVOICES INFLOW, inflows 3456, 2021-04-05 to 2021-05-05"),
    ("invoices-initial-outflow-update", "list INVOICES OUTFLOW, outflows 3456, 2021-04-05 to 2021-05-05"),
    ("invoices-historical-inflow-update", "list INVOICES INFLOW, inflows 3456, 2021-04-05 to 2021-05-05"),
    ("invoices-historical-outflow-update", "list INVOICES OUTFLOW, outflows 3456, 2021-04-05 to 2021-05-05"),
    ("tax-returns-historical-update-yearly", "list TAX_RETURNS whole, total 2, Yearly"),
    ("tax-returns-historical-update-monthly", "list TAX_RETURNS whole, total 24, Monthly"),
    ("tax-returns-new-tax-returns-available", "list TAX_RETURNS whole"),
    ("tax-status-historical-update", "list TAX_STATUS whole, total 1"),
    ("tax-compliance-status-historical-update", "list TAX_COMPLIANCE_STATUS whole, total 1"),
    ("tax-retentions-historical-update", "list TAX_RETENTIONS whole, total 1, 2023-06-01 to 2023-08-20"),
    ("financial-statements-historical-update", "list FINANCIAL_STATEMENTS whole, total 3"),
    // Colombian, and retired by Belvo.
    ("tax-declarations-historical-update", "unknown"),
    ("link-invalid-credentials", "read the link's status"),
    ("link-token-required", "read the link's status"),
    ("link-link-deleted", "remove the link's data"),
    ("consent-about-to-expire", "consent ends on 2027-01-15"),
    ("consent-expired", "consent has ended"),
    ("consent-expired-short", "consent has ended"),
    ("consent-expiration-changed", "consent ends on another day"),
    ("consent-unrecoverable-resources", "record"),
    ("consent-temporarily-unavailable-resources", "record"),
    ("payments-transactions-object-created", "unknown"),
    ("payments-payment-intents-status-update", "unknown"),
    ("payments-direct-debit", "unknown"),
    ("payments-direct-debit-payment-request-failed", "unknown"),
    ("payments-direct-debit-payment-method-registered", "unknown"),
    ("payments-direct-debit-customer-blocked", "unknown"),
    ("unknown-type", "unknown"),
    // Documented by name alone: their data follow Belvo's rule.
    ("invoices-historical-update", "list INVOICES whole, total 12"),
    ("invoices-new-invoices-available", "list INVOICES since watermark, total 1"),
    ("financial-statements-new-financial-statements-available", "list FINANCIAL_STATEMENTS whole"),
    ("balances-historical-update", "list BALANCES whole, total 4"),
    ("exchanges-historical-update", "list EXCHANGES whole, total 4"),
    ("current-employments-historical-update", "list CURRENT_EMPLOYMENTS whole, total 1"),
];

#[test]
fn every_documented_webhook_asks_for_what_its_page_says() {
    for (name, expected) in EXPECTED {
        let event: Value = serde_json::from_slice(&fs::read(format!("{}/{name}.json", folder())).unwrap()).unwrap();
        let webhook = Webhook::parse(event["body"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(in_words(&Plan::from_webhook(&webhook)), expected, "{name}");
    }
}

#[test]
fn no_event_is_left_out() {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let names: BTreeSet<_> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let known = EXPECTED.map(|(name, _)| name.to_owned()).into_iter().chain(REQUESTS.map(str::to_owned)).collect();
    assert_eq!(names, known);
}

fn folder() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/webhook")
}

fn in_words(plan: &Plan) -> String {
    match plan {
        Plan::List { resource, filter, announced } => {
            let part = match filter {
                Filter::Whole => "whole",
                Filter::SinceWatermark => "since watermark",
                Filter::Flow { flow, .. } => flow.as_str(),
            };
            format!("list {} {part}{}", resource.webhook_type, total_in_words(announced))
        }
        Plan::Get { resource, ids } => format!("get {} {}", ids.len(), resource.webhook_type),
        Plan::Delete { resource, ids } => format!("delete {} {}", ids.len(), resource.webhook_type),
        Plan::LinkStatus => "read the link's status".to_owned(),
        Plan::LinkDeleted => "remove the link's data".to_owned(),
        Plan::EraseLink => "erase the link".to_owned(),
        Plan::Consent(Consent::Expiring { due: Some(day) }) => format!("consent ends on {day}"),
        Plan::Consent(Consent::Expiring { due: None }) => "consent ends some day".to_owned(),
        Plan::Consent(Consent::Expired) => "consent has ended".to_owned(),
        Plan::Consent(Consent::Changed) => "consent ends on another day".to_owned(),
        Plan::Record(_) => "record".to_owned(),
        Plan::Unknown => "unknown".to_owned(),
        Plan::Refused(reason) => format!("refused: {reason}"),
    }
}

fn total_in_words(announced: &AnnouncedTotals) -> String {
    let count = |name: &str, count: Option<u64>| count.map(|count| format!(", {name} {count}"));
    let AnnouncedTotals { total, inflows, outflows, days, kind } = announced;
    let counts = [count("total", *total), count("inflows", *inflows), count("outflows", *outflows)];
    let days = days.map(|(first, last)| format!(", {first} to {last}"));
    let kind = kind.map(|kind| format!(", {kind:?}"));
    counts.into_iter().chain([days, kind]).flatten().collect()
}
