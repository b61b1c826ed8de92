//! The signs of a list that moved, and the comparison with announced totals.

use domain::{Plan, Webhook};

use super::*;

const ANNOUNCED: &str = r#"{"total_transactions":2,"total_inflow_transactions":1,"total_outflow_transactions":1,
    "first_transaction_date":"2024-01-01","last_transaction_date":"2024-01-31"}"#;

fn findings(data: &str) -> Findings {
    let body =
        format!(r#"{{"webhook_type":"TRANSACTIONS","webhook_code":"historical_update","link_id":"l","data":{data}}}"#);
    let Plan::List { resource, announced, .. } = Plan::from_webhook(&Webhook::parse(body.as_bytes()).unwrap()) else {
        panic!("a listing")
    };
    Findings::new(resource, &announced, None, None)
}

fn found(findings: &mut Findings, id: &str, day: &str, kind: &str) {
    found_on(findings, 1, id, day, kind);
}

fn found_on(findings: &mut Findings, response: u16, id: &str, day: &str, kind: &str) {
    let json = format!(r#"{{"id":"{id}","value_date":"{day}","type":"{kind}"}}"#);
    let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&json).unwrap();
    let place = Place { page: u64::from(response), response };
    findings.note_record(place, &Record::read(findings.resource, &raw).unwrap().0, None);
}

#[test]
fn as_many_as_announced_inside_the_announced_days_are_verified() {
    let mut findings = findings(ANNOUNCED);
    findings.note_response(Some(3));
    found(&mut findings, "a", "2024-01-01", "INFLOW");
    found(&mut findings, "b", "2024-01-31", "OUTFLOW");
    found(&mut findings, "c", "2024-02-01", "OUTFLOW");
    assert_eq!((findings.check(), findings.found().distinct), (Check::Verified, 3));
}

#[test]
fn fewer_of_one_kind_are_drift_though_the_total_is_there() {
    let mut findings = findings(ANNOUNCED);
    findings.note_response(Some(2));
    found(&mut findings, "a", "2024-01-01", "OUTFLOW");
    found(&mut findings, "b", "2024-01-31", "OUTFLOW");
    assert_eq!(findings.check(), Check::Drift);
}

#[test]
fn without_an_announcement_nothing_is_verified() {
    assert_eq!(findings("{}").check(), Check::Unverified);
}

#[test]
fn a_count_that_changes_means_that_the_list_moved_and_an_absent_one_does_not() {
    let mut changed = findings("{}");
    changed.note_response(Some(2));
    changed.note_response(None);
    assert!(!changed.has_moved());
    changed.note_response(Some(3));
    assert!(changed.has_moved());
}

#[test]
fn a_row_that_comes_with_two_answers_means_that_the_list_moved() {
    let mut repeated = findings("{}");
    repeated.note_response(Some(2));
    found_on(&mut repeated, 1, "a", "2024-01-01", "INFLOW");
    found_on(&mut repeated, 2, "a", "2024-01-01", "INFLOW");
    assert!(!repeated.has_moved(), "more may come");
    repeated.note_complete();
    assert!(repeated.has_moved());
    assert_eq!(repeated.check(), Check::Drift);
}

#[test]
fn a_row_that_stands_twice_in_one_answer_is_no_move_and_counts_as_a_row() {
    let mut doubled = findings(r#"{"total_transactions":2,"total_inflow_transactions":2}"#);
    doubled.note_response(Some(2));
    found(&mut doubled, "a", "2024-01-01", "INFLOW");
    found(&mut doubled, "a", "2024-01-01", "INFLOW");
    doubled.note_complete();
    assert_eq!((doubled.has_moved(), doubled.check()), (false, Check::Verified));
    assert_eq!(doubled.found().distinct, 1);
}

#[test]
fn a_second_reading_with_the_same_rows_shows_that_the_list_does_not_move() {
    let reading = |ids: &[&str], previous| {
        let mut findings = Findings { previous_row_sum: previous, ..findings("{}") };
        findings.note_response(Some(3));
        for (response, id) in (1..).zip(ids) {
            found_on(&mut findings, response, id, "2024-01-01", "INFLOW");
        }
        findings.note_complete();
        findings
    };
    let first = reading(&["a", "b", "a"], None);
    let row_sum = first.row_sum_to_confirm();
    assert!(first.has_moved() && row_sum.is_some());
    assert!(!reading(&["b", "a", "a"], row_sum).has_moved(), "the same rows in another order");
    assert!(reading(&["a", "b", "b"], row_sum).has_moved(), "other rows");
    assert!(reading(&["a", "b"], row_sum).has_moved(), "fewer rows");
}

#[test]
fn what_belvo_could_not_give_is_no_move_but_drift() {
    let mut findings = findings("{}");
    findings.note_response(Some(5));
    findings.note_unread(1, 4);
    found(&mut findings, "a", "2024-01-01", "INFLOW");
    findings.note_complete();
    assert_eq!((findings.has_moved(), findings.check()), (false, Check::Drift));
}

#[test]
fn pages_that_will_be_read_again_are_forgotten() {
    let mut findings = findings("{}");
    findings.note_response(Some(3));
    for (page, id) in [(1_u16, "a"), (2, "b"), (3, "c"), (3, "a")] {
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&format!(r#"{{"id":"{id}"}}"#)).unwrap();
        let place = Place { page: page.into(), response: page };
        findings.note_record(place, &Record::read(findings.resource, &raw).unwrap().0, None);
    }
    findings.note_unreadable(3);
    findings.seen_ids.forget_after(2);
    let ListingCounts { distinct, matching, unreadable, .. } = findings.found();
    assert_eq!((distinct, matching, unreadable), (2, 2, 0));
}

#[test]
fn an_unreadable_object_is_no_move_but_drift() {
    let mut findings = findings("{}");
    findings.note_response(Some(1));
    findings.note_unreadable(1);
    findings.note_complete();
    assert!(!findings.has_moved());
    assert_eq!(findings.check(), Check::Drift);
}
