//! An order, from its key to what is stored of it.
//!
//! | when this dies or fails | what is left | what happens |
//! |---|---|---|
//! | before the key is taken | nothing | whoever asks again starts anew |
//! | between the key and Belvo's answer | a key without a result | asking again says `OutcomeUnknown`; a webhook, if Belvo was reached, makes the request's item |
//! | after Belvo's answer, before it is stored | the same | the same |
//! | after it is stored | everything | asking again gives the same request id |

use belvo::{Accepted, Client, SubmitError};
use domain::{LinkId, LinkStatus, Message, RequestId, Source, Value, now};
use serde_json::value::to_raw_value;
use store::{IdempotencyGuard, KeyedRequest, NewRequest, RequestStatus, Reservation};
use tracing::error;

use crate::action::{Order, Work};
use crate::{Refusal, Requester, Response};

impl Requester {
    /// Has Belvo do it, unless it was asked to already.
    pub(crate) async fn order(&self, order: &Order, invocation: &str) -> Result<Response, Refusal> {
        // Before the key: what fails here has cost nothing.
        if self.table.link(&order.link).await?.status == Some(LinkStatus::Erased) {
            return Err(Refusal::LinkErased);
        }
        let belvo = self.access.fresh_client().await?;
        // A caller's key has no colon. Lambda's own id stops a second delivery of the same invocation.
        let key = order.idempotency_key.clone().unwrap_or_else(|| format!("lambda:{invocation}"));
        let fingerprint = order.fingerprint();
        let request = KeyedRequest { key: &key, action: order.work.name(), fingerprint: &fingerprint };
        match self.table.reserve_key(&request, now()).await? {
            Reservation::Send(held) => self.send(belvo, order, &held, invocation).await,
            Reservation::Replay { request_id } => self.repeated(order, request_id).await,
            Reservation::OutcomeUnknown { began_at } => Err(Refusal::EarlierOutcomeUnknown { began_at }),
            Reservation::KeyReused => Err(Refusal::IdempotencyKeyReused),
        }
    }

    async fn send(
        &self,
        belvo: &Client,
        order: &Order,
        held: &IdempotencyGuard,
        invocation: &str,
    ) -> Result<Response, Refusal> {
        match order.send(belvo).await {
            Ok(Accepted::Later(id)) => {
                let is_stored = self.store(order, held, &id).await;
                Ok(Response::accepted(order.work.name(), &id, is_stored))
            }
            Ok(Accepted::AtOnce) => {
                let is_stored = self.follow_up(order, held, invocation).await;
                Ok(Response::done(order.work.name(), is_stored))
            }
            // The key stays taken: nobody knows whether a repetition would be the second.
            Err(SubmitError::Unknown(fault)) => Err(Refusal::OutcomeUnknown(fault)),
            Err(refused) => {
                if let Err(trouble) = self.table.release_key(held).await {
                    error!(error = %trouble, "cannot give back the key of an order that was refused");
                }
                Err(refused.into())
            }
        }
    }

    /// Keeps what Belvo has accepted. That this fails is no reason to tell the caller that the order failed: that would
    /// have it sent again.
    async fn store(&self, order: &Order, held: &IdempotencyGuard, id: &RequestId) -> bool {
        let request = NewRequest {
            id,
            action: order.work.name(),
            link: &order.link,
            resource: order.work.resource(),
            parameters: stored(&order.work),
            awaited: order.work.awaited(),
        };
        let kept = self.table.accept_request(&request, now()).await;
        let ended = self.table.complete_key(held, Some(id)).await;
        for trouble in [kept.as_ref().err(), ended.as_ref().err()].into_iter().flatten() {
            error!(request_id = id.as_str(), error = %trouble, "cannot store what Belvo has accepted");
        }
        kept.is_ok()
    }

    /// Belvo did it while we waited, so there may be no webhook: what it would have brought about is queued here.
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
        if let Err(trouble) = &queued {
            error!(link_id = order.link.as_str(), error = %trouble, "cannot queue what follows an order");
        }
        if let Err(trouble) = &ended {
            error!(link_id = order.link.as_str(), error = %trouble, "cannot store that an order was done");
        }
        queued.is_ok()
    }

    /// These resources, or else all that are synced.
    async fn relist(&self, link: &LinkId, resources: &[&str], invocation: &str) -> Result<(), Refusal> {
        if !resources.is_empty() {
            return self.enqueue_listings(link, resources, invocation).await;
        }
        let synced = self.table.synced_resources(link).await?;
        let synced: Vec<_> = synced.into_iter().map(|resource| resource.webhook_type).collect();
        self.enqueue_listings(link, &synced, invocation).await
    }

    async fn enqueue_deletion(&self, link: &LinkId, invocation: &str) -> Result<(), Refusal> {
        let key = format!("deleted-{invocation}");
        let message = Message::internal(Source::Resync, link, ("LINK", "link_deleted"), now(), key);
        Ok(self.queue.send(message.as_slice()).await?)
    }

    /// What came of an order that was sent before.
    async fn repeated(&self, order: &Order, request_id: Option<RequestId>) -> Result<Response, Refusal> {
        let Some(id) = request_id else { return Ok(Response::done(order.work.name(), true).repeated()) };
        let stored = self.table.request(&id).await?;
        let status = stored.as_ref().map_or(RequestStatus::Accepted, |request| request.status);
        Ok(Response::accepted(order.work.name(), &id, stored.is_some()).with_status(status).repeated())
    }
}

/// What was sent, for the request's item.
fn stored(work: &Work) -> Value {
    let raw = to_raw_value(&work.parameters()).ok();
    raw.map_or(Value::Null, |raw| Value::read(&raw, &mut Vec::new()))
}
