//! The item of a record, made to fit DynamoDB's size limit.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{LinkId, Record, Resource, escape_path_name};

use crate::attributes::{Item, map, n, s, size, size_of_value, strings};
use crate::fencing_token::FencingToken;
use crate::keys;

/// The maximum size of a record's item, in bytes. DynamoDB's limit is 400 KB. The difference is a margin for how it counts.
const MAX_ITEM_BYTES: usize = 390 * 1024;

/// Returns the item of a live record. If the item exceeds [`MAX_ITEM_BYTES`], the largest members are left out. It always
/// fits then, since a record's names and paths are bounded.
pub(crate) fn live_item(link: &LinkId, resource: &Resource, record: Record, token: FencingToken) -> Item {
    let mut omitted = record.omitted.clone();
    let mut item = complete_item(link, resource, record, token);
    let bytes = size(&item);
    if bytes > MAX_ITEM_BYTES {
        omitted.extend(omit_largest(&mut item, bytes - MAX_ITEM_BYTES));
        item.insert("omitted".to_owned(), strings(&omitted));
    }
    item
}

fn complete_item(link: &LinkId, resource: &Resource, record: Record, token: FencingToken) -> Item {
    let mut item = keys::record(link, resource, &record.id);
    if let (Some(account), Some(_)) = (&record.account_id, resource.date) {
        item.insert("gsi1pk".to_owned(), s(keys::by_account(account)));
        item.insert("gsi1sk".to_owned(), s(record.date_key(resource)));
    }
    item.extend(record.account_id.map(|account| ("account_id".to_owned(), s(account.as_str()))));
    if !record.as_text.is_empty() {
        item.insert("as_text".to_owned(), strings(&record.as_text));
    }
    if !record.omitted.is_empty() {
        item.insert("omitted".to_owned(), strings(&record.omitted));
    }
    item.insert("fetched_at".to_owned(), n(token));
    item.insert("content_hash".to_owned(), s(record.content_hash));
    item.insert("data".to_owned(), map(record.data));
    item
}

/// Removes the largest members from `data`, and their paths from `as_text`, until the item is `excess` bytes smaller and has
/// room for the names of the removed members. Returns these names.
fn omit_largest(item: &mut Item, mut excess: usize) -> Vec<String> {
    let paths = match item.remove("as_text") {
        Some(AttributeValue::L(paths)) => paths,
        _ => Vec::new(),
    };
    let bytes_of_paths = bytes_of_paths(&paths);
    let Some(AttributeValue::M(data)) = item.get_mut("data") else { return Vec::new() };

    let sized = |(name, value): (&String, &AttributeValue)| {
        let paths = bytes_of_paths.get(&*escape_path_name(name)).copied().unwrap_or_default();
        (name.len() + 1 + size_of_value(value) + paths, name.clone())
    };
    let mut members: Vec<_> = data.iter().filter(|(name, _)| *name != "id").map(sized).collect();
    members.sort_unstable_by(|one, other| other.cmp(one));

    let mut omitted = Vec::new();
    // The attribute `omitted` itself, which the item may not have yet.
    excess += "omitted".len() + 3;
    for (bytes, name) in members {
        if excess == 0 {
            break;
        }
        // The name moves to `omitted`.
        excess = (excess + name.len() + 2).saturating_sub(bytes);
        data.remove(&name);
        omitted.push(name);
    }

    let removed: HashSet<_> = omitted.iter().map(|name| escape_path_name(name)).collect();
    let stays = |path: &AttributeValue| !path.as_s().is_ok_and(|path| removed.contains(member_of(path)));
    let left: Vec<_> = paths.into_iter().filter(stays).collect();
    if !left.is_empty() {
        item.insert("as_text".to_owned(), AttributeValue::L(left));
    }
    omitted
}

/// Returns the size of all paths of each member, in bytes.
fn bytes_of_paths(paths: &[AttributeValue]) -> HashMap<String, usize> {
    let mut bytes: HashMap<String, usize> = HashMap::new();
    for path in paths.iter().filter_map(|path| path.as_s().ok()) {
        *bytes.entry(member_of(path).to_owned()).or_default() += path.len() + 2;
    }
    bytes
}

/// Returns the member of `data` at the beginning of a path: up to the first dot that no backslash escapes.
fn member_of(path: &str) -> &str {
    let mut is_escaped = false;
    let end = path.bytes().position(|byte| {
        let ends = byte == b'.' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    &path[..end.unwrap_or(path.len())]
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn item(json: &str) -> Item {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let resource = Resource::of_webhook_type("TRANSACTIONS").unwrap();
        let record = Record::read(resource, raw).unwrap().0;
        live_item(&LinkId::parse("l-1").unwrap(), resource, record, 1)
    }

    fn texts<'a>(item: &'a Item, name: &str) -> Vec<&'a str> {
        let list = item.get(name).map(|list| list.as_l().unwrap().as_slice()).unwrap_or_default();
        list.iter().map(|text| text.as_s().unwrap().as_str()).collect()
    }

    fn filled(members: impl Iterator<Item = String>) -> String {
        format!(r#"{{"id":"t",{}}}"#, members.collect::<Vec<_>>().join(","))
    }

    #[test]
    fn the_item_of_any_object_fits_and_lists_the_omitted_members() {
        let big = "x".repeat(30 * 1024);
        for json in [
            // Many small members: the name that each leaves in `omitted` is hardly shorter.
            filled((0..13_000).map(|n| format!(r#""{n}":"{n:020}""#))),
            filled((0..60).map(|n| format!(r#""{n:01000}":"{big}""#))),
            filled((0..8).map(|n| format!(r#""{n}":[{}]"#, vec!["0"; 60_000].join(",")))),
            filled((0..13_000).map(|n| format!(r#""{n}":1e999"#))),
            filled((0..40).map(|n| format!(r#""{n}":["{big}",1e999]"#))),
        ] {
            let item = item(&json);
            let data = item["data"].as_m().unwrap();
            assert!(size(&item) <= MAX_ITEM_BYTES, "{} bytes", size(&item));
            let sent: HashMap<String, &RawValue> = serde_json::from_str(&json).unwrap();
            let omitted: HashSet<_> = texts(&item, "omitted").into_iter().collect();
            assert!(data.contains_key("id") && sent.len() == data.len() + omitted.len());
            assert!(omitted.iter().all(|name| !data.contains_key(*name)));
            assert!(texts(&item, "as_text").into_iter().all(|path| data.contains_key(member_of(path))));
        }
    }

    #[test]
    fn no_more_members_are_omitted_than_necessary() {
        let large = |kib: usize| "x".repeat(kib * 1024);
        let json = format!(r#"{{"id":"t","a":"{}","b":["{}",1e999],"c":"{}"}}"#, large(200), large(195), large(100));
        assert_eq!(texts(&item(&json), "omitted"), ["a"]);
        assert_eq!(texts(&item(&json), "as_text"), ["b.1"]);
        assert!(texts(&item(r#"{"id":"t"}"#), "omitted").is_empty());
    }

    #[test]
    fn a_path_belongs_to_its_member_whatever_its_name() {
        assert_eq!(
            ["a", "a.0.b", r"a\.b.c", r"a\\.b", r"a\\\.b"].map(member_of),
            ["a", "a", r"a\.b", r"a\\", r"a\\\.b"]
        );
        let json = format!(r#"{{"id":"t","a":"{}","a.b":1e999}}"#, "x".repeat(400 * 1024));
        assert_eq!((texts(&item(&json), "omitted"), texts(&item(&json), "as_text")), (vec!["a"], vec![r"a\.b"]));
    }
}
