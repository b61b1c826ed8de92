//! Generated inputs that are too large to store.

/// The nesting depth of deep inputs. A recursive parser overflows its stack long before.
const LEVELS: usize = 100_000;
/// The number of ids in long lists.
const IDS: usize = 100_000;
/// The maximum size of a webhook's body, in bytes.
const BODY: usize = 1024 * 1024;
const TYPE_AND_CODE: &str = r#""webhook_type":"TRANSACTIONS","webhook_code":"transactions_deleted","link_id":"l-1""#;

/// The description of an input, and the input.
pub type Large = (&'static str, Vec<u8>);

/// Returns the large inputs of a target.
#[must_use]
pub fn inputs(target: &str) -> Vec<Large> {
    match target {
        "webhook" => webhooks(),
        "message" => messages(),
        "object" => objects(),
        "response" => responses(),
        _ => Vec::new(),
    }
}

fn webhooks() -> Vec<Large> {
    let with = |members: &str| format!("{{{TYPE_AND_CODE},{members}}}").into_bytes();
    let data = |members: &str| with(&format!(r#""data":{{{members}}}"#));
    vec![
        ("an array of arrays in place of a webhook", deep("[", "", "").into_bytes()),
        (
            "unterminated arrays after a type",
            format!("{{{TYPE_AND_CODE},\"data\":{}", "[".repeat(LEVELS)).into_bytes(),
        ),
        ("deep data", with(&format!(r#""data":{}"#, deep(r#"{"a":"#, "1", "}")))),
        ("a deep link id", with(&format!(r#""link_id":{}"#, deep("[", "", "]")))),
        ("deep ids", data(&format!(r#""deleted_x":[{}]"#, deep("[", "", "]")))),
        ("100,000 ids", data(&format!(r#""deleted_x":[{}]"#, numbered(IDS, |n| format!("\"{n:05}\""))))),
        (
            "as many ids as a body can hold",
            data(&format!(r#""deleted_x":[{}]"#, fill(BODY - 200, |_| "1".to_owned()))),
        ),
        ("500 long ids", data(&format!(r#""deleted_x":[{}]"#, numbered(501, |_| format!("\"{}\"", "é".repeat(900)))))),
        ("a repeated external id", with(&fill(BODY - 200, |_| format!(r#""external_id":"{}""#, "x".repeat(200))))),
        (
            "a repeated external id and many ids",
            with(&format!(
                r#"{},"data":{{"deleted_x":[{}]}}"#,
                fill(BODY / 2, |_| r#""external_id":"x""#.to_owned()),
                fill(BODY / 2 - 200, |_| "1".to_owned())
            )),
        ),
        (
            "a repeated list",
            data(&format!(r#""deleted_x":["a"],"deleted_x":[{}]"#, numbered(600, |n| format!("\"{n}\"")))),
        ),
        (
            "many lists, one of them long",
            data(&format!(
                r#"{},"deleted_x":[{}]"#,
                fill(BODY / 2, |n| format!(r#""updated_{n}":[]"#)),
                fill(BODY / 4, |_| "1".to_owned())
            )),
        ),
        (
            "many members beside a long list",
            data(&format!(
                r#""deleted_x":[{}],{}"#,
                fill(BODY / 2 - 200, |_| "1".to_owned()),
                fill(BODY / 2, |n| format!("\"{n}\":0"))
            )),
        ),
        (
            "direct debit with more details than a message holds",
            format!(
                r#"{{"eventType":"payment_request_update","eventCode":"payment_request_failed","details":{{"documentNumber":"X",
                   "notes":"{}"}}}}"#,
                "x".repeat(300_000)
            )
            .into_bytes(),
        ),
        (
            "the names of direct debit, and many ids",
            format!(
                r#"{{"eventType":"A","eventCode":"x","data":{{"updated_x":[{}]}}}}"#,
                fill(BODY / 2, |n| format!("\"{n}\""))
            )
            .into_bytes(),
        ),
        ("many members", with(&fill(BODY - 200, |n| format!("\"{n}\":0")))),
        ("characters that SQS rejects", with(&format!("\"n\":\"{}\"", "\u{FFFF}".repeat(BODY / 3 - 100)))),
        ("a huge number", with(&format!("\"n\":{},\"m\":1e999999999", "9".repeat(BODY / 2)))),
    ]
}

fn messages() -> Vec<Large> {
    let with = |member: &str| {
        format!(
            r#"{{"v":1,"received_at":7,"source":"webhook","key":"k","part":{{"index":0,"of":1}},
               "webhook":{{{TYPE_AND_CODE}}},{member}}}"#
        )
        .into_bytes()
    };
    vec![
        ("arrays in place of a message", deep("[", "", "").into_bytes()),
        ("a deep version", format!(r#"{{"v":{}}}"#, deep("[", "", "]")).into_bytes()),
        ("a deep unknown member", with(&format!(r#""new":{}"#, deep(r#"{"a":"#, "1", "}")))),
        ("a deep listing", with(&format!(r#""listing":{}"#, deep("[", "", "]")))),
        ("a huge version", format!(r#"{{"v":{}}}"#, "9".repeat(BODY)).into_bytes()),
    ]
}

fn objects() -> Vec<Large> {
    // The first byte selects transactions, which embed their account.
    let with = |members: &str| format!("\u{1}{{\"id\":\"o\",{members}}}").into_bytes();
    let long_path = |levels: usize, inner: &str| {
        let name = "n".repeat(1_000);
        format!(r#""a":{}{inner}{}"#, format!(r#"{{"{name}":"#).repeat(levels), "}".repeat(levels))
    };
    vec![
        ("deep arrays", with(&format!(r#""a":{}"#, deep("[", "1", "]")))),
        ("deep objects", with(&format!(r#""a":{}"#, deep(r#"{"a":"#, "1e999", "}")))),
        ("a deep account", with(&format!(r#""account":{{"id":"a","b":{}}}"#, deep("[", "1", "]")))),
        ("a deep id", format!("\u{1}{{\"id\":{}}}", deep("[", "1", "]")).into_bytes()),
        (
            "unusable numbers behind a long path",
            with(&long_path(20, &format!("[{}]", fill(BODY / 8, |_| "1e999".to_owned())))),
        ),
        ("unusable numbers in the first level", with(&fill(BODY, |n| format!(r#""{n}":1e999"#)))),
        ("more values than an item holds", with(&format!(r#""a":[{}]"#, fill(BODY, |_| "0".to_owned())))),
        (
            "more values in several members",
            with(&numbered(8, |n| format!(r#""{n}":[{}]"#, fill(BODY / 8, |_| "0".to_owned())))),
        ),
        ("more members than an item holds", with(&fill(BODY, |n| format!(r#""{n}":0"#)))),
        ("the longest names", with(&numbered(300, |n| format!(r#""{n:01024}":0"#)))),
        ("a name that is too long", with(&format!(r#""b":{{"{}":1}}"#, "n".repeat(BODY)))),
        ("a member that is repeated often", with(&fill(BODY, |_| r#""a":1e999"#.to_owned()))),
        (
            "a number of a million digits",
            with(&format!(
                r#""a":{0},"b":0.{0},"c":1e{0},"d":{1}e-9"#,
                "9".repeat(BODY / 8),
                "0.1".to_owned() + &"0".repeat(BODY / 8)
            )),
        ),
        ("a string of a million characters", with(&format!(r#""a":"{}""#, "\u{FFFE}".repeat(BODY / 3)))),
    ]
}

fn responses() -> Vec<Large> {
    let page = |results: &str| format!(r#"{{"count":1,"next":null,"previous":null,"results":{results}}}"#).into_bytes();
    vec![
        ("unterminated arrays", "[".repeat(LEVELS).into_bytes()),
        ("deep results", page(&deep("[", "", "]"))),
        ("a deep object", page(&format!(r#"[{{"id":"o","a":{}}}]"#, deep("[", "", "]")))),
        ("a deep next page", format!(r#"{{"next":{}}}"#, deep("[", "", "]")).into_bytes()),
        ("a long next page", format!(r#"{{"count":1,"next":"/{}","results":[]}}"#, "../".repeat(LEVELS)).into_bytes()),
        ("a million objects", page(&format!("[{}]", fill(3 * BODY, |_| "{}".to_owned())))),
        ("a deep reason", format!(r#"[{{"code":"x","message":{}}}]"#, deep("[", "", "]")).into_bytes()),
        ("a long code", format!(r#"[{{"code":"{}"}}]"#, "a".repeat(BODY)).into_bytes()),
        ("many reasons", format!("[{}]", fill(BODY, |_| r#"{"code":"x"}"#.to_owned())).into_bytes()),
        ("a long wait", format!("{} minutes", "9".repeat(4_000)).into_bytes()),
    ]
}

fn deep(open: &str, inner: &str, close: &str) -> String {
    open.repeat(LEVELS) + inner + &close.repeat(LEVELS)
}

fn numbered(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(",")
}

/// Returns items, joined by commas, with a total size of at least `bytes`.
fn fill(bytes: usize, item: impl Fn(usize) -> String) -> String {
    let mut filled = String::with_capacity(bytes + 300);
    let mut number = 0;
    while filled.len() < bytes {
        if number > 0 {
            filled.push(',');
        }
        filled += &item(number);
        number += 1;
    }
    filled
}
