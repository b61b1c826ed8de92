//! Lists over HTTP: pages, filters, projections.

use std::collections::BTreeSet;

use crate::support::{HISTORICAL_LINK, UPDATED_LINK, all_ids, get, server};
use fake_belvo::{Change, IdIn, NewLink, Order, Selection, Server, Settings, UnknownLink};

fn set(server: &Server, change: impl FnOnce(&mut Settings)) {
    let mut settings = server.control().settings();
    change(&mut settings);
    server.control().set_settings(settings);
}

fn new_link(transactions: usize) -> NewLink {
    NewLink { transactions, ..NewLink::default() }
}

#[tokio::test]
async fn following_next_yields_every_transaction_once() {
    let server = server().await;
    let link = server.control().create_link(new_link(2_500)).unwrap().link_id;

    let first = get(&server, &format!("/api/transactions/?link={link}&page_size=1000")).await.json();
    assert_eq!(first["count"], 2500);
    assert_eq!(first["previous"], serde_json::Value::Null);
    let next = format!("{}/api/transactions/?link={link}&page_size=1000&page=2", server.base_url());
    assert_eq!(first["next"], next.as_str());

    let second = get(&server, &next).await.json();
    assert_eq!(second["results"].as_array().unwrap().len(), 1000);
    let previous = format!("{}/api/transactions/?link={link}&page_size=1000", server.base_url());
    assert_eq!(second["previous"], previous.as_str());

    let ids = all_ids(&server, &format!("/api/transactions/?link={link}&page_size=1000")).await;
    assert_eq!(ids.len(), 2500);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 2500);
}

#[tokio::test]
async fn page_size_defaults_to_100_and_is_clamped_to_1000() {
    let server = server().await;
    let link = server.control().create_link(new_link(1_001)).unwrap().link_id;
    for (query, expected) in [("", 100), ("&page_size=5000", 1000), ("&page_size=0", 1), ("&page_size=-3", 1)] {
        let page = get(&server, &format!("/api/transactions/?link={link}{query}")).await;
        assert_eq!(page.ids().len(), expected, "{query}");
    }
}

#[tokio::test]
async fn a_page_past_the_end_is_404_but_the_first_page_of_nothing_is_not() {
    let server = server().await;
    let empty = server.control().create_link(new_link(0)).unwrap().link_id;
    let page = get(&server, &format!("/api/transactions/?link={empty}&page=1")).await;
    assert_eq!((page.status, page.json()["count"].as_u64()), (200, Some(0)));

    for path in [
        format!("/api/transactions/?link={empty}&page=2"),
        format!("/api/transactions/?link={HISTORICAL_LINK}&page=2"),
        format!("/api/transactions/?link={HISTORICAL_LINK}&page_size=19&page=2"),
        format!("/api/transactions/?link={HISTORICAL_LINK}&page=0"),
    ] {
        let answer = get(&server, &path).await;
        assert_eq!(answer.error(), (404, "not_found".into(), None), "{path}");
        assert_eq!(answer.json()[0]["message"], "Invalid page.");
    }
}

#[tokio::test]
async fn an_unknown_link_is_a_400_an_empty_list_or_a_404_as_the_setting_says() {
    let server = server().await;
    let path = "/api/transactions/?link=2f5d361d-dad6-45d4-a0bf-26d479766067";
    assert_eq!(get(&server, path).await.error(), (400, "does_not_exist".into(), Some("link".into())));

    set(&server, |settings| settings.unknown_link = UnknownLink::Empty);
    let answer = get(&server, path).await;
    assert_eq!((answer.status, answer.ids().len()), (200, 0));

    set(&server, |settings| settings.unknown_link = UnknownLink::NotFound);
    assert_eq!(get(&server, path).await.error(), (404, "not_found".into(), None));
}

#[tokio::test]
async fn lists_are_ordered_by_id_so_that_a_new_object_moves_rows_of_pages_that_were_read() {
    let server = server().await;
    let link = server.control().create_link(new_link(150)).unwrap().link_id;
    let change = Change { add: 50, announce: false, ..Change::default() };
    for path in [
        format!("/api/transactions/?link={link}"),
        format!("/api/transactions/?link={UPDATED_LINK}"),
        format!("/api/transactions/?link={link}&type=INFLOW"),
        "/api/accounts/?page_size=3".to_owned(),
        "/api/links/?page_size=1".to_owned(),
    ] {
        let ids = all_ids(&server, &path).await;
        assert!(ids.len() > 2 && ids.is_sorted(), "{path}: {ids:?}");
    }
    let first = get(&server, &format!("/api/transactions/?link={link}")).await.ids();
    server.control().change(&link, "transactions", change).await.unwrap();
    let after = all_ids(&server, &format!("/api/transactions/?link={link}")).await;
    assert!(after.len() == 200 && after.is_sorted());
    assert_ne!(after[..100], first);
}

