//! Every resource of Belvo's: its list with its filters, its objects, its webhooks.

use std::collections::BTreeSet;

use fake_belvo::{Change, IdIn, NewLink, Selection, Server, Settings};
use serde_json::{Value, json};

use crate::support::{Receiver, all_ids, get, post, server};

/// The query parameters of each list: a path, then names. Source: Belvo's OpenAPI description of 2026-04-23; that of
/// November 2024 (1.176.0) for Colombia, which the later one leaves out.
const PARAMETERS: &str = include_str!("parameters.txt");

/// Webhook type, path, country of the institution.
const RESOURCES: [(&str, &str, &str); 22] = [
    ("OWNERS", "owners", "mx"),
    ("OWNERS", "owners", "br"),
    ("BILLS", "bills", "br"),
    ("INVESTMENTS", "br/investments", "br"),
    ("INVESTMENT_TRANSACTIONS", "br/investment-transactions", "br"),
    ("BALANCES", "br/balances", "br"),
    ("EXCHANGES", "br/exchanges", "br"),
    ("EMPLOYMENTS", "br/employments", "br"),
    ("EMPLOYMENTS", "co/employments", "co"),
    ("EMPLOYMENT_RECORDS", "employment-records", "mx"),
    ("EMPLOYMENT_METRICS", "employment-metrics", "mx"),
    ("CURRENT_EMPLOYMENTS", "mx/current-employments", "mx"),
    ("INCOMES", "incomes", "mx"),
    ("RECURRING_EXPENSES", "recurring-expenses", "mx"),
    ("RISK_INSIGHTS", "risk-insights", "mx"),
    ("INVOICES", "invoices", "mx"),
    ("INVOICES", "cl/invoices", "cl"),
    ("TAX_RETURNS", "tax-returns", "mx"),
    ("TAX_STATUS", "cl/tax-status", "cl"),
    ("TAX_COMPLIANCE_STATUS", "tax-compliance-status", "mx"),
    ("TAX_RETENTIONS", "tax-retentions", "mx"),
    ("FINANCIAL_STATEMENTS", "financial-statements", "mx"),
];

/// A link in a country with so many objects of one resource.
fn link(server: &Server, country: &str, webhook_type: &str, size: usize) -> String {
    let institution = match country {
        "br" => "ofmockbank_br_retail",
        "cl" => "tatooine_cl_fiscal",
        "co" => "planet_co_employment",
        _ => "erebor_mx_retail",
    };
    let new = NewLink {
        institution: Some(institution.into()),
        transactions: 0,
        resources: [(webhook_type.to_owned(), size)].into(),
        created_at: Some("2024-05-02T12:00:00Z".into()),
        ..NewLink::default()
    };
    server.control().create_link(new).unwrap().link_id
}

