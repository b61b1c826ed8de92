//! Idempotency keys of requests to Belvo.
//!
//! **Guarantee.** For each key at most one request leaves for Belvo, until that request has certainly failed.
//! **Mechanism.** The request function reserves the key in a conditional put before it sends the request. If the function
//! dies before it records the result, the item stays without a result. A repetition then learns that the outcome is unknown,
//! and sends nothing.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use domain::{EpochMillis, RequestId};

use crate::attributes::{Item, n, number, s, text};
use crate::error::StoreError;
use crate::keys;
use crate::retention::expires_at;
use crate::table::{Table, put_if_allowed, update_if_allowed};

const BEGUN: &str = "begun";
const DONE: &str = "done";
const RELEASED: &str = "released";

/// A request to Belvo, with its idempotency key.
#[derive(Debug, Clone, Copy)]
pub struct KeyedRequest<'a> {
    /// The idempotency key.
    pub key: &'a str,
    /// The action that the request asks for. Stored for operators.
    pub action: &'static str,
    /// A digest of the request: equal for equal requests.
    pub fingerprint: &'a str,
}

/// What the caller does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// Send it. The key was free, and is reserved now.
    Send(IdempotencyGuard),
    /// Return the result of the earlier, equal request.
    Replay {
        /// Belvo's id of the request. `None` if Belvo completed it at once.
        request_id: Option<RequestId>,
    },
    /// Report that the outcome of the earlier, equal request is unknown.
    OutcomeUnknown {
        /// When the earlier request reserved the key.
        began_at: EpochMillis,
    },
    /// Reject it: the key belongs to a different request.
    KeyReused,
}

/// The right to record the result of a request under a reserved key. An earlier holder, whose call returns late, has lost it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyGuard {
    key: String,
    /// A random id of the reservation.
    mark: String,
}

impl Table {
    /// Reserves the key of a request.
    ///
    /// # Errors
    /// [`StoreError`]; the caller must not send the request then.
    pub async fn reserve_key(&self, request: &KeyedRequest<'_>, now: EpochMillis) -> Result<Reservation, StoreError> {
        // If the SDK repeats a put whose response was lost, the mark shows that the stored item is its own.
        let mark = format!("{:016x}", fastrand::u64(..));
        let mut item = keys::idempotency(request.key);
        item.extend(
            [
                ("status", s(BEGUN)),
                ("action", s(request.action)),
                ("fingerprint", s(request.fingerprint)),
                ("mark", s(&mark)),
                ("began_at", n(now)),
                ("expires_at", n(expires_at(now))),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let put = self
            .put(item)
            // DynamoDB removes expired items late, so an expired item does not count.
            .condition_expression("attribute_not_exists(pk) OR #status = :released OR expires_at < :now")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":released", s(RELEASED))
            .expression_attribute_values(":now", n(now / 1_000));
        match put_if_allowed(put).await? {
            None => Ok(Reservation::Send(IdempotencyGuard { key: request.key.to_owned(), mark })),
            Some(stored) => classify(&stored, request, mark),
        }
    }

    /// Records the result of a request. `request_id` is absent if Belvo completed the request at once.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn complete_key(
        &self,
        guard: &IdempotencyGuard,
        request_id: Option<&RequestId>,
    ) -> Result<(), StoreError> {
        let update = match (self.update_reservation(guard), request_id) {
            (update, None) => update.update_expression("SET #status = :done"),
            (update, Some(id)) => update
                .update_expression("SET #status = :done, request_id = :id")
                .expression_attribute_values(":id", s(id.as_str())),
        };
        update_if_allowed(update.expression_attribute_values(":done", s(DONE))).await?;
        Ok(())
    }

    /// Releases the key of a request that has certainly failed.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn release_key(&self, guard: &IdempotencyGuard) -> Result<(), StoreError> {
        let update = self.update_reservation(guard).update_expression("SET #status = :released");
        update_if_allowed(update.expression_attribute_values(":released", s(RELEASED))).await?;
        Ok(())
    }

    /// Returns an update on condition that the guard's reservation still holds the key.
    fn update_reservation(&self, guard: &IdempotencyGuard) -> UpdateItemFluentBuilder {
        self.update(keys::idempotency(&guard.key))
            .condition_expression("mark = :mark")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":mark", s(&guard.mark))
    }
}

/// Returns what the caller does with a request whose key is taken.
fn classify(stored: &Item, request: &KeyedRequest<'_>, mark: String) -> Result<Reservation, StoreError> {
    if text(stored, "mark") == Some(&mark) {
        return Ok(Reservation::Send(IdempotencyGuard { key: request.key.to_owned(), mark }));
    }
    if text(stored, "fingerprint") != Some(request.fingerprint) {
        return Ok(Reservation::KeyReused);
    }
    if text(stored, "status") == Some(DONE) {
        let request_id = text(stored, "request_id").and_then(|id| RequestId::parse(id).ok());
        return Ok(Reservation::Replay { request_id });
    }
    let began_at = number(stored, "began_at").ok_or(StoreError::Unreadable("an attempt without began_at"))?;
    Ok(Reservation::OutcomeUnknown { began_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_put_finds_its_own_item_and_does_not_stop_the_request() {
        let stored = Item::from(
            [("mark", s("m")), ("fingerprint", s("a")), ("began_at", n(1))]
                .map(|(name, value)| (name.to_owned(), value)),
        );
        let request = KeyedRequest { key: "key", action: "retrieve", fingerprint: "a" };
        let classify = |mark: &str| classify(&stored, &request, mark.to_owned()).unwrap();
        assert!(matches!(classify("m"), Reservation::Send(_)));
        assert_eq!(classify("another"), Reservation::OutcomeUnknown { began_at: 1 });
    }
}
