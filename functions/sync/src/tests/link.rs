//! What becomes of links: their status, their consent, their end.

use std::time::Duration;

use domain::{Day, LinkId, LinkStatus, Message, Source, now};
use fake_belvo::NewLink;

use super::world::{Item, LINK, World, message, message_of, number, sqs, text};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

async fn link(world: &World) -> Item {
    world.item(&format!("LINK#{LINK}"), "LINK").await
}

/// The link's status, and what its user has to do.
async fn status(world: &World) -> (String, String) {
    let link = link(world).await;
    (text(&link, "status").to_owned(), text(&link, "action").to_owned())
}

fn is(status: &str, action: &str) -> (String, String) {
    (status.to_owned(), action.to_owned())
}

fn active() -> (String, String) {
    is("active", "(absent)")
}

/// Delivers a message that does not come back.
async fn deliver(world: &World, message: &Message) {
    assert_eq!(world.deliver(&[sqs(message, 1)]).await, [""; 0]);
}

fn link_requests(world: &World) -> usize {
    world.requests(&format!("/api/links/{LINK}/")).len()
}

async fn delete_link(world: &World) -> Message {
    world.belvo.control().delete_link(LINK).unwrap();
    world.succeed("LINK", "link_deleted", r#"{"reason":"asked for by the user"}"#).await
}

#[tokio::test]
async fn a_links_status_is_read_back_and_outweighs_what_its_webhook_says_unless_the_link_is_called_valid() {
    let world = World::with_transactions(0).await;
    for (at_belvo, code, expected) in [
        ("invalid", "invalid_credentials", is("invalid_credentials", "update_credentials")),
        ("token_required", "token_required", is("token_required", "give_token")),
        ("unconfirmed", "invalid_credentials", is("invalid_credentials", "update_credentials")),
        ("valid", "invalid_credentials", is("invalid_credentials", "update_credentials")),
        ("valid", "token_required", is("token_required", "give_token")),
        ("token_required", "invalid_credentials", is("token_required", "give_token")),
    ] {
        world.belvo.control().set_status(LINK, at_belvo).unwrap();
        let message = world.succeed("LINK", code, r#"{"error_code":"login_error","status":400}"#).await;
        assert_eq!(status(&world).await, expected, "{at_belvo}, {code}");
        assert_eq!(text(&world.event(&message).await, "outcome"), "applied");
    }
    assert_eq!(text(&link(&world).await, "institution"), "erebor_mx_retail");
}

#[tokio::test]
async fn that_belvo_gives_what_it_has_stored_does_not_make_a_link_usable_again() {
    let world = World::with_transactions(3).await;
    world.belvo.control().set_status(LINK, "invalid").unwrap();
    world.succeed("LINK", "invalid_credentials", "{}").await;
    world.list_transactions().await;
    world.assert_converged("TRANSACTIONS").await;
    assert_eq!(status(&world).await, is("invalid_credentials", "update_credentials"));
    world.belvo.control().set_status(LINK, "valid").unwrap();
    world.list_transactions().await;
    assert_eq!(status(&world).await, active());
}

#[tokio::test]
async fn an_announced_failure_is_shown_until_data_comes_that_was_announced_later() {
    for (code, shown) in [
        ("invalid_credentials", is("invalid_credentials", "update_credentials")),
        ("token_required", is("token_required", "give_token")),
    ] {
        let world = World::with_transactions(3).await;
        let failed_at = now();
        deliver(&world, &message("LINK", code, "{}", failed_at)).await;
        assert_eq!(status(&world).await, shown, "Belvo still calls the link valid");
        let before = message("TRANSACTIONS", "historical_update", "{}", failed_at);
        deliver(&world, &before).await;
        let id = LinkId::parse(LINK).unwrap();
        for source in [Source::Resync, Source::Reconcile] {
            let listing = Message::listing_of(source, &id, "TRANSACTIONS", now(), source.as_str().to_owned()).unwrap();
            deliver(&world, &listing).await;
        }
        deliver(&world, &message("TRANSACTIONS", "transactions_updated", r#"{"updated_transactions":["t"]}"#, now()))
            .await;
        assert_eq!(status(&world).await, shown, "none of it is news of the institution");
        world.list_transactions().await;
        assert_eq!(status(&world).await, active());
        let link = link(&world).await;
        assert_eq!(
            (text(&link, "announced_status"), number(&link, "announced_at") > Some(failed_at)),
            ("(absent)", true)
        );
    }
}

#[tokio::test]
async fn an_announced_failure_ends_with_belvos_own_word() {
    let world = World::with_transactions(3).await;
    world.succeed("LINK", "token_required", "{}").await;
    assert_eq!(text(&link(&world).await, "announced_status"), "token_required");
    for (at_belvo, expected) in [("invalid", is("invalid_credentials", "update_credentials")), ("valid", active())] {
        world.belvo.control().set_status(LINK, at_belvo).unwrap();
        world.succeed("ACCOUNTS", "new_accounts_available", "{}").await;
        assert_eq!(status(&world).await, expected);
        assert_eq!(text(&link(&world).await, "announced_status"), "(absent)");
    }
}

#[tokio::test]
async fn a_failure_that_was_announced_before_later_data_is_not_shown_again() {
    let world = World::with_transactions(3).await;
    let failed_at = now();
    let [first, second] = [failed_at, failed_at + 1].map(|at| message("LINK", "invalid_credentials", "{}", at));
    deliver(&world, &first).await;
    deliver(&world, &message("TRANSACTIONS", "historical_update", "{}", failed_at + 2)).await;
    deliver(&world, &second).await;
    deliver(&world, &first).await;
    assert_eq!(status(&world).await, active());
    deliver(&world, &message("LINK", "invalid_credentials", "{}", failed_at + 3)).await;
    assert_eq!(status(&world).await, is("invalid_credentials", "update_credentials"));
}

#[tokio::test]
async fn a_failure_that_was_announced_before_belvos_last_access_is_over() {
    let world = World::with_transactions(3).await;
    deliver(&world, &message("LINK", "invalid_credentials", "{}", 1_000)).await;
    assert_eq!(status(&world).await, active(), "a redrive: Belvo has had access since");
}

#[tokio::test]
async fn an_announced_failure_stands_behind_an_expired_consent() {
    let world = World::with_transactions(3).await;
    let at = now();
    deliver(&world, &message("LINK", "invalid_credentials", "{}", at)).await;
    deliver(&world, &message("CONSENT", "openfinance_consent_expired", "{}", at)).await;
    assert_eq!(status(&world).await, is("consent_expired", "renew_consent"));
    deliver(&world, &message("CONSENT", "openfinance_consent_expiration_changed", "{}", at + 1)).await;
    assert_eq!(status(&world).await, is("invalid_credentials", "update_credentials"));
    let data = message("TRANSACTIONS", "historical_update", "{}", at + 2);
    deliver(&world, &data).await;
    assert_eq!(status(&world).await, active());
}

#[tokio::test]
async fn a_link_without_troubles_is_not_asked_for() {
    let world = World::with_transactions(3).await;
    world.list_transactions().await;
    world.succeed("ACCOUNTS", "historical_update", "{}").await;
    assert_eq!(link_requests(&world), 1, "whose link it is, and never again");
}

#[tokio::test]
async fn a_consent_that_ends_soon_is_shown_until_its_day_has_passed_and_data_still_comes() {
    let world = World::with_transactions(3).await;
    let due = Day::of(now() + 2 * DAY_MS);
    let data = format!(r#"{{"consent_id":"c","consent_due_date":"{due}","action":"renew"}}"#);
    world.succeed("CONSENT", "openfinance_consent_about_to_expire", &data).await;
    assert_eq!(status(&world).await, is("consent_expiring", "renew_consent"));
    assert_eq!(text(&link(&world).await, "consent_due_date"), due.to_string());
    world.succeed("LINK", "invalid_credentials", "{}").await;
    world.list_transactions().await;
    assert_eq!(status(&world).await, is("consent_expiring", "renew_consent"), "neither says anything of the consent");
    deliver(&world, &message("TRANSACTIONS", "historical_update", "{}", now() + 3 * DAY_MS)).await;
    assert_eq!(status(&world).await, active());
    let link = link(&world).await;
    assert_eq!((text(&link, "consent"), text(&link, "consent_due_date")), ("(absent)", "(absent)"));
}

#[tokio::test]
async fn an_expired_consent_is_over_when_news_come_that_were_announced_later() {
    for code in ["openfinance_consent_expired", "consent_expired"] {
        let world = World::with_transactions(3).await;
        let expired_at = now() - 10_000;
        deliver(&world, &message("CONSENT", code, r#"{"action":"renew"}"#, expired_at)).await;
        deliver(&world, &message("TRANSACTIONS", "historical_update", "{}", expired_at - 1)).await;
        assert_eq!(status(&world).await, is("consent_expired", "renew_consent"), "announced before it expired");
        world.list_transactions().await;
        assert_eq!(status(&world).await, active());
    }
}

#[tokio::test]
async fn of_consent_webhooks_the_one_that_was_received_last_counts() {
    let world = World::with_transactions(0).await;
    let earlier = message("CONSENT", "openfinance_consent_about_to_expire", "{}", now() - 5_000);
    world.succeed("CONSENT", "openfinance_consent_expired", "{}").await;
    deliver(&world, &earlier).await;
    assert_eq!(status(&world).await, is("consent_expired", "renew_consent"));
    assert_eq!(text(&world.event(&earlier).await, "outcome"), "covered");
}

#[tokio::test]
async fn a_consent_that_ends_on_another_day_is_no_reason_to_act() {
    let world = World::with_transactions(0).await;
    world.succeed("CONSENT", "openfinance_consent_expired", "{}").await;
    world.belvo.control().set_status(LINK, "token_required").unwrap();
    world.succeed("CONSENT", "openfinance_consent_expiration_changed", "{}").await;
    assert_eq!(status(&world).await, is("token_required", "give_token"), "what the link needs besides is asked for");
}

#[tokio::test]
async fn an_expired_consent_is_not_hidden_by_a_refused_login() {
    let world = World::with_transactions(3).await;
    world.succeed("CONSENT", "openfinance_consent_expired", "{}").await;
    world.breaks(
        r#"[{"match":{"path_prefix":"/api/transactions/"},"fault":{"error":{"status":400,"code":"login_error"}}}]"#,
    );
    world.list_transactions().await;
    assert_eq!(status(&world).await, is("consent_expired", "renew_consent"));
}

#[tokio::test]
async fn consent_webhooks_that_ask_for_nothing_are_recorded_with_what_they_mean() {
    let world = World::with_transactions(0).await;
    for (what, meaning) in [("unrecoverable", "new one"), ("temporarily_unavailable", "nothing to do")] {
        let message = world.succeed("CONSENT", &format!("openfinance_consent_with_{what}_resources"), "{}").await;
        let event = world.event(&message).await;
        assert_eq!(text(&event, "outcome"), "recorded");
        assert!(text(&event, "reason").contains(meaning), "{}", text(&event, "reason"));
    }
}

#[tokio::test]
async fn of_a_deleted_link_nothing_is_left_but_its_receipt_and_empty_events() {
    let world = World::with_transactions(30).await;
    let listed = world.list_transactions().await;
    world.succeed("ACCOUNTS", "historical_update", r#"{"total_accounts":3}"#).await;
    world.succeed("LINK", "token_required", "{}").await;
    let deleted = delete_link(&world).await;
    assert!(world.records("TRANSACTIONS").await.is_empty() && world.records("ACCOUNTS").await.is_empty());
    assert!(world.state("TRANSACTIONS").await.is_empty() && world.state("ACCOUNTS").await.is_empty());
    let link = link(&world).await;
    assert_eq!((text(&link, "status"), number(&link, "purged_records")), ("deleted", Some(33)));
    assert_eq!((number(&link, "purged_sync_states"), number(&link, "purged_events")), (Some(2), Some(4)));
    assert!(number(&link, "purged_at").is_some());
    for forgotten in ["external_id", "gsi1pk", "gsi1sk", "institution", "action", "announced_status", "announced_at"] {
        assert!(!link.contains_key(forgotten), "{forgotten}");
    }
    for message in [listed, deleted] {
        let event = world.event(&message).await;
        assert_eq!(text(&event, "outcome"), "applied");
        assert!(!event.contains_key("data"));
    }
}

#[tokio::test]
async fn nothing_is_stored_for_a_deleted_link_again() {
    let world = World::with_transactions(5).await;
    let before = message("TRANSACTIONS", "historical_update", r#"{"total_transactions":5}"#, now() - 1_000);
    world.list_transactions().await;
    delete_link(&world).await;
    world.belvo.control().clear_requests();
    for message in [before, message("LINK", "invalid_credentials", r#"{"note":1}"#, now() + 1)] {
        deliver(&world, &message).await;
        let event = world.event(&message).await;
        assert_eq!((text(&event, "outcome"), text(&event, "reason")), ("refused", "the link was deleted"));
        assert!(!event.contains_key("data"));
    }
    assert_eq!(world.belvo.control().requests().total, 0);
    assert_eq!(status(&world).await, is("deleted", "(absent)"));
    assert!(world.records("TRANSACTIONS").await.is_empty() && world.state("TRANSACTIONS").await.is_empty());
}

#[tokio::test]
async fn a_large_link_is_purged_in_several_messages() {
    let mut world = World::with_transactions(900).await;
    world.list_transactions().await;
    world.worker.budgets.pages = Duration::ZERO;
    let message = delete_link(&world).await;
    assert_eq!(text(&world.event(&message).await, "outcome"), "continued");
    let first = link(&world).await;
    assert_eq!((text(&first, "status"), number(&first, "purged_at")), ("deleted", None));
    assert!(number(&first, "purged_records").unwrap() < 903);
    assert!(world.deliver_continuations().await >= 4);
    let last = link(&world).await;
    assert_eq!((number(&last, "purged_records"), number(&last, "purged_sync_states")), (Some(903), Some(1)));
    assert!(number(&last, "purged_at").is_some() && world.records("TRANSACTIONS").await.is_empty());
}

#[tokio::test]
async fn a_purge_that_was_broken_off_is_gone_on_with_though_belvo_cannot_be_asked() {
    let world = World::with_transactions(5).await;
    world.list_transactions().await;
    let id = LinkId::parse(LINK).unwrap();
    world.worker.table.begin_purge(&id, LinkStatus::Deleted, now()).await.unwrap();
    world.breaks(r#"[{"fault":{"status":500}}]"#);
    world.succeed("LINK", "link_deleted", "{}").await;
    assert!(world.records("TRANSACTIONS").await.is_empty());
    assert!(number(&link(&world).await, "purged_at").is_some());
}

#[tokio::test]
async fn a_link_that_belvo_still_has_is_not_purged_whoever_says_that_it_was_deleted() {
    let world = World::with_transactions(5).await;
    world.list_transactions().await;
    let message = message("LINK", "link_deleted", "{}", now());
    for attempt in 1..=3 {
        assert_eq!(world.deliver(&[sqs(&message, attempt)]).await.len(), 1, "Belvo's reads may lag");
    }
    assert!(world.deliver(&[sqs(&message, 4)]).await.is_empty());
    let event = world.event(&message).await;
    assert_eq!((text(&event, "outcome"), text(&event, "reason")), ("refused", "Belvo still has the link"));
    world.assert_converged("TRANSACTIONS").await;
    assert_eq!(status(&world).await, active());
}

#[tokio::test]
async fn without_belvos_own_word_a_link_is_not_purged() {
    for fault in
        [r#"{"status":401}"#, r#"{"error":{"status":404,"code":"other"}}"#, r#"{"status":500}"#, r#""garbage""#]
    {
        let world = World::with_transactions(5).await;
        world.list_transactions().await;
        world.breaks(&format!(r#"[{{"match":{{"path_prefix":"/api/links/"}},"fault":{fault}}}]"#));
        let message = message("LINK", "link_deleted", "{}", now());
        let failed = world.deliver(&[sqs(&message, 9)]).await;
        assert_eq!(world.records("TRANSACTIONS").await.len(), 5, "{fault}");
        assert_eq!(status(&world).await, active(), "{fault}");
        let outcome = text(&world.event(&message).await, "outcome").to_owned();
        assert!(failed.len() == 1 || outcome == "refused", "{fault}: {outcome}");
    }
}

#[tokio::test]
async fn what_was_deleted_can_be_erased_and_what_was_erased_stays_so() {
    let world = World::with_transactions(1).await;
    world.list_transactions().await;
    delete_link(&world).await;
    let id = LinkId::parse(LINK).unwrap();
    world.worker.table.begin_purge(&id, LinkStatus::Erased, now()).await.unwrap();
    let again = world.succeed("LINK", "link_deleted", "{}").await;
    assert_eq!(text(&world.event(&again).await, "reason"), "the link was erased");
    assert_eq!(status(&world).await, is("erased", "(absent)"));
}

#[tokio::test]
async fn the_list_of_the_links_country_is_read_and_the_institution_asked_for_once() {
    let world = World::with_transactions(0).await;
    world.breaks(r#"[{"match":{"path_prefix":"/api/invoices/"},"fault":{"status":429}}]"#);
    for attempt in [1, 2] {
        let message = message("INVOICES", "historical_update", r#"{"total_invoices":7}"#, now());
        assert_eq!(world.deliver(&[sqs(&message, attempt)]).await.len(), 1);
    }
    let query = format!("link={LINK}&page_size=1000&page=1&omit=xml");
    assert_eq!(world.requests("/api/invoices/"), [query.clone(), query]);
    assert_eq!(link_requests(&world), 1);
    assert_eq!(text(&link(&world).await, "institution"), "erebor_mx_retail");
}

#[tokio::test]
async fn a_chilean_link_has_lists_of_its_own() {
    let (id, institution) = (Some(LINK.to_owned()), Some("tatooine_cl_fiscal".to_owned()));
    let world = World::with_link(NewLink { id, institution, transactions: 0, ..NewLink::default() }).await;
    for (webhook_type, path) in [("INVOICES", "/api/cl/invoices/"), ("TAX_STATUS", "/api/cl/tax-status/")] {
        let message = message(webhook_type, "historical_update", "{}", now());
        world.deliver(&[sqs(&message, 1)]).await;
        assert_eq!(world.requests(path), [format!("link={LINK}&page_size=1000&page=1")], "{webhook_type}");
    }
}

#[tokio::test]
async fn a_webhook_about_inflows_asks_for_its_days_and_the_day_after_the_last() {
    let world = World::with_transactions(0).await;
    world.breaks(r#"[{"match":{"path_prefix":"/api/invoices/"},"fault":{"status":429}}]"#);
    let data = r#"{"total_invoices":7,"first_invoice_date":"2021-04-05","last_invoice_date":"2021-05-31"}"#;
    world.deliver(&[sqs(&message("INVOICES", "historical_inflow_update", data, now()), 1)]).await;
    let range = "type=INFLOW&invoice_date__range=2021-04-05%2C2021-06-01";
    assert_eq!(world.requests("/api/invoices/"), [format!("link={LINK}&page_size=1000&page=1&omit=xml&{range}")]);
}

#[tokio::test]
async fn a_payments_webhook_is_recorded_and_never_acted_on() {
    let world = World::with_transactions(0).await;
    let body = r#"{"webhook_id":"3b9a69f7-7b4c-4b0e-8a57-9f1f5a1f1f11","webhook_type":"TRANSACTIONS",
                   "webhook_code":"transactions_deleted","object_id":"o-1","data":{"deleted_transactions":["a"]}}"#;
    let message = message_of(body, now());
    deliver(&world, &message).await;
    assert_eq!(text(&world.event(&message).await, "outcome"), "unknown");
    assert_eq!(world.belvo.control().requests().total, 0);
}
