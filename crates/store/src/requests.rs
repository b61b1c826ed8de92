//! Requests: an asynchronous request at Belvo, from its acceptance to the webhook that completes it.
//!
//! **Guarantee.** A request that a webhook has completed stays `completed`. **Mechanism.** [`Table::accept_request`] and
//! [`Table::complete_request`] may come in any order, and repeatedly: Belvo may send the webhook before the request function has
//! stored the request, and a request that another client sent is never accepted here. So the acceptance does not replace the
//! status `completed`, and the completion replaces any status.
//!
//! A webhook that was split completes its request when every part was processed. The item lists the processed parts in a set,
//! so that duplicates and redeliveries count once, in any order. A continuation belongs to the part that it continues.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::{EpochMillis, LinkId, MAX_PARTS, Message, RequestId, Value};

use crate::attributes::{Item, n, s, text, to_attribute};
use crate::error::StoreError;
use crate::events::Counts;
use crate::keys;
use crate::retention::expires_at;
use crate::table::{Table, send_update, update_if_allowed};
use crate::update_expression::UpdateExpression;

/// The time after its acceptance at which a request without a webhook is overdue: 6 hours. Belvo documents no limit. Retrievals
/// take minutes, and Belvo repeats its webhooks for some minutes more.
const OVERDUE_AFTER_MS: EpochMillis = 6 * 60 * 60 * 1_000;

/// The maximum number of parts that a request lists: those of four webhooks with the most parts. Only a forged webhook
/// exceeds it. Further parts are not counted.
const MAX_PARTS_LISTED: usize = 4 * MAX_PARTS;

/// A request that Belvo has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRequest<'a> {
    /// Belvo's id of the request.
    pub id: &'a RequestId,
    /// The action: `retrieve`, `refresh_link` or `delete_link`.
    pub action: &'static str,
    /// The link.
    pub link: &'a LinkId,
    /// The resource, if the request is for a single one.
    pub resource: Option<&'a str>,
    /// The parameters that Belvo received.
    pub parameters: Value,
    /// The resources that all have to arrive before the request is completed. If empty, any webhook completes it.
    pub awaited: &'a [String],
}

/// The status of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestStatus {
    /// Belvo is processing it.
    Accepted,
    /// A webhook reported its end, and the table has what the webhook announced.
    Completed,
    /// No webhook came in time. A late webhook still completes it.
    TimedOut,
}

/// A stored request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The status.
    pub status: RequestStatus,
    /// The action. `None` if another client sent the request.
    pub action: Option<String>,
    /// The link.
    pub link: Option<LinkId>,
    /// The resource, if the request is for a single one.
    pub resource: Option<String>,
    /// The resources that have not arrived yet, of a request for several.
    pub awaited: Vec<String>,
    /// When the request becomes overdue. `None` if its webhook is not awaited any more.
    pub due_at: Option<EpochMillis>,
}

impl RequestStatus {
    const ALL: [Self; 3] = [Self::Accepted, Self::Completed, Self::TimedOut];

