//! Request items: an asynchronous request at Belvo, from its acceptance to the webhook that answers it.
//!
//! **Guarantee.** A request that a webhook has answered stays `completed`, whichever of the two is stored first and
//! however often. **Mechanism.** [`Table::accept_request`] does not replace a status that a webhook left;
//! [`Table::complete_request`] sets it whatever was there. Between the two lies no order: Belvo may answer before the
//! function that asked has stored anything, and a request that somebody else made has no first half at all.
//!
//! A webhook that was split completes its request when every part was worked on. The item lists those parts in a set, so
//! that duplicates and redeliveries count once, in any order. A continuation belongs to the part that it continues.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::{EpochMillis, LinkId, MAX_PARTS, Message, RequestId, Value};

use crate::attributes::{Item, n, s, text, to_attribute};
use crate::events::Counts;
use crate::table::{call_failed, send_if_allowed};
use crate::{StoreError, Table, expires_at, keys};

/// So long after its acceptance a request without a webhook is overdue: 6 hours. Belvo names no limit; retrievals take
/// minutes, and its webhooks are repeated for some minutes more.
const OVERDUE_AFTER_MS: EpochMillis = 6 * 60 * 60 * 1_000;

/// How many parts of webhooks that are not complete yet one request lists: those of four webhooks of the most parts. More
/// would only come from a sender that makes them up; they are not counted.
const MAX_PARTS_LISTED: usize = 4 * MAX_PARTS;

/// A request that Belvo has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRequest<'a> {
    /// Belvo's id for it.
    pub id: &'a RequestId,
    /// What was asked for: `retrieve`, `refresh_link`, `delete_link`.
    pub action: &'static str,
    /// Whose data.
    pub link: &'a LinkId,
    /// Which resource, when it is one.
    pub resource: Option<&'a str>,
    /// What was sent to Belvo.
    pub parameters: Value,
    /// The resources that all have to arrive before it is completed; empty when any webhook completes it.
    pub awaited: &'a [String],
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestStatus {
    /// Belvo works on it.
    Accepted,
    /// A webhook said that it is done, and what it announced is stored.
    Completed,
    /// No webhook came in time. One that comes after all completes it.
    TimedOut,
}

/// A request as it stands in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// How far it is.
    pub status: RequestStatus,
    /// What was asked for, where we asked for it.
    pub action: Option<String>,
    /// Whose data.
    pub link: Option<LinkId>,
    /// Which resource, when it is one.
    pub resource: Option<String>,
    /// The resources that have not arrived yet, of a request for several.
    pub awaited: Vec<String>,
    /// When it is overdue; none once it is no longer waited for.
    pub due_at: Option<EpochMillis>,
}

impl RequestStatus {
    const ALL: [Self; 3] = [Self::Accepted, Self::Completed, Self::TimedOut];

    /// The word in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Completed => "completed",
            Self::TimedOut => "timed_out",
        }
    }
}

