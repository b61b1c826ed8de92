//! Submission of an order to Belvo, from its idempotency key to the stored request.
//!
//! | the function fails | stored until then | the same key again |
//! |---|---|---|
//! | before it reserves the key | nothing | starts anew |
//! | before Belvo responds | the key without a result | `OutcomeUnknown`. If the order reached Belvo, a webhook creates the request's item |
//! | before it stores the response | the key without a result | the same |
//! | after it stores the response | the key and the request | returns the same request id |

use belvo::{Accepted, Client, SubmitError};
use domain::{LinkId, LinkStatus, Message, RequestId, Source, Value, now};
use serde_json::value::to_raw_value;
use store::{IdempotencyGuard, KeyedRequest, NewRequest, RequestStatus, Reservation};
use tracing::error;

use crate::action::{Order, Work};
use crate::{ActionError, Requester, Response};

impl Requester {
    /// Sends an order, unless its key was used before.
    pub(crate) async fn submit(&self, order: &Order, invocation: &str) -> Result<Response, ActionError> {
        // Before the key is reserved, a failure leaves nothing behind.
        if self.table.link(&order.link).await?.status == Some(LinkStatus::Erased) {
            return Err(ActionError::LinkErased);
        }
        let belvo = self.belvo.fresh_client().await?;

        // A caller's key has no colon. Lambda's id of the invocation stops its second delivery.
        let key = order.idempotency_key.clone().unwrap_or_else(|| format!("lambda:{invocation}"));
        let fingerprint = order.fingerprint();
        let request = KeyedRequest { key: &key, action: order.work.name(), fingerprint: &fingerprint };
        match self.table.reserve_key(&request, now()).await? {
            Reservation::Send(held) => self.send(belvo, order, &held, invocation).await,
            Reservation::Replay { request_id } => self.earlier_result(order, request_id).await,
            Reservation::OutcomeUnknown { began_at } => Err(ActionError::EarlierOutcomeUnknown { began_at }),
            Reservation::KeyReused => Err(ActionError::IdempotencyKeyReused),
        }
    }

    async fn send(
        &self,
        belvo: &Client,
        order: &Order,
        held: &IdempotencyGuard,
        invocation: &str,
    ) -> Result<Response, ActionError> {
        match order.send(belvo).await {
            Ok(Accepted::Pending(id)) => {
                let is_stored = self.store_request(order, held, &id).await;
                Ok(Response::accepted(order.work.name(), &id, is_stored))
            }
            Ok(Accepted::Completed) => {
                let is_stored = self.follow_up(order, held, invocation).await;
                Ok(Response::done(order.work.name(), is_stored))
            }
            // The key stays reserved: the order may have reached Belvo.
            Err(SubmitError::Unknown(fault)) => Err(ActionError::OutcomeUnknown(fault)),
            Err(rejected) => {
                if let Err(error) = self.table.release_key(held).await {
                    error!(error = %error, "cannot release the idempotency key of a rejected order");
                }
                Err(rejected.into())
            }
        }
    }

    /// Stores the request that Belvo has accepted. A failure is not an error for the caller, who would send the order again.
    /// Returns `true` if the request was stored.
    async fn store_request(&self, order: &Order, held: &IdempotencyGuard, id: &RequestId) -> bool {
        let request = NewRequest {
            id,
            action: order.work.name(),
            link: &order.link,
            resource: order.work.resource(),
            parameters: parameters(&order.work),
            awaited: order.work.awaited(),
        };
        let stored = self.table.accept_request(&request, now()).await;
        let ended = self.table.complete_key(held, Some(id)).await;
        for error in [stored.as_ref().err(), ended.as_ref().err()].into_iter().flatten() {
            error!(request_id = id.as_str(), error = %error, "cannot store an accepted request");
        }
        stored.is_ok()
    }

    /// Enqueues what a webhook would have caused. Belvo carried out the order synchronously, so there may be no webhook. Returns
    /// `true` if the messages were enqueued.
    async fn follow_up(&self, order: &Order, held: &IdempotencyGuard, invocation: &str) -> bool {
        let queued = match &order.work {
            Work::Retrieve { retrieval, .. } => {
                self.enqueue_listings(&order.link, &[retrieval.resource], invocation).await
            }
            Work::RefreshLink { fetch_resources } => {
                let resources: Vec<_> = fetch_resources.iter().map(String::as_str).collect();
                self.relist(&order.link, &resources, invocation).await
            }
            Work::DeleteLink => self.enqueue_deletion(&order.link, invocation).await,
        };
        let ended = self.table.complete_key(held, None).await;
        if let Err(error) = &queued {
            error!(link_id = order.link.as_str(), error = %error, "cannot enqueue the messages of a completed order");
        }
        if let Err(error) = &ended {
            error!(link_id = order.link.as_str(), error = %error, "cannot store the result of a completed order");
        }
        queued.is_ok()
    }

    /// Enqueues listings of these resources, or of all synced resources if there are none.
    async fn relist(&self, link: &LinkId, resources: &[&str], invocation: &str) -> Result<(), ActionError> {
        if !resources.is_empty() {
            return self.enqueue_listings(link, resources, invocation).await;
        }
        let synced = self.table.synced_resources(link).await?;
        let synced: Vec<_> = synced.into_iter().map(|resource| resource.webhook_type).collect();
        self.enqueue_listings(link, &synced, invocation).await
    }

    async fn enqueue_deletion(&self, link: &LinkId, invocation: &str) -> Result<(), ActionError> {
        let key = format!("deleted-{invocation}");
        let message = Message::internal(Source::Resync, link, ("LINK", "link_deleted"), now(), key);
        Ok(self.queue.send(message.as_slice()).await?)
    }

    /// Returns the result of an order that was sent before with the same key.
    async fn earlier_result(&self, order: &Order, request_id: Option<RequestId>) -> Result<Response, ActionError> {
        let Some(id) = request_id else { return Ok(Response::done(order.work.name(), true).repeated()) };
        let stored = self.table.request(&id).await?;
        let status = stored.as_ref().map_or(RequestStatus::Accepted, |request| request.status);
        Ok(Response::accepted(order.work.name(), &id, stored.is_some()).with_status(status).repeated())
    }
}

/// Returns the parameters of the order for the request's item.
fn parameters(work: &Work) -> Value {
    let raw = to_raw_value(&work.parameters()).ok();
    raw.map_or(Value::Null, |raw| Value::read(&raw, &mut Vec::new()))
}
