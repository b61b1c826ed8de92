//! The objects themselves: exact, complete, reproducible.

use std::collections::BTreeSet;

use fake_belvo::{Config, NewLink};
use serde_json::Value;

use crate::support::{HISTORICAL_LINK, UPDATED_LINK, all_ids, config, get, server};

/// The text after `"amount":` in each transaction of a page, as it was sent.
fn amounts(page: &str) -> Vec<&str> {
    let after = page.split(r#""value_date":"#).skip(1);
    after.map(|rest| rest.split_once(r#","amount":"#).unwrap().1.split_once(',').unwrap().0).collect()
}

#[tokio::test]
async fn amounts_keep_every_digit_and_trailing_zero() {
    let server = server().await;
    let link = server.control().create_link(NewLink { transactions: 1_000, ..NewLink::default() }).unwrap().link_id;
    let page = get(&server, &format!("/api/transactions/?link={link}&page_size=1000")).await.text;
    let amounts = amounts(&page);
    assert_eq!(amounts.len(), 1000);
    for exact in ["999999999999999.9999", "0.01", "10.50"] {
        assert!(amounts.contains(&exact), "{exact}");
    }
    let decimals: BTreeSet<usize> =
        amounts.iter().map(|amount| amount.split_once('.').map_or(0, |(_, decimals)| decimals.len())).collect();
    assert_eq!(decimals, BTreeSet::from([0, 2, 3, 4]));
    for amount in amounts {
        let (whole, _) = amount.split_once('.').unwrap_or((amount, ""));
        assert!(!whole.is_empty() && whole.len() <= 15 && whole.bytes().all(|byte| byte.is_ascii_digit()), "{amount}");
    }
}

#[tokio::test]
async fn an_amount_is_found_by_its_exact_value() {
    let server = server().await;
    let link = server.control().create_link(NewLink { transactions: 100, ..NewLink::default() }).unwrap().link_id;
    let list = async |filter: &str| get(&server, &format!("/api/transactions/?link={link}&{filter}")).await;
    assert_eq!(list("amount=999999999999999.9999").await.json()["count"], 1);
    assert_eq!(list("amount__gt=999999999999999.9998").await.json()["count"], 1);
    assert_eq!(list("amount__lte=0.01").await.json()["count"], 1);
    assert!(list("amount=10.5").await.text.contains(r#""amount":10.50,"#));
}

#[tokio::test]
async fn the_same_seed_makes_the_same_data_and_another_seed_other_data() {
    let new = || NewLink {
        id: Some("same".into()),
        created_at: Some("2024-05-01T10:00:00Z".into()),
        transactions: 300,
        ..NewLink::default()
    };
    let truth = async |seed| {
        let server = fake_belvo::start(Config { seed, ..config() }).await.unwrap();
        server.control().create_link(new()).unwrap();
        (server.control().truth("same", "TRANSACTIONS").unwrap(), server.control().truth("same", "ACCOUNTS").unwrap())
    };
    let (first, again, other) = (truth(7).await, truth(7).await, truth(8).await);
    assert_eq!((first.0.len(), first.1.len()), (300, 3));
    assert_eq!(first, again);
    assert!(first.0.iter().zip(&other.0).all(|(first, other)| first != other));
}

#[tokio::test]
async fn a_links_data_does_not_depend_on_what_was_created_before_it() {
    let (one, two) = (server().await, server().await);
    let new = || NewLink { id: Some("x".into()), ..NewLink::default() };
    two.control().create_link(NewLink::default()).unwrap();
    one.control().create_link(new()).unwrap();
    two.control().create_link(new()).unwrap();
    assert_eq!(one.control().truth("x", "transactions"), two.control().truth("x", "transactions"));
}

#[tokio::test]
async fn every_id_leads_to_its_object() {
    let server = server().await;
    let path = format!("/api/transactions/?link={UPDATED_LINK}");
    let documented = [
        "0452ae0d-ax2f-4093-888c-bb2ae826xa0b",
        "64ecc7df-f322-4934-82f5-3b3ae675ef4a",
        "7d0afe4c-373d-490c-90e4-06xx4cdd4a17",
        "9c266fff-ee3d-4389-adb3-1c5690d3c032",
        "a53759bc-ca02-46f0-b1d5-31xxcd54db41",
    ];
    assert_eq!(all_ids(&server, &path).await, documented);
    for (list, detail) in
        [(path, "transactions"), ("/api/accounts/".into(), "accounts"), ("/api/links/".into(), "links")]
    {
        for object in get(&server, &list).await.json()["results"].as_array().unwrap() {
            let one = get(&server, &format!("/api/{detail}/{}/", object["id"].as_str().unwrap())).await;
            assert_eq!((one.status, &one.json()), (200, object));
        }
    }
}

#[tokio::test]
async fn a_transaction_embeds_its_whole_account_and_names_its_link_only_there() {
    let server = server().await;
    let accounts = get(&server, &format!("/api/accounts/?link={HISTORICAL_LINK}")).await.json();
    let page = get(&server, &format!("/api/transactions/?link={HISTORICAL_LINK}")).await.json();
    for transaction in page["results"].as_array().unwrap() {
        assert!(transaction.get("link").is_none());
        assert_eq!(transaction["account"]["link"], HISTORICAL_LINK);
        assert!(accounts["results"].as_array().unwrap().contains(&transaction["account"]));
    }
}

#[tokio::test]
async fn moments_vary_in_precision_and_notation_and_some_values_are_null() {
    let server = server().await;
    let link = server.control().create_link(NewLink { transactions: 1_000, ..NewLink::default() }).unwrap().link_id;
    let page = get(&server, &format!("/api/transactions/?link={link}&page_size=1000")).await.json();
    let transactions = page["results"].as_array().unwrap();
    let lengths: BTreeSet<usize> =
        transactions.iter().map(|transaction| transaction["created_at"].as_str().unwrap().len()).collect();
    // 19 of the seconds, a point, 3 to 6 digits, then Z or +00:00.
    assert_eq!(lengths, BTreeSet::from([24, 25, 26, 27, 29, 30, 31, 32]));
    for field in ["description", "accounting_date", "merchant", "category", "reference", "balance", "counterparty"] {
        let nulls = transactions.iter().filter(|transaction| transaction[field].is_null()).count();
        assert!(0 < nulls && nulls < 1000, "{field}: {nulls}");
    }
}

#[tokio::test]
async fn the_documented_link_has_the_documented_totals() {
    let server = server().await;
    let page = get(&server, &format!("/api/transactions/?link={HISTORICAL_LINK}")).await.json();
    let transactions = page["results"].as_array().unwrap();
    let dates: Vec<&str> = transactions.iter().map(|one| one["value_date"].as_str().unwrap()).collect();
    let inflows = transactions.iter().filter(|one| one["type"] == "INFLOW").count();
    assert_eq!((transactions.len(), inflows), (19, 10));
    assert_eq!((dates.iter().min(), dates.iter().max()), (Some(&"2023-01-03"), Some(&"2024-01-03")));
}

#[tokio::test]
async fn a_million_transactions_are_created_and_paged_quickly() {
    let server = server().await;
    let link = server.control().create_link(NewLink { transactions: 1_000_000, ..NewLink::default() }).unwrap().link_id;
    let last = get(&server, &format!("/api/transactions/?link={link}&page_size=1000&page=1000")).await;
    let page: Value = last.json();
    assert_eq!(page["count"], 1_000_000);
    assert_eq!(page["next"], Value::Null);
    assert_eq!(last.ids().len(), 1_000);
}
