use proptest::prelude::*;

use super::*;

fn plan(webhook_type: &str, code: &str, data: &str) -> Plan {
    let body = format!(r#"{{"webhook_type":"{webhook_type}","webhook_code":"{code}","link_id":"l","data":{data}}}"#);
    Plan::from_webhook(&Webhook::parse(body.as_bytes()).unwrap())
}

fn resource(name: &str) -> &'static Resource {
    Resource::of_webhook_type(name).unwrap()
}

fn list(name: &str, filter: Filter, announced: AnnouncedTotals) -> Plan {
    Plan::List { resource: resource(name), filter, announced }
}

fn total(total: u64) -> AnnouncedTotals {
    AnnouncedTotals { total: Some(total), ..AnnouncedTotals::default() }
}

#[test]
fn accounts_are_always_listed_whole() {
    let whole = |announced| list("ACCOUNTS", Filter::Whole, announced);
    assert_eq!(plan("ACCOUNTS", "historical_update", r#"{"total_accounts":5}"#), whole(total(5)));
    let new = plan("ACCOUNTS", "new_accounts_available", r#"{"new_accounts":1}"#);
    assert_eq!(new, whole(AnnouncedTotals::default()), "one new account says nothing of how many there are");
}

#[test]
fn the_announced_totals_and_days_are_read() {
    let data = r#"{"total_transactions":19,"total_inflow_transactions":10,"total_outflow_transactions":9,
                   "first_transaction_date":"2023-01-03","last_transaction_date":"2024-01-03"}"#;
    let announced = AnnouncedTotals {
        total: Some(19),
        inflows: Some(10),
        outflows: Some(9),
        days: Day::parse("2023-01-03").zip(Day::parse("2024-01-03")),
        kind: None,
    };
    assert_eq!(plan("TRANSACTIONS", "historical_update", data), list("TRANSACTIONS", Filter::Whole, announced));
}

#[test]
fn both_spellings_of_new_transactions_list_what_is_new() {
    for code in ["new_transactions_available", "new_transactions_updated"] {
        let expected = list("TRANSACTIONS", Filter::SinceWatermark, total(19));
        assert_eq!(plan("TRANSACTIONS", code, r#"{"new_transactions":19}"#), expected);
    }
}

#[test]
fn updated_ids_are_fetched_once_each_and_unusable_ones_mean_a_whole_listing() {
    let ids = vec![ObjectId::parse("a").unwrap(), ObjectId::parse("b").unwrap()];
    let fetched = Plan::Get { resource: resource("TRANSACTIONS"), ids };
    let updated = |ids: &str| {
        plan("TRANSACTIONS", "transactions_updated", &format!(r#"{{"count":2,"updated_transactions":{ids}}}"#))
    };
    assert_eq!(updated(r#"["b","a","b"]"#), fetched);
    let whole = list("TRANSACTIONS", Filter::Whole, AnnouncedTotals::default());
    assert_eq!(updated(r#"["b","a/c"]"#), whole);
    assert_eq!(plan("TRANSACTIONS", "transactions_updated", "null"), whole);
}

#[test]
fn deletions_need_ids() {
    let ids = vec![ObjectId::parse("a").unwrap()];
    let data = r#"{"count":2,"deleted_transactions":["a",7]}"#;
    let expected = Plan::Delete { resource: resource("TRANSACTIONS"), ids };
    assert_eq!(plan("TRANSACTIONS", "transactions_deleted", data), expected);
    let counted = r#"{"deleted_count":1,"deleted_transactions":["a"]}"#;
    assert_eq!(plan("TRANSACTIONS", "transactions_deleted", counted), expected, "a number is no list");
    assert!(matches!(plan("TRANSACTIONS", "transactions_deleted", "{}"), Plan::Refused(_)));
}

#[test]
fn a_webhook_about_inflows_alone_lists_inflows_of_its_days() {
    let data = r#"{"total_invoices":7,"first_invoice_date":"2021-04-05","last_invoice_date":"2021-05-05"}"#;
    let days = Day::parse("2021-04-05").zip(Day::parse("2021-05-05"));
    let (first, last) = days.unwrap();
    for when in ["initial", "historical"] {
        let inflows = AnnouncedTotals { inflows: Some(7), days, ..AnnouncedTotals::default() };
        let filter = Filter::Flow { flow: Flow::Inflow, first, last };
        let expected = list("INVOICES", filter, inflows);
        assert_eq!(plan("INVOICES", &format!("{when}_inflow_update"), data), expected);
        let outflows = AnnouncedTotals { outflows: Some(7), days, ..AnnouncedTotals::default() };
        let filter = Filter::Flow { flow: Flow::Outflow, first, last };
        let expected = list("INVOICES", filter, outflows);
        assert_eq!(plan("INVOICES", &format!("{when}_outflow_update"), data), expected);
    }
    let dayless = plan("INVOICES", "initial_inflow_update", r#"{"total_invoices":7}"#);
    let inflows = AnnouncedTotals { inflows: Some(7), ..AnnouncedTotals::default() };
    assert_eq!(dayless, list("INVOICES", Filter::Whole, inflows));
}

#[test]
fn a_list_without_such_filters_is_listed_whole_instead() {
    let day = Day::parse("2021-04-05").unwrap();
    let filter = Filter::Flow { flow: Flow::Inflow, first: day, last: day };
    assert_eq!(filter.for_list(resource("INVOICES")), filter);
    assert_eq!(filter.for_list(resource("INVOICES").at("sii_cl_fiscal")), Filter::Whole);
}

#[test]
fn a_code_that_names_another_resource_wins_over_the_type() {
    let whole = |name| list(name, Filter::Whole, AnnouncedTotals::default());
    assert_eq!(plan("ACCOUNTS", "new_investments_available", r#"{"new_investments":1}"#), whole("INVESTMENTS"));
    assert_eq!(plan("ACCOUNTS", "bills_updated", "{}"), whole("BILLS"));
    assert_eq!(plan("ACCOUNTS", "moon_updated", "{}"), whole("ACCOUNTS"));
    assert_eq!(plan("LINK", "new_accounts_available", "{}"), Plan::Unknown, "LINK is no resource");
}

#[test]
fn changes_of_employment_list_everything() {
    let data = r#"{"employment_changes":["EMPLOYED","SALARY_INCREASED"]}"#;
    let whole = list("EMPLOYMENT_RECORDS", Filter::Whole, AnnouncedTotals::default());
    assert_eq!(plan("EMPLOYMENT_RECORDS", "employment_changes", data), whole);
}

#[test]
fn both_spellings_of_an_expired_consent_mean_the_same() {
    for code in ["openfinance_consent_expired", "consent_expired"] {
        assert_eq!(plan("CONSENT", code, "{}"), Plan::Consent(Consent::Expired));
    }
}

#[test]
fn the_day_on_which_a_consent_ends_is_read_with_a_time_or_without() {
    let due = Day::parse("2024-05-21");
    for date in [r#""2024-05-21""#, r#""2024-05-21T08:32:00Z""#] {
        let data = format!(r#"{{"consent_due_date":{date}}}"#);
        assert_eq!(
            plan("CONSENT", "openfinance_consent_about_to_expire", &data),
            Plan::Consent(Consent::Expiring { due })
        );
    }
    let undated = Plan::Consent(Consent::Expiring { due: None });
    assert_eq!(plan("CONSENT", "openfinance_consent_about_to_expire", r#"{"consent_due_date":7}"#), undated);
}

#[test]
fn consent_events_without_work_are_recorded_and_other_codes_are_unknown() {
    for what in ["unrecoverable", "temporarily_unavailable"] {
        let code = format!("openfinance_consent_with_{what}_resources");
        assert!(matches!(plan("CONSENT", &code, "{}"), Plan::Record(_)), "{code}");
    }
    assert_eq!(plan("CONSENT", "openfinance_consent_framed", "{}"), Plan::Unknown);
}

#[test]
fn a_deleted_link_is_understood_whatever_its_type() {
    for webhook_type in ["LINK", "LINKS", "ACCOUNTS"] {
        assert_eq!(plan(webhook_type, "link_deleted", "{}"), Plan::LinkDeleted);
    }
}

#[test]
fn a_payment_is_never_taken_for_a_links_data() {
    let payment = r#"{"webhook_type":"TRANSACTIONS","webhook_code":"transactions_deleted","object_id":"o",
                      "data":{"deleted_transactions":["a"]}}"#;
    assert_eq!(Plan::from_webhook(&Webhook::parse(payment.as_bytes()).unwrap()), Plan::Unknown);
}

#[test]
fn anything_else_is_unknown() {
    for (webhook_type, code) in [
        ("MOON_PHASES", "historical_update"),
        ("TRANSACTIONS", "transactions_blessed"),
        ("INVOICES", "initial_update"),
        ("INVOICES", "sideflow_update"),
        ("ACCOUNTS", "new_"),
        ("ACCOUNTS", "new_accounts"),
        ("LINK", "historical_update"),
        ("CONSENT", "historical_update"),
    ] {
        assert_eq!(plan(webhook_type, code, "{}"), Plan::Unknown, "{webhook_type} {code}");
    }
}

proptest! {
    #[test]
    fn every_resource_understands_the_codes_that_belvos_rule_gives_it(
        row in proptest::sample::select(Resource::all().collect::<Vec<_>>()), count in 0_u64..1_000
    ) {
        let first = resource(row.webhook_type);
        let word = first.webhook_type.to_lowercase();
        let historical = plan(first.webhook_type, "historical_update", &format!(r#"{{"{}":{count}}}"#, first.total));
        prop_assert_eq!(historical, list(first.webhook_type, Filter::Whole, total(count)));
        for code in [format!("new_{word}_available"), format!("new_{word}_updated")] {
            let new = plan(first.webhook_type, &code, &format!(r#"{{"new_{word}":{count}}}"#));
            let expected = match first.new {
                Some(_) => list(first.webhook_type, Filter::SinceWatermark, total(count)),
                None => list(first.webhook_type, Filter::Whole, AnnouncedTotals::default()),
            };
            prop_assert_eq!(new, expected);
        }
        let ids = vec![ObjectId::parse("a").unwrap()];
        let deleted = plan(first.webhook_type, &format!("{word}_deleted"), &format!(r#"{{"deleted_{word}":["a"]}}"#));
        prop_assert_eq!(deleted, Plan::Delete { resource: first, ids: ids.clone() });
        let updated = plan(first.webhook_type, &format!("{word}_updated"), &format!(r#"{{"updated_{word}":["a"]}}"#));
        prop_assert_eq!(updated, Plan::Get { resource: first, ids });
    }

    #[test]
    fn every_webhook_has_a_plan(
        webhook_type in "[A-Z_]{1,20}|LINK|CONSENT|ACCOUNTS|INVOICES", code in "[a-z_]{1,30}", data in "[1-9][0-9]{0,3}|null|\\[\\]|\\{\\}"
    ) {
        // That it returns is the point: nothing in a webhook may make it panic.
        let plan = plan(&webhook_type, &code, &data);
        prop_assert!(!matches!(plan, Plan::Delete { .. }), "without ids nothing is deleted");
    }
}