    /// Returns the word that the table stores.
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
    /// Stores a request that Belvo has accepted. If a webhook has completed the request already, it stays completed, and gets
    /// the remaining attributes. If some parts of a webhook have arrived, the others are still awaited.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn accept_request(&self, request: &NewRequest<'_>, now: EpochMillis) -> Result<(), StoreError> {
        let accepted = description(request, now)
            .set("expires_at", n(expires_at(now)))
            .set("status", s(RequestStatus::Accepted.as_str()))
            .set("gsi2pk", s(keys::reconcile_shard(request.id.as_str())))
            .set("gsi2sk", s(keys::due(now.saturating_add(OVERDUE_AFTER_MS))))
            .condition("(attribute_not_exists(#status) OR (#status = :status AND attribute_not_exists(#accepted_at)))");
        let accepted = match request.awaited {
            [] => accepted,
            awaited => accepted.set("awaited", AttributeValue::Ss(awaited.to_vec())),
        };
        if update_if_allowed(accepted.apply_to(self.update(keys::request(request.id)))).await?.is_none() {
            let late = description(request, now);
            send_update(late.apply_to(self.update(keys::request(request.id)))).await?;
        }
        Ok(())
    }

    /// Records that a message was processed, which completes its request, if it belongs to one. Of a webhook that was split,
    /// every part has to be processed. `counts` is `None` if an earlier message did the work.
    ///
    /// Repeating it changes nothing: the attributes of the first completion stay.
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
        if message.part.of > 1 && !self.record_part(&id, message, now).await? {
            return Ok(());
        }
        if self.complete(&id, message, counts, now).await? {
            return Ok(());
        }
        // It awaits several resources, each with its own webhook.
        if self.record_arrival(&id, message.webhook.webhook_type()).await? {
            self.complete(&id, message, counts, now).await?;
        }
        Ok(())
    }

    /// Marks an overdue request as timed out. Returns `false` if the request is not awaited any more, or is not overdue yet.
    ///
    /// The caller lists the request's data first. If this call fails then, the data is listed once more, and nothing is lost.
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
        Ok(update_if_allowed(update).await?.is_some())
    }

    /// Returns a request, read consistently. `None` if the table does not have it.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn request(&self, id: &RequestId) -> Result<Option<Request>, StoreError> {
        self.get(keys::request(id)).await?.as_ref().map(Request::read).transpose()
    }

    /// Adds a part of a webhook to the processed parts. Returns `true` if these are now all parts of the webhook. Returns
    /// `false` also if the request is completed.
    async fn record_part(&self, id: &RequestId, message: &Message, now: EpochMillis) -> Result<bool, StoreError> {
        let webhook = webhook_name(message);
        let part = format!("{webhook}-{}", message.part.index);
        let expression = set_link_if_absent(UpdateExpression::default(), id, message)
            .set_if_absent("status", s(RequestStatus::Accepted.as_str()))
            .set_if_absent("expires_at", n(expires_at(now)))
            .add("parts_done :part", ":part", AttributeValue::Ss(vec![part]))
            .condition("(attribute_not_exists(#status) OR #status <> :completed)")
            .value(":completed", s(RequestStatus::Completed.as_str()))
            .condition("(attribute_not_exists(parts_done) OR size(parts_done) < :most)")
            .value(":most", n(MAX_PARTS_LISTED));
        let update = expression.apply_to(self.update(keys::request(id))).return_values(ReturnValue::AllNew);
        let item = update_if_allowed(update).await?.and_then(|output| output.attributes).unwrap_or_default();

        let done = item.get("parts_done").and_then(|parts| parts.as_ss().ok()).map(Vec::as_slice).unwrap_or_default();
        let of_webhook = done.iter().filter(|part| part.rsplit_once('-').is_some_and(|(name, _)| name == webhook));
        Ok(of_webhook.count() >= message.part.of)
    }

    /// Completes a request. Returns `false`, and changes nothing, if it awaits several resources.
    async fn complete(
        &self,
        id: &RequestId,
        message: &Message,
        counts: Option<Counts>,
        now: EpochMillis,
    ) -> Result<bool, StoreError> {
        let expression = set_link_if_absent(UpdateExpression::default(), id, message)
            .set_if_absent("completed_at", n(now))
            .set("status", s(RequestStatus::Completed.as_str()))
            .set("expires_at", n(expires_at(now)))
            .remove_due()
            .remove("parts_done")
            .condition("attribute_not_exists(awaited)");
        let counts = counts.into_iter().flat_map(Counts::named);
        let expression = counts.fold(expression, |all, (name, count)| all.set_if_absent(name, n(count)));
        Ok(update_if_allowed(expression.apply_to(self.update(keys::request(id)))).await?.is_some())
    }

    /// Removes a resource from the awaited ones. Returns `true` if it was the last.
    async fn record_arrival(&self, id: &RequestId, webhook_type: &str) -> Result<bool, StoreError> {
        let update = self
            .update(keys::request(id))
            .update_expression("DELETE awaited :arrived")
            .condition_expression("attribute_exists(awaited)")
            .expression_attribute_values(":arrived", AttributeValue::Ss(vec![webhook_type.to_owned()]))
            .return_values(ReturnValue::AllNew);
        let output = update_if_allowed(update).await?;
        // DynamoDB removes an empty set.
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

/// Returns a name for the webhook of a message, unique among the webhooks of a request: the first digits of its digest, which
/// every part and every continuation carries.
fn webhook_name(message: &Message) -> &str {
    let digest = message.withheld.as_ref().map_or("", |withheld| &withheld.sha256);
    digest.get(..16).unwrap_or(digest)
}

/// Returns the update with the attributes that describe a request, whatever its status.
fn description(request: &NewRequest<'_>, now: EpochMillis) -> UpdateExpression {
    let [link_id, pk, sk] = of_link(request.id, request.link);
    let expression = UpdateExpression::default()
        .set("action", s(request.action))
        .set("parameters", to_attribute(request.parameters.clone()))
        .set("accepted_at", n(now))
        .set("link_id", link_id)
        .set("gsi1pk", pk)
        .set("gsi1sk", sk);
    match request.resource {
        Some(resource) => expression.set("resource", s(resource)),
        None => expression,
    }
}

/// Sets the resource and the link of a request, as its webhook has them, where the item does not have them yet.
fn set_link_if_absent(expression: UpdateExpression, id: &RequestId, message: &Message) -> UpdateExpression {
    let expression = expression.set_if_absent("resource", s(message.webhook.webhook_type()));
    let Some(link) = message.webhook.link_id() else { return expression };
    let [link_id, pk, sk] = of_link(id, link);
    expression.set_if_absent("link_id", link_id).set_if_absent("gsi1pk", pk).set_if_absent("gsi1sk", sk)
}

/// Returns the link of a request, and its keys in `gsi1`.
fn of_link(id: &RequestId, link: &LinkId) -> [AttributeValue; 3] {
    [s(link.as_str()), s(keys::link_pk(link)), s(keys::request_name(id))]
}