impl Table {
    /// Stores a request that Belvo has accepted. One that a webhook has completed already stays completed, and gets the
    /// rest of its attributes. One of which some parts of a webhook have arrived is waited for all the same.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn accept_request(&self, request: &NewRequest<'_>, now: EpochMillis) -> Result<(), StoreError> {
        let mut attributes = described(request, now);
        let waiting = set(self.update(keys::request(request.id)), &[&attributes[..], &waiting(request, now)].concat())
            .condition_expression(
                "attribute_not_exists(#status) OR (#status = :status AND attribute_not_exists(accepted_at))",
            );
        if send_if_allowed(waiting).await?.is_none() {
            attributes.retain(|(name, _)| *name != "expires_at");
            let late = set(self.update(keys::request(request.id)), &attributes);
            late.send().await.map_err(|error| call_failed(&error))?;
        }
        Ok(())
    }

    /// Notes that a message has been worked on that answers a request, if it does. Of a webhook that was split, every part
    /// has to be. `counts` is none when the work was done by an earlier message.
    ///
    /// Doing it twice changes nothing: what stands there of a first completion stays.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn complete_request(
        &self,
        message: &Message,
        counts: Option<Counts>,
        now: EpochMillis,
    ) -> Result<(), StoreError> {
        let Some(id) = message.webhook.request_id().and_then(|id| RequestId::parse(id).ok()) else { return Ok(()) };
        if message.part.of > 1 && !self.is_last_part(&id, message, now).await? {
            return Ok(());
        }
        if self.complete(&id, message, counts, now).await? {
            return Ok(());
        }
        // It waits for several resources, each with its own webhook.
        if self.arrived(&id, message.webhook.webhook_type()).await? {
            self.complete(&id, message, counts, now).await?;
        }
        Ok(())
    }

    /// Ends the waiting for an overdue request. `false` when it is not waited for any more, or not overdue yet.
    ///
    /// Whoever has its data listed in its place does that first: if this fails then, it is listed once more, and nothing
    /// is lost.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn time_out_request(&self, id: &RequestId, now: EpochMillis) -> Result<bool, StoreError> {
        let update = self
            .update(keys::request(id))
            .update_expression("SET #status = :timed_out, timed_out_at = :now REMOVE gsi2pk, gsi2sk")
            .condition_expression("#status = :accepted AND gsi2sk <= :due")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":timed_out", s(RequestStatus::TimedOut.as_str()))
            .expression_attribute_values(":accepted", s(RequestStatus::Accepted.as_str()))
            .expression_attribute_values(":now", n(now))
            .expression_attribute_values(":due", s(keys::due(now)));
        Ok(send_if_allowed(update).await?.is_some())
    }

    /// A request as it stands, read consistently; none when the table does not know it.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn request(&self, id: &RequestId) -> Result<Option<Request>, StoreError> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(keys::request(id)));
        let output = get.consistent_read(true).send().await.map_err(|error| call_failed(&error))?;
        output.item.as_ref().map(Request::read).transpose()
    }

    /// Lists this part among those that were worked on. Whether these are now all parts of its webhook; `false` also for a
    /// request that is completed already.
    async fn is_last_part(&self, id: &RequestId, message: &Message, now: EpochMillis) -> Result<bool, StoreError> {
        let webhook = webhook_name(message);
        let part = format!("{webhook}-{}", message.part.index);
        let mut kept = vec![
            ("status", s(RequestStatus::Accepted.as_str())),
            ("resource", s(message.webhook.webhook_type())),
            ("expires_at", n(expires_at(now))),
        ];
        if let Some(link) = message.webhook.link_id() {
            kept.extend(of_link(id, link));
        }
        let names = kept.iter().map(|(name, _)| format!("#{name} = if_not_exists(#{name}, :{name})"));
        let expression = format!("SET {} ADD parts_done :part", names.collect::<Vec<_>>().join(", "));
        let update = bind(self.update(keys::request(id)), &kept)
            .update_expression(expression)
            .condition_expression(
                "(attribute_not_exists(#status) OR #status <> :completed) \
                 AND (attribute_not_exists(parts_done) OR size(parts_done) < :most)",
            )
            .expression_attribute_values(":part", AttributeValue::Ss(vec![part]))
            .expression_attribute_values(":completed", s(RequestStatus::Completed.as_str()))
            .expression_attribute_values(":most", n(MAX_PARTS_LISTED))
            .return_values(ReturnValue::AllNew);
        let item = send_if_allowed(update).await?.and_then(|output| output.attributes).unwrap_or_default();
        let done = item.get("parts_done").and_then(|parts| parts.as_ss().ok()).map(Vec::as_slice).unwrap_or_default();
        let of_webhook = done.iter().filter(|part| part.rsplit_once('-').is_some_and(|(of, _)| of == webhook));
        Ok(of_webhook.count() >= message.part.of)
    }

    /// `false` when it waits for several resources.
    async fn complete(
        &self,
        id: &RequestId,
        message: &Message,
        counts: Option<Counts>,
        now: EpochMillis,
    ) -> Result<bool, StoreError> {
        let mut first = vec![("completed_at", n(now)), ("resource", s(message.webhook.webhook_type()))];
        first.extend(counts.into_iter().flat_map(Counts::named).map(|(name, count)| (name, n(count))));
        if let Some(link) = message.webhook.link_id() {
            first.extend(of_link(id, link));
        }
        let kept = first.iter().map(|(name, _)| format!("#{name} = if_not_exists(#{name}, :{name})"));
        let expression = format!(
            "SET #status = :status, #expires_at = :expires_at, {} REMOVE gsi2pk, gsi2sk, parts_done",
            kept.collect::<Vec<_>>().join(", ")
        );
        first.push(("status", s(RequestStatus::Completed.as_str())));
        first.push(("expires_at", n(expires_at(now))));
        let update = bind(self.update(keys::request(id)), &first)
            .update_expression(expression)
            .condition_expression("attribute_not_exists(awaited)");
        Ok(send_if_allowed(update).await?.is_some())
    }

    /// Takes a resource out of those that are waited for. `true` when it was the last.
    async fn arrived(&self, id: &RequestId, webhook_type: &str) -> Result<bool, StoreError> {
        let update = self
            .update(keys::request(id))
            .update_expression("DELETE awaited :arrived")
            .condition_expression("attribute_exists(awaited)")
            .expression_attribute_values(":arrived", AttributeValue::Ss(vec![webhook_type.to_owned()]))
            .return_values(ReturnValue::AllNew);
        let output = send_if_allowed(update).await?;
        // DynamoDB keeps no empty set.
        let is_waiting = |item: Item| item.contains_key("awaited");
        Ok(!output.and_then(|output| output.attributes).is_some_and(is_waiting))
    }
}

