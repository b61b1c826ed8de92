//! What the firewall and the API refuse in the bodies of requests.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::support::{Answer, HISTORICAL_LINK, client, post, send, server};

/// What `POST` on a resource must and may have, as in Belvo's OpenAPI of 2026-04-23. Two bodies of one path differ in `type`.
const BODIES: &str = include_str!("bodies.txt");

struct Expected {
    path: &'static str,
    r#type: Option<&'static str>,
    required: BTreeSet<&'static str>,
    optional: BTreeSet<&'static str>,
}

fn expected() -> impl Iterator<Item = Expected> {
    BODIES.lines().map(|line| {
        let (place, members) = line.split_once(": ").unwrap();
        let (required, optional) = members.split_once(" | ").unwrap();
        let (path, r#type) = place.split_once(' ').map_or((place, None), |(path, name)| (path, Some(name)));
        let names = |text: &'static str| text.split(' ').collect();
        Expected { path, r#type, required: names(required), optional: names(optional) }
    })
}

impl Expected {
    /// A body that says no more than which of two it is.
    fn body(&self) -> Map<String, Value> {
        self.r#type.map(|name| ("type".to_owned(), name.into())).into_iter().collect()
    }
}

#[tokio::test]
async fn a_post_takes_the_members_of_its_page_and_no_others() {
    let server = server().await;
    let all: BTreeSet<&str> =
        expected().flat_map(|body| &body.required | &body.optional).chain(["x", "link_id"]).collect();
    for body in expected() {
        for name in &all {
            let mut sent = body.body();
            sent.insert((*name).to_owned(), sent.get(*name).cloned().unwrap_or(Value::Null));
            let refused = post(&server, body.path, &Value::Object(sent).to_string()).await.is_html(403);
            let known = body.required.contains(name) || body.optional.contains(name);
            assert_eq!(refused, !known, "{} {name}", body.path);
        }
    }
}

#[tokio::test]
async fn a_post_names_every_member_that_is_missing() {
    let server = server().await;
    for body in expected() {
        let answer = post(&server, body.path, &Value::Object(body.body()).to_string()).await;
        let errors = answer.json();
        let named: BTreeSet<&str> = errors.as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
        let mut missing = body.required.clone();
        missing.retain(|name| *name != "type" || body.r#type.is_none());
        assert_eq!((answer.status, named), (400, missing), "{}", body.path);
    }
}

#[tokio::test]
async fn a_member_of_another_type_is_400_invalid() {
    let server = server().await;
    for (name, value) in [("save_data", json!("true")), ("link", json!(7)), ("token", json!(["x"]))] {
        let mut body = json!({ "link": HISTORICAL_LINK });
        body[name] = value;
        let answer = post(&server, "/api/owners/", &body.to_string()).await;
        assert_eq!(answer.error(), (400, "invalid".into(), Some(name.into())));
    }
    assert_eq!(post(&server, "/api/owners/", "[]").await.error(), (400, "parse_error".into(), None));
}

#[tokio::test]
async fn a_post_takes_fields_and_omit_and_no_other_parameter() {
    let server = server().await;
    let body = json!({ "link": HISTORICAL_LINK }).to_string();
    let owners = post(&server, "/api/owners/?fields=id,link&omit=link", &body).await;
    let members = |owner: &Value| owner.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert!(owners.status == 201 && owners.json().as_array().unwrap().iter().all(|owner| members(owner) == ["id"]));
    for path in
        ["/api/owners/?link=1", "/api/mx/current-employments/?omit=id", "/api/links/?omit=id", "/api/token/?x=1"]
    {
        assert!(post(&server, path, "{}").await.is_html(403), "{path}");
    }
    for method in ["PUT", "PATCH", "DELETE"] {
        assert!(call(&server, method, &format!("/api/links/{HISTORICAL_LINK}/?omit=id"), "{}").await.is_html(403));
    }
}

#[tokio::test]
async fn bodies_about_links_hold_what_their_pages_name() {
    let server = server().await;
    let bank = json!({"institution": "erebor_mx_retail", "username": "u", "password": "p", "access_mode": "single",
        "credentials_storage": "nostore", "external_id": "e", "fetch_resources": ["OWNERS"], "stale_in": "90d"});
    assert_eq!(post(&server, "/api/links/", &bank.to_string()).await.status, 201);
    assert!(post(&server, "/api/links/", &with(&bank, "username2", "x")).await.is_html(403));
    assert!(post(&server, "/api/links/", &with(&bank, "refresh_rate", "6h")).await.is_html(403));

    let employment = json!({"institution": "planet_mx_employment", "username": "u", "username2": "x"});
    assert_eq!(post(&server, "/api/links/", &employment.to_string()).await.status, 201);
    assert!(post(&server, "/api/links/", &with(&employment, "password", "p")).await.is_html(403));

    let link = format!("/api/links/{HISTORICAL_LINK}/");
    for (method, path, body, status) in [
        ("PUT", &link, json!({"password": "p", "password2": "q", "token": "1"}), 200),
        ("PUT", &link, json!({"password": "p", "access_mode": "single"}), 403),
        ("PATCH", &link, json!({"access_mode": "single", "fetch_resources": ["OWNERS"], "stale_in": "9d"}), 200),
        ("PATCH", &link, json!({"password": "p"}), 403),
        ("POST", &format!("{link}refresh/"), json!({"fetch_resources": ["OWNERS"]}), 202),
        ("POST", &format!("{link}refresh/"), json!({"resources": ["OWNERS"]}), 403),
    ] {
        assert_eq!(call(&server, method, path, &body.to_string()).await.status, status, "{method} {path} {body}");
    }
}

const BRANDING: &str = r#"{"company_icon":"i","company_logo":"l","company_name":"n","company_terms_url":"t"}"#;
const OPEN_FINANCE: &str =
    "read_institutions,write_links,read_consents,write_consents,write_consent_callback,delete_consents";

fn branding() -> Value {
    serde_json::from_str(BRANDING).unwrap()
}

/// A right body for each widget, with its name.
fn tokens() -> [(&'static str, Value); 4] {
    let keys = json!({"id": "secret-id", "password": "secret-password"});
    let of = |members: Value| {
        let mut body = keys.clone();
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    let usual = "read_institutions,write_links";
    [
        ("plain", of(json!({"scopes": usual, "fetch_historical": true, "fetch_resources": ["ACCOUNTS"]}))),
        ("update", of(json!({"scopes": format!("{usual},read_links"), "link_id": HISTORICAL_LINK}))),
        (
            "hosted",
            of(json!({"scopes": usual, "fetch_resources": ["INVOICES"], "stale_in": "90d",
                "widget": {"branding": branding()}})),
        ),
        (
            "open finance",
            of(json!({"scopes": OPEN_FINANCE, "fetch_resources": ["BILLS"], "stale_in": "90d", "widget": {
                "openfinance_feature": "consent_link_creation", "branding": branding(),
                "callback_urls": {"success": "s", "exit": "e", "event": "v"},
                "consent": {"purpose": "p", "terms_and_conditions_url": "t", "permissions": ["REGISTER"],
                    "identification_info": [{"type": "CPF", "number": "0", "name": "n"}]},
            }})),
        ),
    ]
}

#[tokio::test]
async fn a_token_is_given_for_each_widget_and_every_member_is_required() {
    let server = server().await;
    for (name, body) in tokens() {
        let answer = post(&server, "/api/token/", &body.to_string()).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        for member in body.as_object().unwrap().keys().filter(|member| *member != "widget" && *member != "link_id") {
            let mut without = body.clone();
            without.as_object_mut().unwrap().remove(member);
            let answer = post(&server, "/api/token/", &without.to_string()).await;
            assert_eq!(answer.error(), (400, "required".into(), Some(member.clone())), "{name}");
        }
        for pointer in ["/widget/branding/company_icon", "/widget/callback_urls/event", "/widget/consent/purpose"] {
            let (parent, member) = pointer.rsplit_once('/').unwrap();
            let mut without = body.clone();
            let Some(Value::Object(parent)) = without.pointer_mut(parent) else { continue };
            parent.remove(member);
            let answer = post(&server, "/api/token/", &without.to_string()).await;
            assert_eq!(answer.error(), (400, "required".into(), Some(member.into())), "{name}");
        }
    }
}

#[tokio::test]
async fn a_token_is_refused_with_other_scopes_or_members() {
    let server = server().await;
    for (name, body) in tokens() {
        for scopes in
            ["x", "read_institutions", "write_links,read_institutions", "read_institutions,write_links,read_x"]
        {
            let answer = post(&server, "/api/token/", &with(&body, "scopes", scopes)).await;
            assert_eq!(answer.error(), (400, "invalid".into(), Some("scopes".into())), "{name} {scopes}");
        }
        for member in ["access_mode", "link", "institution", "widget_branding"] {
            assert!(post(&server, "/api/token/", &with(&body, member, "x")).await.is_html(403), "{name} {member}");
        }
        for pointer in ["/widget", "/widget/branding", "/widget/consent", "/widget/consent/identification_info/0"] {
            let mut odd = body.clone();
            let Some(Value::Object(object)) = odd.pointer_mut(pointer) else { continue };
            object.insert("odd".into(), 1.into());
            assert!(post(&server, "/api/token/", &odd.to_string()).await.is_html(403), "{name} {pointer}");
        }
    }
    for (name, body) in tokens() {
        for member in ["external_id", "credentials_storage", "fetch_historical"] {
            let value = if member == "fetch_historical" { json!(true) } else { json!("365d") };
            let mut more = body.clone();
            more[member] = value;
            let is_refused = post(&server, "/api/token/", &more.to_string()).await.is_html(403);
            assert_eq!(
                is_refused,
                name == "update" || (name, member) == ("open finance", "credentials_storage"),
                "{name} {member}"
            );
        }
    }
}

fn with(body: &Value, name: &str, value: &str) -> String {
    let mut body = body.clone();
    body[name] = value.into();
    body.to_string()
}

async fn call(server: &fake_belvo::Server, method: &str, path: &str, body: &str) -> Answer {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = client().request(method, format!("{}{path}", server.base_url()));
    send(request.basic_auth("secret-id", Some("secret-password")).body(body.to_owned())).await
}
