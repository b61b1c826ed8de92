use super::*;

fn read(json: &str) -> (Value, Vec<String>) {
    let mut as_text = Vec::new();
    let raw: &RawValue = serde_json::from_str(json).unwrap();
    (Value::read(raw, &mut as_text), as_text)
}

fn digest(json: &str, skip: &[&str]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    read(json).0.digest(&mut hasher, skip);
    hasher.finalize().to_vec()
}

#[test]
fn members_before_a_broken_one_can_still_be_read() {
    let (fields, result) = Fields::read(br#"{"request_id": "r-1", "data": {"a": }"#);
    assert!(result.is_err());
    assert_eq!(fields.text("request_id").as_deref(), Some("r-1"));
}

#[test]
fn text_after_the_object_is_an_error() {
    assert!(Fields::read(b"{} {}").1.is_err());
    assert!(Fields::read(b"[]").1.is_err());
}

#[test]
fn of_a_repeated_name_the_last_value_counts() {
    let (fields, _) = Fields::read(br#"{"a":"1","a":"2"}"#);
    assert_eq!(fields.text("a").as_deref(), Some("2"));
    assert_eq!(read(r#"{"a":1,"a":2}"#).0, read(r#"{"a":2}"#).0);
    let (fields, _) = Fields::read(br#"{"a":1,"b":2,"\u0061":3,"a":[4]}"#);
    let left: Vec<_> = fields.iter().map(|(name, raw)| (name, raw.get())).collect();
    assert_eq!(left, [("b", "2"), ("a", "[4]")], "a repeated name leaves its last value only");
    assert!(read(r#"{"a":1e999,"a":2}"#).1.is_empty());
}

#[test]
fn a_path_is_unambiguous_whatever_the_names_are() {
    assert_eq!(read(r#"{"a":{"b":1e999},"a.b":1e999,"a\\":1e999}"#).1, ["a.b", r"a\.b", r"a\\"]);
}

#[test]
fn a_member_that_holds_more_than_an_item_is_kept_as_text_and_the_others_are_read() {
    let zeros = format!("[{}]", vec!["0"; 150_000].join(","));
    let (value, as_text) = read(&format!(r#"{{"a":[1],"b":{zeros},"c":[2]}}"#));
    let Value::Object(members) = value else { panic!("an object") };
    assert_eq!((members["b"] == Value::Text(zeros), as_text), (true, vec!["b".to_owned()]));
    assert_eq!((&members["a"], &members["c"]), (&read("[1]").0, &read("[2]").0));
    let spaces = format!(r#"{{"a":[{}]}}"#, " ".repeat(MAX_CONTAINER_BYTES));
    assert_eq!(read(&spaces).1, ["a"]);
}

#[test]
fn the_paths_stay_within_their_limit_whatever_their_names() {
    let name = "n".repeat(1_000);
    let (value, as_text) = read(&format!(r#"{{"a":{{"{name}":[{}]}},"b":[1e999]}}"#, vec!["1e999"; 100].join(",")));
    let Value::Object(members) = value else { panic!("an object") };
    assert_eq!(as_text, ["a", "b.0"]);
    assert!(matches!(&members["a"], Value::Text(json) if json.starts_with(r#"{"nnn"#)));
}

#[test]
fn numbers_keep_their_digits_and_those_that_cannot_are_kept_as_text() {
    let (value, as_text) = read(r#"{"a":999999999999999.9999,"b":[1e400,2]}"#);
    let Value::Object(members) = value else { panic!("an object") };
    assert_eq!(members["a"], Value::Number(Number::parse("999999999999999.9999").unwrap()));
    assert_eq!(members["b"], read(r#"["1e400",2]"#).0);
    assert_eq!(as_text, ["b.0"]);
}

#[test]
fn a_value_that_dynamodb_cannot_store_becomes_its_json_text() {
    let deepest_allowed = "[".repeat(31) + "1" + &"]".repeat(31);
    assert!(read(&deepest_allowed).1.is_empty());
    let too_deep = "[".repeat(32) + "1" + &"]".repeat(32);
    assert_eq!(read(&too_deep).1, [["0"; 31].join(".")]);
    assert_eq!(read(r#"{"a":{"":1},"b":"\ud800"}"#).1, ["a", "b"]);
}

#[test]
fn the_digest_sees_values_and_neither_order_nor_spelling() {
    assert_eq!(digest(r#"{"a":1.50,"b":"x"}"#, &[]), digest(r#"{"b":"\u0078","a":15e-1}"#, &[]));
    assert_ne!(digest(r#"{"a":"1"}"#, &[]), digest(r#"{"a":1}"#, &[]));
    assert_ne!(digest(r#"["a","b"]"#, &[]), digest(r#"["ab",""]"#, &[]));
    assert_ne!(digest(r"[[1],2]", &[]), digest(r"[[1,2]]", &[]));
    assert_eq!(digest(r#"{"a":{"at":1}}"#, &["at"]), digest(r#"{"a":{}}"#, &["at"]));
}