impl Request {
    fn read(item: &Item) -> Result<Self, StoreError> {
        let word = text(item, "status").unwrap_or_default();
        let status = RequestStatus::ALL.into_iter().find(|status| status.as_str() == word);
        Ok(Self {
            status: status.ok_or(StoreError::Unreadable("a request's status"))?,
            action: text(item, "action").map(str::to_owned),
            link: text(item, "link_id").and_then(|id| LinkId::parse(id).ok()),
            resource: text(item, "resource").map(str::to_owned),
            awaited: item.get("awaited").and_then(|set| set.as_ss().ok()).cloned().unwrap_or_default(),
            due_at: text(item, "gsi2sk").and_then(|due| due.parse().ok()),
        })
    }
}

/// Names the webhook of which a message is a part, among those that answer a request: the beginning of its digest, which
/// every part and every continuation carries.
fn webhook_name(message: &Message) -> &str {
    let digest = message.withheld.as_ref().map_or("", |withheld| &withheld.sha256);
    digest.get(..16).unwrap_or(digest)
}

type Attribute = (&'static str, AttributeValue);

/// What a request is, whatever has become of it.
fn described(request: &NewRequest<'_>, now: EpochMillis) -> Vec<Attribute> {
    let mut attributes = vec![
        ("action", s(request.action)),
        ("parameters", to_attribute(request.parameters.clone())),
        ("accepted_at", n(now)),
        ("expires_at", n(expires_at(now))),
    ];
    attributes.extend(of_link(request.id, request.link));
    attributes.extend(request.resource.map(|resource| ("resource", s(resource))));
    attributes
}

/// That it is waited for.
fn waiting(request: &NewRequest<'_>, now: EpochMillis) -> Vec<Attribute> {
    let mut attributes = vec![
        ("status", s(RequestStatus::Accepted.as_str())),
        ("gsi2pk", s(keys::reconcile_shard(request.id.as_str()))),
        ("gsi2sk", s(keys::due(now.saturating_add(OVERDUE_AFTER_MS)))),
    ];
    if !request.awaited.is_empty() {
        attributes.push(("awaited", AttributeValue::Ss(request.awaited.to_vec())));
    }
    attributes
}

fn of_link(id: &RequestId, link: &LinkId) -> [Attribute; 3] {
    [("link_id", s(link.as_str())), ("gsi1pk", s(keys::link_pk(link))), ("gsi1sk", s(keys::request_name(id)))]
}

fn set(update: UpdateItemFluentBuilder, attributes: &[Attribute]) -> UpdateItemFluentBuilder {
    let names = attributes.iter().map(|(name, _)| format!("#{name} = :{name}")).collect::<Vec<_>>().join(", ");
    bind(update, attributes).update_expression(format!("SET {names}"))
}

fn bind(update: UpdateItemFluentBuilder, attributes: &[Attribute]) -> UpdateItemFluentBuilder {
    attributes.iter().fold(update, |update, (name, value)| {
        update
            .expression_attribute_names(format!("#{name}"), *name)
            .expression_attribute_values(format!(":{name}"), value.clone())
    })
}
