//! The keys of all items. They are a contract: applications read by them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Day, EpochMillis, LinkId, ObjectId, RequestId, Resource, sha256_hex};

use crate::fencing_token::FencingToken;

/// A primary key.
pub(crate) type Key = HashMap<String, AttributeValue>;

/// The prefix of the sort keys of sync states.
pub(crate) const SYNC_STATE: &str = "SYNC#";

fn key(pk: String, sk: String) -> Key {
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

/// Returns the prefix of the sort keys of a resource's records.
pub(crate) fn record_prefix(resource: &Resource) -> String {
    format!("{}#", resource.webhook_type)
}

/// Returns the object id in a record's sort key.
pub(crate) fn object_id(sk: &str, resource: &Resource) -> Option<ObjectId> {
    let id = sk.strip_prefix(resource.webhook_type)?.strip_prefix('#')?;
    ObjectId::parse(id).ok()
}

pub(crate) fn sync_state(link: &LinkId, resource: &Resource) -> Key {
    key(link_pk(link), format!("{SYNC_STATE}{}", resource.webhook_type))
}

/// Returns the partition key of a request, which is also its sort key in `gsi1`, below its link.
pub(crate) fn request_name(id: &RequestId) -> String {
    format!("REQUEST#{}", id.as_str())
}

pub(crate) fn request(id: &RequestId) -> Key {
    key(request_name(id), "REQUEST".to_owned())
}

/// Returns the key of an idempotency item. It contains a digest of the caller's key, which may contain personal data.
pub(crate) fn idempotency(name: &str) -> Key {
    key(format!("IDEMPOTENCY#{}", sha256_hex(name.as_bytes())), "IDEMPOTENCY".to_owned())
}

/// Returns the shard of a link or a request in `gsi2`: one of sixteen, by the digest of its id.
pub(crate) fn reconcile_shard(id: &str) -> String {
    let digest = sha256_hex(id.as_bytes());
    let digit = digest.chars().next().and_then(|digit| digit.to_digit(16)).unwrap_or_default();
    shard(u8::try_from(digit).unwrap_or_default())
}

/// Returns the partition key of a shard in `gsi2`.
pub(crate) fn shard(number: u8) -> String {
    format!("RECONCILE#{number:02}")
}

/// Returns the sort key of a due time in `gsi2`. The texts sort like the times.
pub(crate) fn due(at: EpochMillis) -> String {
    format!("{at:013}")
}

/// Returns the key of the discovery cursor.
pub(crate) fn discovery() -> Key {
    key("RECONCILE".to_owned(), "DISCOVERY".to_owned())
}

/// Returns the key of a chunk of the ids that one pass of a listing has seen.
pub(crate) fn seen_ids(
    link: &LinkId,
    resource: &Resource,
    listing_token: FencingToken,
    pass: FencingToken,
    chunk: usize,
) -> Key {
    key(link_pk(link), format!("{}{pass:013}#{chunk:03}", seen_ids_prefix(resource, listing_token)))
}

/// Returns the prefix of the sort keys of all ids that a listing has seen.
pub(crate) fn seen_ids_prefix(resource: &Resource, listing_token: FencingToken) -> String {
    format!("SEEN#{}#{listing_token:013}#", resource.webhook_type)
}

/// Returns the pass in the sort key of seen ids.
pub(crate) fn seen_ids_pass(sk: &str, resource: &Resource, listing_token: FencingToken) -> Option<FencingToken> {
    sk.strip_prefix(&seen_ids_prefix(resource, listing_token))?.split('#').next()?.parse().ok()
}

/// Returns the key of an event: below its link, or below the day on which it was received if it has no link.
pub(crate) fn event(link: Option<&LinkId>, received_at: EpochMillis, name: &str) -> Key {
    let pk = link.map_or_else(|| format!("UNROUTED#{}", Day::of(received_at)), link_pk);
    key(pk, format!("EVENT#{received_at:013}#{name}"))
}

/// Returns the partition key of an account's transactions in `gsi1`. They sort by day.
pub(crate) fn by_account(account: &ObjectId) -> String {
    format!("ACCOUNT#{account}")
}

/// Returns the partition key of the links with an external id in `gsi1`.
pub(crate) fn by_external_id(external_id: &str) -> String {
    format!("EXTERNAL#{external_id}")
}
