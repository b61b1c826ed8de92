//! The catalogue agrees with the table "The lists" of docs/belvo-coverage.md.

use domain::{Country, Resource};

const PAGE: &str = include_str!("../../../docs/belvo-coverage.md");

/// The row of the page for a row of the catalogue.
fn documented(row: &Resource) -> String {
    let country = match row.country {
        None => "",
        Some(Country::Brazil) => ", Brazil",
        Some(Country::Chile) => ", Chile",
        Some(Country::Colombia) => ", Colombia",
    };
    format!("| {}{country} | `{}` |", row.webhook_type, row.path)
}

/// The last cell of that row.
fn differences(row: &Resource) -> &'static str {
    let beginning = documented(row);
    let lines: Vec<_> = PAGE.lines().filter(|line| line.starts_with(&beginning)).collect();
    let [line] = lines[..] else { panic!("{beginning} stands {} times on the page", lines.len()) };
    &line[beginning.len()..]
}

#[test]
fn each_list_has_the_filters_and_left_out_members_that_the_page_names() {
    for row in Resource::all() {
        let cell = differences(row);
        assert_eq!(row.new.is_some(), cell.contains("`created_at__gte`"), "{}", row.path);
        assert_eq!(!row.filters_by_id, cell.contains("no `id__in`"), "{}", row.path);
        assert_eq!(row.flow_range.is_some(), cell.contains("__range`"), "{}", row.path);
        assert!(row.flow_range.is_none_or(|range| cell.contains(range)), "{}", row.path);
        let omitted: Vec<_> = row.omit.iter().map(|name| format!("`{name}`")).collect();
        let listed = cell.split("omits ").nth(1).unwrap_or_default().trim_end_matches([' ', '|']);
        assert_eq!(omitted.join(", "), listed, "{}", row.path);
    }
}

#[test]
fn the_page_has_no_list_that_the_catalogue_lacks() {
    let section = PAGE.split("## The lists").nth(1).unwrap().split("\n## ").next().unwrap();
    assert_eq!(section.matches("| `/api/").count(), Resource::all().count());
}

#[test]
fn days_and_embedded_accounts_are_read_where_belvos_objects_have_them() {
    let has_date = |row: &&Resource| row.date.is_some();
    let members: Vec<_> = Resource::all().filter(has_date).map(|row| (row.path, row.date.unwrap())).collect();
    let expected = [
        ("/api/transactions/", "value_date"),
        ("/api/br/investment-transactions/", "value_date"),
        ("/api/invoices/", "invoice_date"),
        ("/api/cl/invoices/", "issue_date"),
    ];
    assert_eq!(members, expected);
    let embedding: Vec<_> = Resource::all().filter(|row| row.embeds_account).map(|row| row.webhook_type).collect();
    assert_eq!(embedding, ["TRANSACTIONS", "BILLS", "RECURRING_EXPENSES"]);
}