fn objects(server: &Server, link: &str, webhook_type: &str) -> Vec<Value> {
    let truth = server.control().truth(link, webhook_type).unwrap();
    truth.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

#[tokio::test]
async fn every_resource_is_listed_in_pages_and_found_by_id() {
    let server = server().await;
    for (webhook_type, path, country) in RESOURCES {
        let link = link(&server, country, webhook_type, 25);
        let truth = objects(&server, &link, webhook_type);
        let ids: Vec<_> = truth.iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 25, "{path}");
        assert_eq!(all_ids(&server, &format!("/api/{path}/?link={link}&page_size=10")).await, ids, "{path}");
        let page = get(&server, &format!("/api/{path}/?link={link}")).await.json();
        assert_eq!(page["results"], Value::Array(truth.clone()), "{path}");
        assert_eq!(get(&server, &format!("/api/{path}/{}/", ids[7])).await.json(), truth[7], "{path}");
        let stranger = format!("/api/{path}/0d3ffb69-f83b-456e-ad8e-208d0998d71d/");
        assert_eq!(get(&server, &stranger).await.error().0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_list_takes_the_parameters_of_its_schema_and_no_others() {
    let server = server().await;
    server.control().set_settings(Settings { id_in: IdIn::Refused, ..server.control().settings() });
    let lists: Vec<(&str, BTreeSet<&str>)> = PARAMETERS
        .lines()
        .map(|line| line.split_once(": ").map(|(path, names)| (path, names.split(' ').collect())).unwrap())
        .collect();
    let all: BTreeSet<&str> = lists.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    assert_eq!(lists.len(), 27);
    let refuses = async |path: &str, name: &str| get(&server, &format!("{path}?{name}=1")).await.is_html(403);
    for (path, names) in &lists {
        let taken = all.iter().copied().filter(|name| !names.contains(name));
        for refused in taken.chain(["limit", "x", "link__"]) {
            assert!(refuses(path, refused).await, "{path} {refused}");
        }
        for known in names {
            assert!(!refuses(path, known).await, "{path} {known}");
        }
    }
}

#[tokio::test]
async fn filters_choose_by_what_the_objects_hold() {
    let server = server().await;
    let bills = link(&server, "br", "BILLS", 40);
    let due: Vec<_> = objects(&server, &bills, "BILLS");
    let day = due.iter().filter_map(|bill| bill["due_date"].as_str()).nth(5).unwrap();
    let since = |bill: &&Value| bill["due_date"].as_str().is_some_and(|due| due >= day);
    let expected: Vec<_> = due.iter().filter(since).map(|bill| bill["id"].as_str().unwrap()).collect();
    assert!((2..40).contains(&expected.len()));
    assert_eq!(all_ids(&server, &format!("/api/bills/?link={bills}&due_date__gte={day}")).await, expected);

    let account = due[0]["account"]["id"].as_str().unwrap();
    let own = due.iter().filter(|bill| bill["account"]["id"] == account).count();
    assert_eq!(get(&server, &format!("/api/bills/?link={bills}&account={account}")).await.ids().len(), own);

    let invoices = link(&server, "mx", "INVOICES", 60);
    let path = format!("/api/invoices/?link={invoices}&type=INFLOW&invoice_date__range=2023-01-01,2023-12-31");
    let found = get(&server, &path).await.json()["results"].as_array().unwrap().clone();
    let fits = |invoice: &&Value| {
        invoice["type"] == "INFLOW" && invoice["invoice_date"].as_str().unwrap().starts_with("2023-")
    };
    assert!(!found.is_empty());
    assert_eq!(found.len(), objects(&server, &invoices, "INVOICES").iter().filter(fits).count());
    assert!(found.iter().all(|invoice| fits(&invoice)));

    let returns = link(&server, "mx", "TAX_RETURNS", 12);
    let found = get(&server, &format!("/api/tax-returns/?link={returns}&ejercicio__gte=2022")).await.json();
    let years = found["results"].as_array().unwrap().iter();
    let years: Vec<_> = years.map(|found| found["informacion_general"]["ejercicio"].as_str().unwrap()).collect();
    assert!(years.len() > 1 && years.len() < 12 && years.iter().all(|year| *year >= "2022"), "{years:?}");
}

#[tokio::test]
async fn fields_and_omit_work_where_the_schema_has_them() {
    let server = server().await;
    let link = link(&server, "mx", "TAX_STATUS", 1);
    let path = format!("/api/tax-status/?link={link}&omit=pdf,link");
    let status = get(&server, &path).await.json()["results"][0].clone();
    assert!(status.get("pdf").is_none() && status.get("link").is_none() && status["id"].is_string());
    let one = format!("/api/tax-status/{}/?fields=id", status["id"].as_str().unwrap());
    assert_eq!(get(&server, &one).await.json(), json!({"id": status["id"]}));
    assert!(get(&server, "/api/mx/current-employments/?omit=id").await.is_html(403));
}

#[tokio::test]
async fn the_same_seed_and_link_make_the_same_objects() {
    let (server, other) = (server().await, server().await);
    for (webhook_type, _, country) in RESOURCES {
        let (a, b) = (link(&server, country, webhook_type, 4), link(&other, country, webhook_type, 4));
        assert_eq!(a, b);
        assert_eq!(
            server.control().truth(&a, webhook_type).unwrap(),
            other.control().truth(&b, webhook_type).unwrap(),
            "{webhook_type}"
        );
    }
}

#[tokio::test]
async fn objects_carry_their_link_or_their_account_as_belvos_do() {
    let server = server().await;
    let expected = [
        ("OWNERS", "link"),
        ("BILLS", "account"),
        ("RECURRING_EXPENSES", "account"),
        ("INVESTMENTS", "neither"),
        ("TAX_COMPLIANCE_STATUS", "neither"),
    ];
    for (webhook_type, carries) in expected {
        let link = link(&server, "mx", webhook_type, 3);
        let accounts = objects(&server, &link, "ACCOUNTS");
        for object in objects(&server, &link, webhook_type) {
            match carries {
                "link" => assert_eq!(object["link"], link),
                "account" => assert!(accounts.contains(&object["account"]) && object.get("link").is_none()),
                _ => assert!(object.get("link").is_none() && object.get("account").is_none()),
            }
        }
    }
}

#[tokio::test]
async fn every_resource_can_change_and_every_change_shows() {
    let server = server().await;
    for (webhook_type, path, country) in RESOURCES {
        let link = link(&server, country, webhook_type, 8);
        let before = objects(&server, &link, webhook_type);
        let change = Change { add: 2, update: Selection::Count(4), delete: Selection::Count(1), ..Change::default() };
        let changed = server.control().change(&link, webhook_type, change).await.unwrap();
        let after = objects(&server, &link, webhook_type);
        assert_eq!(after.len(), 9, "{path}");
        let ids = |objects: &[Value]| -> BTreeSet<String> {
            objects.iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(changed.added.iter().cloned().collect::<BTreeSet<_>>(), &ids(&after) - &ids(&before), "{path}");
        assert_eq!(get(&server, &format!("/api/{path}/{}/", changed.deleted[0])).await.error().0, 404);
        let of = |objects: &[Value], id: &str| {
            let mut found = objects.iter().find(|object| object["id"] == id).unwrap().clone();
            found.as_object_mut().unwrap().retain(|name, _| !name.ends_with("ed_at") && name != "account");
            found
        };
        for id in &changed.updated {
            assert_ne!(of(&before, id), of(&after, id), "{path}: more than times and the account differ");
        }
        let kept = before.iter().map(|object| object["id"].as_str().unwrap().to_owned());
        for id in kept.filter(|id| !changed.updated.contains(id) && !changed.deleted.contains(id)) {
            assert_eq!(of(&before, &id), of(&after, &id), "{path}");
        }
    }
}

#[tokio::test]
async fn every_first_load_is_announced_as_documented() {
    let (server, receiver) = (server().await, Receiver::start(&[]).await);
    server.control().set_webhook(Some(receiver.url.clone()), None, None);
    let totals = [
        ("OWNERS", json!({"total_owners": 3})),
        ("BILLS", json!({"total_bills": 3})),
        ("INVESTMENTS", json!({"total_investments": 3})),
        ("EXCHANGES", json!({"total_exchanges": 3})),
        ("EMPLOYMENTS", json!({"total_employments": 3})),
        ("EMPLOYMENT_RECORDS", json!({"total_employment_record_profiles": 3})),
        ("EMPLOYMENT_METRICS", json!({"total_employment_metrics": 3})),
        ("CURRENT_EMPLOYMENTS", json!({"total_current_employments": 3})),
        ("RECURRING_EXPENSES", json!({"total_recurring_expenses": 3})),
        ("RISK_INSIGHTS", json!({"total_risk_insights": 3})),
        ("TAX_STATUS", json!({"total_tax_status": 3, "last_status_change_date": "2023-05-03"})),
        ("TAX_COMPLIANCE_STATUS", json!({"total_tax_compliance_status": 3})),
        ("FINANCIAL_STATEMENTS", json!({"new_financial_statements": 3})),
    ];
    for (webhook_type, data) in totals {
        let link = link(&server, "mx", webhook_type, 3);
        server.control().announce(&link, webhook_type, "historical_update", None).await.unwrap();
        let (_, webhook) = receiver.received().pop().unwrap();
        assert_eq!((&webhook["webhook_type"], &webhook["data"]), (&webhook_type.into(), &data));
        assert_eq!(webhook["process_type"], "historical_update");
    }
    let investments = link(&server, "br", "INVESTMENT_TRANSACTIONS", 40);
    let dated: Vec<_> = objects(&server, &investments, "INVESTMENT_TRANSACTIONS");
    let dated: Vec<_> = dated.iter().filter(|one| one["value_date"].is_string()).collect();
    let flows = |flow| dated.iter().filter(|one| one["type"] == flow).count();
    let days = || dated.iter().map(|one| one["value_date"].as_str().unwrap());
    server.control().announce(&investments, "INVESTMENT_TRANSACTIONS", "historical_update", None).await.unwrap();
    let expected = json!({
        "total_transactions": dated.len(),
        "total_inflow_transactions": flows("INFLOW"),
        "total_outflow_transactions": flows("OUTFLOW"),
        "first_transaction_date": days().min(),
        "last_transaction_date": days().max(),
    });
    assert_eq!(receiver.received().pop().unwrap().1["data"], expected);
    assert!(flows("INFLOW") > 5 && flows("OUTFLOW") > 5, "{expected}");
    let link = link(&server, "mx", "INCOMES", 1);
    let streams = objects(&server, &link, "INCOMES")[0]["income_streams"].as_array().unwrap().len();
    server.control().announce(&link, "INCOMES", "historical_update", None).await.unwrap();
    let data = receiver.received().pop().unwrap().1["data"].clone();
    assert_eq!(data, json!({"total_incomes": 1, "number_of_income_streams": streams}));
}

#[tokio::test]
async fn invoices_are_announced_by_direction_and_year_and_returns_by_period() {
    let (server, receiver) = (server().await, Receiver::start(&[]).await);
    server.control().set_webhook(Some(receiver.url.clone()), None, None);
    let settings = r#"{"load_delay_ms":1,"load_resources":{"INVOICES":80,"TAX_RETURNS":5}}"#;
    server.control().set_settings(Settings { ..serde_json::from_str(settings).unwrap() });
    let request = r#"{"institution":"tatooine_mx_fiscal","username":"u","password":"p","access_mode":"single",
        "fetch_resources":["INVOICES","TAX_RETURNS"]}"#;
    let link = post(&server, "/api/links/", request).await.json()["id"].as_str().unwrap().to_owned();
    let webhooks = receiver.wait_for(10).await;
    let invoices: Vec<_> =
        webhooks.iter().map(|(_, body)| body).filter(|body| body["webhook_type"] == "INVOICES").collect();
    let codes: Vec<_> = invoices.iter().map(|body| body["webhook_code"].as_str().unwrap()).collect();
    let historical = ["historical_inflow_update"; 3].into_iter().chain(["historical_outflow_update"; 3]);
    let expected: Vec<_> = ["initial_inflow_update", "initial_outflow_update"].into_iter().chain(historical).collect();
    assert_eq!(codes, expected);
    for webhook in invoices {
        let data = &webhook["data"];
        let direction = if webhook["webhook_code"].as_str().unwrap().contains("inflow") { "INFLOW" } else { "OUTFLOW" };
        let range =
            format!("{},{}", data["first_invoice_date"].as_str().unwrap(), data["last_invoice_date"].as_str().unwrap());
        let path = format!("/api/invoices/?link={link}&type={direction}&invoice_date__range={range}");
        assert_eq!(get(&server, &path).await.json()["count"], data["total_invoices"], "{webhook}");
        assert_eq!(webhook["process_type"], "historical_update");
    }
    let returns = webhooks.iter().map(|(_, body)| body).filter(|body| body["webhook_type"] == "TAX_RETURNS");
    let of: Vec<_> = returns.map(|body| (&body["data"]["type"], &body["data"]["total_tax_returns"])).collect();
    assert_eq!(of, [(&json!("yearly"), &json!(3)), (&json!("monthly"), &json!(2))]);
}

#[tokio::test]
async fn new_objects_are_announced_and_changed_ones_only_by_hand() {
    let (server, receiver) = (server().await, Receiver::start(&[]).await);
    server.control().set_webhook(Some(receiver.url.clone()), None, None);
    let change = || Change { add: 1, update: Selection::Count(1), ..Change::default() };
    let owners = link(&server, "mx", "OWNERS", 2);
    let changed = server.control().change(&owners, "owners", change()).await.unwrap();
    let records = link(&server, "mx", "EMPLOYMENT_RECORDS", 1);
    server.control().change(&records, "EMPLOYMENT_RECORDS", change()).await.unwrap();
    server.control().announce(&owners, "OWNERS", "owners_updated", None).await.unwrap();
    assert!(server.control().announce(&owners, "OWNERS", "owners_moved", None).await.is_err());
    let webhooks = receiver.received();
    let said: Vec<_> = webhooks.iter().map(|(_, body)| (&body["webhook_code"], &body["data"])).collect();
    let expected = [
        ("new_owners_available", json!({"new_owners": 1})),
        ("employment_changes", json!({"employment_changes": ["EMPLOYED", "SALARY_INCREASED"]})),
        ("owners_updated", json!({"count": 1, "updated_owners": changed.updated})),
    ];
    assert_eq!(said.len(), expected.len());
    for ((code, data), (expected_code, expected_data)) in said.into_iter().zip(expected) {
        assert_eq!((code, data), (&expected_code.into(), &expected_data));
    }
}

#[tokio::test]
async fn a_country_has_its_own_path() {
    let server = server().await;
    let chilean = link(&server, "cl", "INVOICES", 3);
    assert_eq!(get(&server, &format!("/api/cl/invoices/?link={chilean}")).await.json()["count"], 3);
    assert_eq!(get(&server, &format!("/api/invoices/?link={chilean}")).await.json()["count"], 0);
    let mexican = link(&server, "mx", "INVOICES", 2);
    assert_eq!(get(&server, &format!("/api/cl/invoices/?link={mexican}")).await.json()["count"], 0);
    assert_eq!(get(&server, &format!("/api/invoices/?link={mexican}")).await.json()["count"], 2);
    let colombian = link(&server, "co", "EMPLOYMENTS", 3);
    for employment in
        get(&server, &format!("/api/co/employments/?link={colombian}")).await.json()["results"].as_array().unwrap()
    {
        assert!(employment["employer_data"].is_object() && employment.get("occupations").is_none(), "{employment}");
    }
}

#[tokio::test]
async fn a_wild_link_serves_objects_that_are_hard_to_keep() {
    let server = server().await;
    let types =
        fake_belvo::shapes::webhook_types().filter(|name| !["ACCOUNTS", "TRANSACTIONS", "CONSENT"].contains(name));
    let new = NewLink {
        transactions: 30,
        accounts: 4,
        resources: types.map(|name| (name.to_owned(), 30)).collect(),
        wild: true,
        ..NewLink::default()
    };
    let link = server.control().create_link(new).unwrap().link_id;
    let accounts = objects(&server, &link, "ACCOUNTS");
    let (mut strange, mut absent) = (0, 0);
    for (webhook_type, path) in [("TRANSACTIONS", "transactions"), ("BILLS", "bills"), ("TAX_STATUS", "tax-status")] {
        let truth = server.control().truth(&link, webhook_type).unwrap();
        let page = get(&server, &format!("/api/{path}/?link={link}")).await.text;
        assert!(truth.iter().all(|object| page.contains(object.as_str())), "{webhook_type}: digit for digit");
        for text in &truth {
            let object: Value = serde_json::from_str(text).unwrap();
            assert!(object.get("account").is_none_or(|account| account.is_null() || accounts.contains(account)));
            strange += usize::from(text.contains("_0\":") || text.contains("A_VALUE_OF_TOMORROW"));
            absent += usize::from(object.get("transacted_at").or(object.get("bill_name")).is_none());
            let one = get(&server, &format!("/api/{path}/{}/", object["id"].as_str().unwrap())).await;
            assert_eq!(one.text, *text);
        }
    }
    assert!(strange > 10 && absent > 5, "{strange} {absent}");
    let inflows = get(&server, &format!("/api/transactions/?link={link}&type=INFLOW")).await.json();
    assert_eq!(inflows["count"], 15);
    let change = Change { update: Selection::Count(5), ..Change::default() };
    let changed = server.control().change(&link, "RISK_INSIGHTS", change).await.unwrap();
    assert_eq!(changed.updated.len(), 5);
}

#[tokio::test]
async fn documents_are_as_long_as_wanted() {
    let server = server().await;
    let new = NewLink {
        resources: [("TAX_STATUS".to_owned(), 12)].into(),
        file_bytes: 500_000,
        transactions: 0,
        ..NewLink::default()
    };
    let link = server.control().create_link(new).unwrap().link_id;
    let longest =
        objects(&server, &link, "TAX_STATUS").iter().filter_map(|one| one["pdf"].as_str().map(str::len)).max();
    assert!(longest.is_some_and(|length| (500_000..500_100).contains(&length)), "{longest:?}");
}
