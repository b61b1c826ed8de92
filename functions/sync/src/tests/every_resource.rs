//! Every resource of the catalogue, from its webhook to its records.

use domain::Resource;
use fake_belvo::NewLink;

use super::world::{LINK, World, text};

/// Which institution has what; together they have everything.
const INSTITUTIONS: [(&str, &[&str]); 7] = [
    ("erebor_mx_retail", &["ACCOUNTS", "TRANSACTIONS", "OWNERS", "INCOMES", "RECURRING_EXPENSES", "RISK_INSIGHTS"]),
    (
        "ofmockbank_br_retail",
        &[
            "ACCOUNTS",
            "TRANSACTIONS",
            "OWNERS",
            "BILLS",
            "INVESTMENTS",
            "INVESTMENT_TRANSACTIONS",
            "BALANCES",
            "EXCHANGES",
        ],
    ),
    (
        "tatooine_mx_fiscal",
        &["INVOICES", "TAX_RETURNS", "TAX_STATUS", "TAX_COMPLIANCE_STATUS", "TAX_RETENTIONS", "FINANCIAL_STATEMENTS"],
    ),
    ("tatooine_cl_fiscal", &["INVOICES", "TAX_STATUS"]),
    ("planet_mx_employment", &["EMPLOYMENT_RECORDS", "EMPLOYMENT_METRICS", "CURRENT_EMPLOYMENTS"]),
    ("planet_br_employment", &["EMPLOYMENTS"]),
    ("planet_co_employment", &["EMPLOYMENTS"]),
];

/// A link at an institution with some of everything, its objects as Belvo's schemas allow them at the worst.
fn link(institution: &str, resources: &[&str], wild: bool) -> NewLink {
    let many = |name: &&str| ((*name).to_owned(), 7);
    let others = resources.iter().filter(|name| !["ACCOUNTS", "TRANSACTIONS"].contains(*name));
    NewLink {
        id: Some(LINK.to_owned()),
        institution: Some(institution.to_owned()),
        accounts: 2,
        transactions: 30,
        resources: others.map(many).collect(),
        wild,
        ..NewLink::default()
    }
}

#[tokio::test]
async fn every_resource_is_stored_as_its_webhook_announces_it() {
    let mut seen = Vec::new();
    for (institution, resources) in INSTITUTIONS {
        for wild in [false, true] {
            let world = World::with_link(link(institution, resources, wild)).await;
            for webhook_type in resources {
                world.succeed(webhook_type, "historical_update", "{}").await;
                assert!(!world.records(webhook_type).await.is_empty(), "{webhook_type} of {institution}");
                world.assert_converged(webhook_type).await;
                assert_eq!(text(&world.state(webhook_type).await, "check"), "unverified");
                seen.push(*webhook_type);
            }
        }
    }
    for resource in Resource::all() {
        assert!(seen.contains(&resource.webhook_type), "{} was not tried", resource.webhook_type);
    }
}

#[tokio::test]
async fn what_changes_of_any_resource_arrives_with_its_next_webhook() {
    for (institution, resources) in INSTITUTIONS {
        let world = World::with_link(link(institution, resources, false)).await;
        for webhook_type in resources {
            world.succeed(webhook_type, "historical_update", "{}").await;
            for (change, code) in [
                (r#"{"add":2,"announce":false}"#, &*format!("new_{}_available", webhook_type.to_lowercase())),
                // Changes without a webhook of their own are found by the next whole listing.
                (r#"{"update":1,"announce":false}"#, "historical_update"),
            ] {
                let change = serde_json::from_str(change).unwrap();
                world.belvo.control().change(LINK, webhook_type, change).await.unwrap();
                world.succeed(webhook_type, code, "{}").await;
                world.assert_converged(webhook_type).await;
            }
        }
    }
}