#[tokio::test]
async fn with_the_order_of_creation_new_objects_land_at_the_end_of_the_list() {
    let server = server().await;
    set(&server, |settings| settings.order = Order::Creation);
    let link = server.control().create_link(new_link(150)).unwrap().link_id;
    let path = format!("/api/transactions/?link={link}");
    let before = all_ids(&server, &path).await;
    let change = Change { add: 7, announce: false, ..Change::default() };
    let changed = server.control().change(&link, "transactions", change).await.unwrap();
    let after = all_ids(&server, &path).await;
    assert_eq!(after, [before, changed.added].concat());
}

#[tokio::test]
async fn a_cap_makes_pages_smaller_than_asked_for_and_says_so_nowhere() {
    let server = server().await;
    let link = server.control().create_link(new_link(450)).unwrap().link_id;
    let path = format!("/api/transactions/?link={link}&page_size=1000");
    let whole = get(&server, &path).await.ids();
    set(&server, |settings| settings.page_size_cap = 100);
    let first = get(&server, &path).await;
    assert_eq!((first.json()["count"].as_u64(), first.ids()), (Some(450), whole[..100].to_vec()));
    assert_eq!(first.json()["next"], format!("{}{path}&page=2", server.base_url()));
    assert_eq!(all_ids(&server, &path).await, whole);
    let last = get(&server, &format!("{path}&page=5")).await;
    assert_eq!((last.json()["next"].as_str(), last.ids()), (None, whole[400..].to_vec()));
    assert_eq!(get(&server, &format!("{path}&page=6")).await.status, 404);
    assert_eq!(get(&server, &format!("/api/transactions/?link={link}&page_size=40")).await.ids(), whole[..40]);
}

#[tokio::test]
async fn a_deletion_moves_everything_behind_it_forward() {
    let server = server().await;
    let link = server.control().create_link(new_link(30)).unwrap().link_id;
    let path = format!("/api/transactions/?link={link}&page_size=10");
    let before = all_ids(&server, &path).await;
    let delete = Selection::Ids(vec![before[3].clone()]);
    server
        .control()
        .change(&link, "transactions", Change { delete, announce: false, ..Change::default() })
        .await
        .unwrap();
    let second = get(&server, &format!("{path}&page=2")).await;
    assert_eq!(second.json()["count"], 29);
    assert_eq!(second.ids(), before[11..21]);
}

#[tokio::test]
async fn filters_narrow_the_documented_link_as_documented() {
    let server = server().await;
    let count = async |filters: &str| {
        let answer = get(&server, &format!("/api/transactions/?link={HISTORICAL_LINK}&{filters}")).await;
        answer.json()["count"].as_u64().unwrap_or_else(|| panic!("{filters}: {}", answer.text))
    };
    assert_eq!(count("type=INFLOW").await, 10);
    assert_eq!(count("type=OUTFLOW").await, 9);
    assert_eq!(count("type__in=INFLOW,OUTFLOW").await, 19);
    assert_eq!(count("value_date__range=2023-01-03,2024-01-03").await, 19);
    assert_eq!(count("type=INFLOW&value_date__range=2023-01-03,2024-01-03").await, 10);
    assert_eq!(count("value_date=2024-01-03").await, 1);
    assert_eq!(count("value_date__gt=2024-01-03").await, 0);
    assert_eq!(count("value_date__lt=2023-01-04").await, 1);
    assert_eq!(count("currency=MXN").await, 19);
    assert_eq!(count("currency=BRL").await, 0);
    assert_eq!(count("amount__gte=0.01").await, 19);
    assert_eq!(count("status__in=PENDING,PROCESSED").await, 19);
    assert_eq!(count("created_at=2024-01-03").await, 19);
    assert_eq!(count("collected_at__gte=2024-01-03T18:00:00Z").await, 19);
    assert_eq!(count(&format!("link__in={UPDATED_LINK}")).await, 0);
}

