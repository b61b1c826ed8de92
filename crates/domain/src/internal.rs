//! Internal messages: requests of an operator or of the reconcile function, in the form of a webhook.

use serde_json::json;

use crate::message::Part;
use crate::{ERASE_LINK, EpochMillis, LinkId, Message, Plan, Source, Webhook};

impl Message {
    /// Returns a message with a webhook of this type and code, and no data.
    ///
    /// `received_at` is the current time, so no earlier listing covers it. `key` is also the deduplication id: SQS drops a
    /// message with the same key within five minutes. Returns `None` if the type or code is empty or longer than a
    /// webhook's may be.
    #[must_use]
    pub fn internal(
        source: Source,
        link: &LinkId,
        (webhook_type, webhook_code): (&str, &str),
        received_at: EpochMillis,
        key: String,
    ) -> Option<Self> {
        let webhook = json!({"webhook_type": webhook_type, "webhook_code": webhook_code, "link_id": link.as_str(),
                             "data": {}});
        let webhook = Webhook::parse(webhook.to_string().as_bytes()).ok()?;
        let part = Part { index: 0, of: 1 };
        Some(Self { received_at, source, key, part, webhook, withheld: None, listing: None, continuations: 0 })
    }

    /// Returns the work that the message asks for.
    ///
    /// A webhook cannot ask for an erasure: the webhook's token alone must not be enough to remove data.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let webhook = &self.webhook;
        let is_internal = self.source != Source::Webhook;
        if is_internal && (webhook.webhook_type(), webhook.webhook_code()) == ("LINK", ERASE_LINK) {
            return Plan::EraseLink;
        }
        Plan::from_webhook(webhook)
    }

    /// Returns a message that asks for a whole listing of a resource. `None` as for [`Message::internal`].
    #[must_use]
    pub fn listing_of(
        source: Source,
        link: &LinkId,
        webhook_type: &str,
        received_at: EpochMillis,
        key: String,
    ) -> Option<Self> {
        Self::internal(source, link, (webhook_type, "historical_update"), received_at, key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Filter;

    #[test]
    fn a_requested_listing_is_whole_and_encoded_like_a_webhook() {
        let link = LinkId::parse("link-1").unwrap();
        let asked = Message::listing_of(Source::Resync, &link, "TRANSACTIONS", 7, "key".to_owned()).unwrap();
        let read = Message::decode(&asked.encode()).unwrap();
        assert_eq!((read.source, read.received_at, read.key.as_str()), (Source::Resync, 7, "key"));
        assert_eq!((read.group_id(), read.webhook.request_id()), ("link-1", None));
        assert!(matches!(Plan::from_webhook(&read.webhook), Plan::List { filter: Filter::Whole, .. }));
        assert!(Message::listing_of(Source::Resync, &link, "", 7, "key".to_owned()).is_none());
    }

    #[test]
    fn a_webhook_cannot_request_an_erasure() {
        let link = LinkId::parse("link-1").unwrap();
        let plan = |source| Message::internal(source, &link, ("LINK", ERASE_LINK), 7, "key".to_owned()).unwrap().plan();
        assert_eq!(plan(Source::Webhook), Plan::Unknown);
        assert_eq!(plan(Source::Resync), Plan::EraseLink);
        let asked = Message::internal(Source::Reconcile, &link, ("LINK", ERASE_LINK), 7, "key".to_owned()).unwrap();
        assert_eq!(Message::decode(&asked.continuation(8).encode()).unwrap().plan(), Plan::EraseLink);
    }
}
