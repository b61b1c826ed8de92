//! The keys of every item. They are a contract: applications read by them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Day, EpochMillis, LinkId, ObjectId, RequestId, Resource, sha256_hex};

/// A primary key.
pub(crate) type Key = HashMap<String, AttributeValue>;

pub(crate) fn key(pk: String, sk: String) -> Key {
    HashMap::from([("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::S(sk))])
}

pub(crate) fn link_pk(link: &LinkId) -> String {
    format!("LINK#{link}")
}

pub(crate) fn link(link: &LinkId) -> Key {
    key(link_pk(link), "LINK".to_owned())
}

pub(crate) fn record(link: &LinkId, resource: &Resource, id: &ObjectId) -> Key {
    key(link_pk(link), format!("{}#{id}", resource.webhook_type))
}

/// With what the sort keys of a resource's records begin.
pub(crate) fn record_prefix(resource: &Resource) -> String {
    format!("{}#", resource.webhook_type)
}

/// The object that a record's sort key names.
pub(crate) fn object_id(sk: &str, resource: &Resource) -> Option<ObjectId> {
    let id = sk.strip_prefix(resource.webhook_type)?.strip_prefix('#')?;
    ObjectId::parse(id).ok()
}

/// With what the sort keys of sync states begin.
pub(crate) const SYNC_STATE: &str = "SYNC#";

pub(crate) fn sync_state(link: &LinkId, resource: &Resource) -> Key {
    key(link_pk(link), format!("{SYNC_STATE}{}", resource.webhook_type))
}

/// A request's partition; its sort key in `gsi1`, below its link.
pub(crate) fn request_name(id: &RequestId) -> String {
    format!("REQUEST#{}", id.as_str())
}

pub(crate) fn request(id: &RequestId) -> Key {
    key(request_name(id), "REQUEST".to_owned())
}

/// By the digest of what the caller chose: whatever that says of a person, it is not kept.
pub(crate) fn idempotency(name: &str) -> Key {
    key(format!("IDEMPOTENCY#{}", sha256_hex(name.as_bytes())), "IDEMPOTENCY".to_owned())
}

/// `gsi2`: one of sixteen partitions for what is due, by the name of what that is.
pub(crate) fn reconcile_shard(name: &str) -> String {
    let digest = sha256_hex(name.as_bytes());
    let digit = digest.chars().next().and_then(|digit| digit.to_digit(16)).unwrap_or_default();
    shard(u8::try_from(digit).unwrap_or_default())
}

/// `gsi2`: one of the sixteen shards of what is due.
pub(crate) fn shard(number: u8) -> String {
    format!("RECONCILE#{number:02}")
}

/// How far the discovery of links has come.
pub(crate) fn discovery() -> Key {
    key("RECONCILE".to_owned(), "DISCOVERY".to_owned())
}

/// `gsi2`: when it is due, so that texts sort as times.
pub(crate) fn due(at: EpochMillis) -> String {
    format!("{at:013}")
}

/// What a leg of a listing has seen, in parts.
pub(crate) fn seen(link: &LinkId, resource: &Resource, listing: i64, leg: i64, part: usize) -> Key {
    key(link_pk(link), format!("{}{leg:013}#{part:03}", seen_prefix(resource, listing)))
}

/// With what the sort keys of all legs of a listing begin.
pub(crate) fn seen_prefix(resource: &Resource, listing: i64) -> String {
    format!("SEEN#{}#{listing:013}#", resource.webhook_type)
}

/// The leg that such a sort key names.
pub(crate) fn seen_leg(sk: &str, resource: &Resource, listing: i64) -> Option<i64> {
    sk.strip_prefix(&seen_prefix(resource, listing))?.split('#').next()?.parse().ok()
}

/// Events of a link stand with it; the others by the day on which they were received.
pub(crate) fn event(link: Option<&LinkId>, received_at: i64, name: &str) -> Key {
    let pk = link.map_or_else(|| format!("UNROUTED#{}", Day::of(received_at)), link_pk);
    key(pk, format!("EVENT#{received_at:013}#{name}"))
}

/// `gsi1`: the transactions of an account, by day.
pub(crate) fn by_account(account: &ObjectId) -> String {
    format!("ACCOUNT#{account}")
}

/// `gsi1`: the links of an external id.
pub(crate) fn by_external_id(external_id: &str) -> String {
    format!("EXTERNAL#{external_id}")
}