#[tokio::test]
async fn the_last_day_of_a_created_at_range_is_lost() {
    let server = server().await;
    let created_at = Some("2024-05-02T12:00:00Z".to_owned());
    let link =
        server.control().create_link(NewLink { created_at, transactions: 5, ..NewLink::default() }).unwrap().link_id;
    for (filter, expected) in [
        ("created_at__range=2024-05-01,2024-05-02", 0),
        ("created_at__lte=2024-05-02", 0),
        ("created_at__range=2024-05-01,2024-05-03", 5),
        ("created_at__gte=2024-05-02", 5),
        ("created_at__gte=2024-05-03", 0),
        ("created_at=2024-05-02", 5),
    ] {
        let answer = get(&server, &format!("/api/transactions/?link={link}&{filter}")).await;
        assert_eq!(answer.json()["count"], expected, "{filter}");
    }
}

#[tokio::test]
async fn transactions_are_filtered_by_account() {
    let server = server().await;
    let accounts = get(&server, &format!("/api/accounts/?link={HISTORICAL_LINK}")).await.ids();
    assert_eq!(accounts.len(), 5);
    let mut total = 0;
    for account in &accounts {
        let page = get(&server, &format!("/api/transactions/?link={HISTORICAL_LINK}&account={account}")).await.json();
        for transaction in page["results"].as_array().unwrap() {
            assert_eq!(transaction["account"]["id"], account.as_str());
        }
        total += page["count"].as_u64().unwrap();
    }
    assert_eq!(total, 19);
}

#[tokio::test]
async fn fields_and_omit_work_on_the_first_level() {
    let server = server().await;
    let base = format!("/api/transactions/?link={HISTORICAL_LINK}&page_size=1");
    let only = get(&server, &format!("{base}&fields=id,amount")).await.json();
    let mut keys: Vec<&String> = only["results"][0].as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["amount", "id"]);

    let without = get(&server, &format!("{base}&omit=id,balance")).await.json();
    let transaction = without["results"][0].as_object().unwrap();
    assert!(!transaction.contains_key("id") && !transaction.contains_key("balance"));
    assert!(transaction["account"]["id"].is_string() && transaction["account"]["balance"].is_object());
}

#[tokio::test]
async fn id_in_on_transactions_does_what_the_setting_says() {
    let server = server().await;
    let wanted = "0452ae0d-ax2f-4093-888c-bb2ae826xa0b,7d0afe4c-373d-490c-90e4-06xx4cdd4a17,unknown";
    let path = format!("/api/transactions/?link={UPDATED_LINK}&id__in={wanted}");
    let set = |id_in| {
        server.control().set_settings(Settings { id_in, ..server.control().settings() });
    };

    assert_eq!(get(&server, &path).await.ids(), wanted.split(',').take(2).collect::<Vec<_>>());
    set(IdIn::Refused);
    assert!(get(&server, &path).await.is_html(403));
    set(IdIn::BadRequest);
    assert_eq!(get(&server, &path).await.error(), (400, "invalid".into(), Some("id__in".into())));
    set(IdIn::Ignored);
    assert_eq!(get(&server, &path).await.ids().len(), 5);
    set(IdIn::Refused);
    let accounts = get(&server, &format!("/api/accounts/?id__in=unknown&link={UPDATED_LINK}")).await;
    assert_eq!((accounts.status, accounts.ids().len()), (200, 0), "the schema of accounts has id__in");
}

#[tokio::test]
async fn accounts_of_all_links_are_listed_without_a_link() {
    let server = server().await;
    assert_eq!(all_ids(&server, "/api/accounts/?page_size=3").await.len(), 7);
    let links = format!("/api/accounts/?link__in={HISTORICAL_LINK},{UPDATED_LINK}&category=CHECKING_ACCOUNT");
    assert_eq!(get(&server, &links).await.json()["count"], 2);
}

#[tokio::test]
async fn institutions_are_listed_and_filtered() {
    let server = server().await;
    let all = get(&server, "/api/institutions/").await.json();
    assert_eq!(all["count"].as_u64(), Some(all["results"].as_array().unwrap().len() as u64));
    let brazilian = get(&server, "/api/institutions/?country_code=BR&resources__allin=ACCOUNTS,BILLS").await.json();
    assert_eq!(brazilian["count"], 2);
    let one = get(&server, &format!("/api/institutions/{}/", brazilian["results"][0]["id"])).await.json();
    assert_eq!(one, brazilian["results"][0]);
}
