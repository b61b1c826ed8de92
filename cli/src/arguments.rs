//! Parsers of arguments that several commands take.

use domain::{LinkId, Resource};

/// Parses the id of a link.
pub(crate) fn link_id(text: &str) -> Result<LinkId, &'static str> {
    LinkId::parse(text).map_err(|_| "a link id has 1 to 128 characters of A-Z a-z 0-9 _ -")
}

/// Parses the name of a synced resource, as Belvo's webhooks spell it.
pub(crate) fn resource(text: &str) -> Result<&'static Resource, &'static str> {
    Resource::of_webhook_type(text).ok_or("not a resource that is synced; write it like TRANSACTIONS")
}
