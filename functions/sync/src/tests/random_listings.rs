//! Random listings of good and bad things: exactly the good ones are stored, after few attempts, and what was left out is
//! said.
//!
//! A seed makes a listing; a failure names it. `LISTINGS=20000` tries more of them, `LISTINGS_FROM=1234 LISTINGS=1` that one.

use std::collections::BTreeSet;
use std::env;

use fastrand::Rng;

use super::odd_belvo::{Cap, List, OddBelvo, Row};
use super::world::{number, text};

/// Listings that a run tries.
const LISTINGS: u64 = 1_000;
/// Deliveries after which the work on a listing is done: two attempts that leave nothing out, one that does, and
/// continuations.
const MAX_DELIVERIES: u32 = 6;
/// Requests for one listing: three readings, and what isolates its bad rows.
const MAX_REQUESTS: usize = 400;

/// What a listing holds, and what has to come of it.
struct Scenario {
    list: List,
    good: BTreeSet<String>,
    /// Rows that cannot be stored.
    bad: i64,
    /// Does nothing in the answers cast doubt on the list?
    is_consistent: bool,
}

fn scenario(rng: &mut Rng) -> Scenario {
    let mut scenario = Scenario { list: List::of(Vec::new()), good: BTreeSet::new(), bad: 0, is_consistent: true };
    for number in 0..rng.usize(0..24) {
        let id = format!("t-{number}");
        // Few: a list of which nothing can be read is another case.
        if scenario.bad < 6 && rng.u8(0..6) == 0 {
            scenario.bad += 1;
            scenario.list.rows.push(bad_row(rng, &id));
            continue;
        }
        let row = good_row(rng, &id);
        // A join doubles a row.
        let copies = if rng.u8(0..16) == 0 { 2 } else { 1 };
        scenario.list.rows.extend(vec![row; copies]);
        scenario.good.insert(id);
    }
    scenario.is_consistent = scenario.bad == 0;
    vary_pages(rng, &mut scenario);
    scenario
}

fn bad_row(rng: &mut Rng, id: &str) -> Row {
    let json = match rng.u8(0..12) {
        0 => return Row::Fails(500),
        1 => return Row::Fails(408),
        2 => format!(r#"{{"id":"{id}","amount":NaN}}"#),
        3 => format!(r#"{{"id":"{id}","amount":-Infinity}}"#),
        4 => format!(r#"{{"id":"{id}","amount":01}}"#),
        5 => "null".to_owned(),
        6 => r#""text""#.to_owned(),
        7 => "[1,2]".to_owned(),
        8 => r#"{"amount":1}"#.to_owned(),
        9 => r#"{"id":7}"#.to_owned(),
        10 => format!(r#"{{"id":"../{id}"}}"#),
        _ => return Row::Bytes([br#"{"id":"x","description":""#.as_slice(), &[0xff, 0xfe], br#""}"#].concat()),
    };
    Row::Bytes(json.into_bytes())
}

fn good_row(rng: &mut Rng, id: &str) -> Row {
    let accounts = ["null", "7", r#""a""#, "[]", "{}", r#"{"id":7}"#, r#"{"id":"a-1","collected_at":7}"#, "true"];
    let account = accounts[rng.usize(0..accounts.len())];
    let member = match rng.u8(0..40) {
        0 => format!(r#""description":"{}""#, "x".repeat(500_000)),
        1 => format!(r#""deep":{}1{}"#, "[".repeat(2_000), "]".repeat(2_000)),
        2 => r#""description":"\ud800""#.to_owned(),
        3 => r#""amount":1e400"#.to_owned(),
        4 => r#""amount":1,"amount":2"#.to_owned(),
        5 => r#""value_date":{"odd":[]}"#.to_owned(),
        _ => r#""amount":10.50,"value_date":"2024-02-29""#.to_owned(),
    };
    Row::Bytes(format!(r#"{{"id":"{id}","account":{account},{member}}}"#).into_bytes())
}

fn vary_pages(rng: &mut Rng, scenario: &mut Scenario) {
    let list = &mut scenario.list;
    list.cap = match rng.u8(0..4) {
        0 => Cap::Size(rng.usize(1..12)),
        1 => Cap::Changing((0..rng.usize(1..5)).map(|_| rng.usize(1..12)).collect()),
        _ => Cap::None,
    };
    let usual = list.next.clone();
    let nexts =
        [usual.as_str(), r#""?page=2""#, r#""http://proxy.internal/?page=2""#, r#""https://[""#, "true", "2", "{}"];
    list.next = nexts[rng.usize(0..nexts.len())].to_owned();
    let (count, is_right) = match rng.u8(0..12) {
        0 => (r#""{}""#, true),
        1 => ("-1", true),
        2 => ("null", true),
        3 => ("", true),
        4 => ("{}0", false),
        5 => ("1", false),
        6 => ("0", false),
        7 => ("18446744073709551615", false),
        _ => ("{}", true),
    };
    list.count = count.to_owned();
    list.has_endless_next = rng.u8(0..10) == 0;
    // Fails for a while, whatever is asked for.
    list.failures = if rng.u8(0..8) == 0 { rng.usize(1..3) } else { 0 };
    let is_empty = list.rows.is_empty();
    scenario.is_consistent &= (is_right || count == list.rows.len().to_string()) && !list.has_endless_next;
    // "{}0" of an empty list is "00", which is no number.
    scenario.is_consistent &= !(is_empty && count == "{}0");
}

async fn play(belvo: &mut OddBelvo, seed: u64) {
    belvo.world.worker.session.forget_page_size();
    let Scenario { list, good, bad, is_consistent } = scenario(&mut Rng::with_seed(seed));
    let link = format!("l-{seed}");
    let shown = format!("seed {seed}: {:?} {} {} {:?}", list.cap, list.count, list.next, rows(&list));
    belvo.set(&link, list);
    let (message, _) = belvo.list(&link, "{}", MAX_DELIVERIES).await.unwrap_or_else(|why| panic!("{why}, {shown}"));
    let stored: BTreeSet<String> = belvo.world.records_of(&link, "TRANSACTIONS").await.into_keys().collect();
    let requests = belvo.requests(&link);
    assert_eq!(stored, good, "{shown} {requests:?}");
    let requests = requests.len();
    assert!(requests <= MAX_REQUESTS, "{requests} requests, {shown}");
    let check = belvo.world.state_of(&link, "TRANSACTIONS").await;
    if bad > 0 {
        let event = belvo.world.event(&message).await;
        assert!(number(&event, "unreadable") >= Some(bad), "what was left out is counted, {shown}");
        assert_eq!(text(&check, "check"), "drift", "{shown}");
    }
    if is_consistent {
        assert_eq!(text(&check, "check"), "unverified", "{shown}");
    }
}

/// The beginning of each row, for a failure's text.
fn rows(list: &List) -> Vec<String> {
    let shown = |row: &Row| match row {
        Row::Bytes(bytes) => String::from_utf8_lossy(&bytes[..bytes.len().min(24)]).into_owned(),
        Row::Fails(status) => format!("fails {status}"),
        Row::Slow => "slow".to_owned(),
    };
    list.rows.iter().map(shown).collect()
}

#[tokio::test]
async fn every_random_listing_stores_exactly_what_is_good_and_says_what_it_left_out() {
    let setting = |name: &str, usual| env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual);
    let from = setting("LISTINGS_FROM", 0);
    let mut belvo = OddBelvo::start().await;
    for seed in from..from + setting("LISTINGS", LISTINGS) {
        Box::pin(play(&mut belvo, seed)).await;
    }
}
