//! What the types read out of Belvo's words, and what they give back.

use domain::{
    Day, Flow, LinkId, LinkStatus, ListingCounts, Message, ObjectId, Progress, RequestId, Resource, Source, Webhook,
    now,
};

fn webhook(json: &str) -> Webhook {
    Webhook::parse(json.as_bytes()).expect("a webhook")
}

fn messages(json: &str) -> Vec<Message> {
    Message::from_webhook(&webhook(json), json.as_bytes(), 7)
}

fn progress(relistings: usize) -> Progress {
    Progress {
        began_at: 1,
        token: 2,
        since: None,
        page: 1,
        count: None,
        digest: String::new(),
        relistings,
        found: ListingCounts::default(),
        legs: None,
        is_first_load: false,
        piece: None,
        compared_to: None,
        previous_row_sum: None,
    }
}

#[test]
fn a_request_id_is_written_without_dashes_in_lower_case() {
    assert_eq!(RequestId::parse("4363B08B-51eb").unwrap().as_str(), "4363b08b51eb");
}

#[test]
fn a_link_webhook_announces_one_of_two_failures() {
    let announced = ["invalid_credentials", "token_required", "link_deleted"].map(LinkStatus::from_webhook_code);
    assert_eq!(announced, [Some(LinkStatus::InvalidCredentials), Some(LinkStatus::TokenRequired), None]);
}

#[test]
fn a_link_ends_deleted_or_erased_and_recovers_from_failures_of_access() {
    let those =
        |is: fn(LinkStatus) -> bool| LinkStatus::ALL.into_iter().filter(|status| is(*status)).collect::<Vec<_>>();
    assert_eq!(those(LinkStatus::is_final), [LinkStatus::Deleted, LinkStatus::Erased]);
    let failures = [LinkStatus::InvalidCredentials, LinkStatus::TokenRequired, LinkStatus::Gone];
    assert_eq!(those(LinkStatus::may_recover), failures);
}

#[test]
fn a_flow_is_read_from_belvos_word() {
    assert_eq!(["INFLOW", "OUTFLOW", "inflow"].map(Flow::parse), [Some(Flow::Inflow), Some(Flow::Outflow), None]);
}

#[test]
fn the_last_country_in_an_institutions_name_counts() {
    let employments = Resource::of_webhook_type("EMPLOYMENTS").unwrap();
    assert_eq!(employments.at("co_br_employment").path, "/api/br/employments/");
    assert_eq!(employments.at("br_co_employment").path, "/api/co/employments/");
}

#[test]
fn the_envelope_of_a_webhook_is_read_up_to_256_bytes_a_member() {
    let text = "x".repeat(256);
    let json = format!(
        r#"{{"webhook_id":"w-1","webhook_type":"X","webhook_code":"y","link_id":"l-1","request_id":"r-1",
            "process_type":"{text}","data":{{"note":"CANARY"}}}}"#
    );
    let read = webhook(&json);
    assert_eq!((read.webhook_id().as_deref(), read.request_id()), (Some("w-1"), Some("r-1")));
    assert_eq!(read.process_type(), Some(text.clone()));
    assert_eq!(read.raw_data().unwrap().get(), r#"{"note":"CANARY"}"#);
    assert_eq!(webhook(&json.replace(&text, &(text.clone() + "x"))).process_type(), None);
    let debug = format!("{read:?}");
    assert!(debug.contains("l-1") && !debug.contains("CANARY"), "{debug}");
}

#[test]
fn only_a_message_of_belvos_has_the_time_of_a_webhook() {
    assert_eq!(messages(r#"{"webhook_type":"X","webhook_code":"y"}"#)[0].webhook_at(), Some(7));
    let link = LinkId::parse("l-1").unwrap();
    let resync = Message::internal(Source::Resync, &link, ("X", "y"), 7, "key".to_owned()).unwrap();
    assert_eq!(resync.webhook_at(), None);
}

#[test]
fn each_part_of_a_split_webhook_keeps_what_stands_beside_its_ids() {
    let ids: Vec<_> = (0..501).map(|n| format!("\"id-{n}\"")).collect();
    let json = format!(
        r#"{{"webhook_type":"X","webhook_code":"y","data":{{"deleted_x":[{}],"total_x":501}}}}"#,
        ids.join(",")
    );
    let lengths: Vec<_> = messages(&json)
        .iter()
        .map(|message| {
            let data = message.webhook.data();
            assert_eq!(data.get("total_x").unwrap().get(), "501");
            serde_json::from_str::<Vec<String>>(data.get("deleted_x").unwrap().get()).unwrap().len()
        })
        .collect();
    assert_eq!(lengths, [500, 1]);
}

#[test]
fn a_continuation_with_ids_does_not_go_on_with_the_listing() {
    let first = messages(r#"{"webhook_type":"X","webhook_code":"y"}"#).remove(0).listing_continuation(progress(0), 3);
    assert!(first.listing.is_some());
    let ids = [ObjectId::parse("a").unwrap()];
    assert!(first.ids_continuation("updated_", &ids, 4).listing.is_none());
}

#[test]
fn a_listing_that_began_anew_a_thousand_times_is_no_message_of_ours() {
    let first = messages(r#"{"webhook_type":"X","webhook_code":"y"}"#).remove(0);
    let decoded = |relistings| Message::decode(&first.listing_continuation(progress(relistings), 3).encode()).is_ok();
    assert_eq!((decoded(999), decoded(1_000)), (true, false));
}

#[test]
fn times_outside_the_calendar_fall_on_its_first_and_last_day() {
    assert_eq!(Day::of(i64::MIN).to_string(), "-009999-01-02");
    assert_eq!(Day::of(i64::MAX).to_string(), "9999-12-30");
    assert!(now() > 1_700_000_000_000);
}
