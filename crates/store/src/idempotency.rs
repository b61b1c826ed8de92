//! Attempts: what stands in the table before a request leaves for Belvo.
//!
//! **Guarantee.** Under one key a request leaves at most once, however often and from wherever it is asked for, until it
//! has certainly come to nothing.
//! **Mechanism.** A conditional item, written before. When the function dies between the two it stays behind without a
//! result, and says so to whoever asks again: nobody can know whether Belvo was reached.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use domain::{EpochMillis, RequestId};

use crate::attributes::{Item, n, number, s, text};
use crate::table::{call_failed, send_if_allowed};
use crate::{StoreError, Table, expires_at, keys};

const BEGUN: &str = "begun";
const DONE: &str = "done";
const RELEASED: &str = "released";

/// Something that is about to be asked of Belvo.
#[derive(Debug, Clone, Copy)]
pub struct KeyedRequest<'a> {
    /// Under this key it is asked for once.
    pub key: &'a str,
    /// What is asked for, for whoever looks.
    pub action: &'static str,
    /// Equal for equal requests.
    pub fingerprint: &'a str,
}

/// May a request leave?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// Yes: nobody has sent it under this key, which is now held.
    Send(IdempotencyGuard),
    /// It was sent, and this came of it; no request id when Belvo did it at once.
    Replay {
        /// Belvo's id for it.
        request_id: Option<RequestId>,
    },
    /// It was begun, and nobody knows what came of it.
    OutcomeUnknown {
        /// When.
        began_at: EpochMillis,
    },
    /// The key was used for another request.
    KeyReused,
}

/// A key that was taken. Whoever holds it says what came of the request; nobody else can, not even an earlier holder
/// whose call was late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyGuard {
    key: String,
    mark: String,
}

impl Table {
    /// Takes the key for a request that is about to leave.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing may leave.
    pub async fn reserve_key(&self, request: &KeyedRequest<'_>, now: EpochMillis) -> Result<Reservation, StoreError> {
        // Tells our own write from another's, when the SDK repeats a call whose answer was lost.
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
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            // TTL removes late: what has expired does not count.
            .condition_expression("attribute_not_exists(pk) OR #status = :released OR expires_at < :now")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":released", s(RELEASED))
            .expression_attribute_values(":now", n(now / 1_000))
            .return_values_on_condition_check_failure(AllOld);
        match put.send().await {
            Ok(_) => Ok(Reservation::Send(IdempotencyGuard { key: request.key.to_owned(), mark })),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                let PutItemError::ConditionalCheckFailedException(failed) = error.into_err() else {
                    return Err(StoreError::Unreadable("a failed condition"));
                };
                let there = failed.item.ok_or(StoreError::Unreadable("a failed condition without its item"))?;
                classify(&there, request, mark)
            }
            Err(error) => Err(call_failed(&error)),
        }
    }

    /// Notes what came of a request, for whoever asks again.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn complete_key(
        &self,
        held: &IdempotencyGuard,
        request_id: Option<&RequestId>,
    ) -> Result<(), StoreError> {
        let update = match (self.of(held), request_id) {
            (update, None) => update.update_expression("SET #status = :done"),
            (update, Some(id)) => update
                .update_expression("SET #status = :done, request_id = :id")
                .expression_attribute_values(":id", s(id.as_str())),
        };
        send_if_allowed(update.expression_attribute_values(":done", s(DONE))).await?;
        Ok(())
    }

    /// Gives a key back whose request certainly came to nothing.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn release_key(&self, held: &IdempotencyGuard) -> Result<(), StoreError> {
        let update = self.of(held).update_expression("SET #status = :released");
        send_if_allowed(update.expression_attribute_values(":released", s(RELEASED))).await?;
        Ok(())
    }

    /// An update that is refused when somebody else holds the key by now.
    fn of(&self, held: &IdempotencyGuard) -> UpdateItemFluentBuilder {
        self.update(keys::idempotency(&held.key))
            .condition_expression("mark = :mark")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":mark", s(&held.mark))
    }
}

fn classify(there: &Item, request: &KeyedRequest<'_>, mark: String) -> Result<Reservation, StoreError> {
    if text(there, "mark") == Some(&mark) {
        return Ok(Reservation::Send(IdempotencyGuard { key: request.key.to_owned(), mark }));
    }
    if text(there, "fingerprint") != Some(request.fingerprint) {
        return Ok(Reservation::KeyReused);
    }
    if text(there, "status") == Some(DONE) {
        return Ok(Reservation::Replay {
            request_id: text(there, "request_id").and_then(|id| RequestId::parse(id).ok()),
        });
    }
    let began_at = number(there, "began_at").ok_or(StoreError::Unreadable("an attempt without began_at"))?;
    Ok(Reservation::OutcomeUnknown { began_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_we_have_just_written_ourselves_stops_nobody() {
        let there = Item::from(
            [("mark", s("m")), ("fingerprint", s("a")), ("began_at", n(1))]
                .map(|(name, value)| (name.to_owned(), value)),
        );
        let request = KeyedRequest { key: "key", action: "retrieve", fingerprint: "a" };
        let classify = |mark: &str| classify(&there, &request, mark.to_owned()).unwrap();
        assert!(matches!(classify("m"), Reservation::Send(_)));
        assert_eq!(classify("another"), Reservation::OutcomeUnknown { began_at: 1 });
    }
}
