//! Every body that the webhook function accepts can be decoded by every consumer: complete, cut or split.
//!
//! The tests generate random bodies: both of Belvo's envelopes, huge and invalid members, long lists of ids, repeated
//! names. The target [`hostile_input::webhook`] checks the properties.

use std::fmt::Write;

use domain::Webhook;
use proptest::collection::vec;
use proptest::prelude::*;

/// The maximum size of a webhook's body, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
const CASES: u32 = 200;

/// The name and the JSON text of a member.
type Member = (String, String);

/// Generates a JSON string of 1 to 256 bytes: plain, escaped, or of any characters.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "TRANSACTIONS", "transactions_deleted", "transactions_updated", "historical_update", "LINK", "CONSENT",
            "payment_request_update", "payment_request_failed",
        ]).prop_map(quoted),
        1 => (1..=256_usize).prop_map(|length| format!("\"{}\"", "\\u0041".repeat(length))),
        1 => any::<String>().prop_filter("1 to 256 bytes", |text| (1..=256).contains(&text.len())).prop_map(quoted),
    ]
}

fn quoted(text: impl AsRef<str>) -> String {
    serde_json::to_string(text.as_ref()).unwrap_or_default()
}

/// Generates a size in bytes: mostly small, sometimes larger than a message.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0..64_usize, 1 => 1_000..5_000_usize, 1 => 150_000..350_000_usize]
}

/// Generates a long text, of characters that grow by escaping and of others.
fn long_text() -> impl Strategy<Value = String> {
    let filler = prop::sample::select(vec!["x", "é", "\u{FFFF}", "🌵", "\\u0000", "\\ud800", "\\\""]);
    (size(), filler).prop_map(|(bytes, filler)| format!("\"{}\"", filler.repeat(bytes / filler.len())))
}

/// Generates a list of ids: empty, short, or longer than a message. Some ids are invalid.
fn ids() -> impl Strategy<Value = String> {
    let count = prop_oneof![6 => 0..4_usize, 3 => 450..1_600_usize, 1 => 5_000..20_000_usize];
    let odd = prop::sample::select(vec!["\"a\"", "null", "7", "\"\\ud800\"", "[]", "\"é é\""]);
    (count, odd).prop_map(|(count, odd)| {
        let mut list = String::from("[");
        for number in 0..count {
            let separator = if number == 0 { "" } else { "," };
            let _ = match number % 700 {
                3 => write!(list, "{separator}{odd}"),
                _ => write!(list, "{separator}\"{number:08}-0000-4000-8000-000000000000\""),
            };
        }
        list + "]"
    })
}

/// Generates a JSON value of any type and size.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec!["null", "true", "7", "-0.0", "1e999999999", "\"\"", "[]", "{}", "{\"a\":[1.10]}"])
            .prop_map(str::to_owned),
        1 => long_text(),
        1 => size().prop_map(|digits| format!("1{}", "0".repeat(digits))),
        1 => size().prop_map(|levels| format!("[{}{}]", "[".repeat(levels), "]".repeat(levels))),
        1 => long_text().prop_map(|text| format!("{{\"documentNumber\":\"X\",\"notes\":{text}}}")),
        1 => ids(),
    ]
}

/// Generates an optional member of a webhook.
fn member() -> impl Strategy<Value = Member> {
    let name = prop::sample::select(vec![
        "webhook_id",
        "process_type",
        "request_id",
        "external_id",
        "data",
        "details",
        "datetime",
        "object_id",
        "",
        "updated_transactions",
        "webhook_\\u0074ype_",
        "é",
    ]);
    (name.prop_map(str::to_owned), value())
}

/// Generates `data`: lists of ids, and other members.
fn data() -> impl Strategy<Value = Member> {
    let name = prop::sample::select(vec!["updated_transactions", "deleted_transactions", "updated_x", "deleted_"]);
    let list = (name.prop_map(str::to_owned), ids());
    (vec(list, 0..4), vec(member(), 0..4)).prop_map(|(lists, members)| {
        let object = object(lists.into_iter().chain(members));
        ("data".to_owned(), object)
    })
}

/// Generates the required members of a webhook, in either of Belvo's spellings. Invalid members of the same names may
/// precede them.
fn envelope() -> impl Strategy<Value = Vec<Member>> {
    let spelling = |belvo, direct_debit| {
        prop::sample::select(vec![(belvo, None), (direct_debit, None), (belvo, Some(direct_debit))])
    };
    let link = prop_oneof![
        Just(None),
        Just(Some("null".to_owned())),
        "[A-Za-z0-9_-]{1,128}".prop_map(|id| Some(quoted(id))),
        (1..=128_usize).prop_map(|length| Some(format!("\"{}\"", "\\u0041".repeat(length)))),
    ];
    let words = (spelling("webhook_type", "eventType"), word(), spelling("webhook_code", "eventCode"), word());
    (words, link, value(), any::<bool>()).prop_map(|((kind, word, code, other_word), link, odd, is_repeated)| {
        let mut members = Vec::new();
        for ((name, ignored), word) in [(kind, word), (code, other_word)] {
            members.extend(is_repeated.then(|| (name.to_owned(), odd.clone())));
            members.extend(ignored.map(|ignored| (ignored.to_owned(), odd.clone())));
            members.push((name.to_owned(), word));
        }
        members.extend(link.map(|link| ("link_id".to_owned(), link)));
        members
    })
}

fn object(members: impl IntoIterator<Item = Member>) -> String {
    let members: Vec<String> = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Generates an accepted body. It omits members beyond the maximum size.
fn body() -> impl Strategy<Value = String> {
    (envelope(), prop::option::of(data()), vec(member(), 0..6), any::<bool>()).prop_map(
        |(envelope, data, members, is_envelope_last)| {
            let mut room = MAX_BODY_BYTES - object(envelope.clone()).len().min(MAX_BODY_BYTES);
            let mut kept: Vec<Member> = data.into_iter().chain(members).collect();
            kept.retain(|(name, value)| {
                let fits = room.checked_sub(name.len() + value.len() + 4);
                room = fits.unwrap_or(room);
                fits.is_some()
            });
            let (first, last) = if is_envelope_last { (kept, envelope) } else { (envelope, kept) };
            object(first.into_iter().chain(last))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_of_an_accepted_body_fits_decodes_and_names_the_same_link_type_and_code(body in body()) {
        prop_assume!(body.len() <= MAX_BODY_BYTES);
        prop_assert!(Webhook::parse(body.as_bytes()).is_ok(), "the webhook function rejects {} bytes", body.len());
        hostile_input::webhook(body.as_bytes());
    }
}
