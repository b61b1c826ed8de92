//! The link's clock: one number on the link's item. Whoever moves it owns the fencing token that it then shows.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use domain::{EpochMillis, LinkId, LinkStatus};

use crate::attributes::{Item, n, number, s};
use crate::links::LinkState;
use crate::table::call_failed;
use crate::update_expression::UpdateExpression;
use crate::{FencingToken, PassError, StoreError, Table, keys};

/// How often a contended clock is tried.
const CLOCK_ATTEMPTS: usize = 5;
/// After so long a marked link whose erasure has not ended is taken up by the schedule.
const ERASED_WITHIN_MS: EpochMillis = 60 * 60 * 1_000;
/// What a link's item keeps of a link that is no more: nothing that leads to its user, and no place in an index.
const FORGOTTEN: [&str; 16] = [
    "external_id",
    "gsi1pk",
    "gsi1sk",
    "institution",
    "action",
    "consent",
    "consent_event_at",
    "consent_due_date",
    "announced_status",
    "announced_at",
    "known_since",
    "access_mode",
    "refresh_rate",
    "fetch_resources",
    "overdue_since",
    "status_asked_at",
];

/// What a fencing token is wanted for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Claim {
    /// A look at Belvo, or a write of what a webhook says. Refused when the link is deleted or erased.
    Pass(Option<EpochMillis>),
    /// The end of the link, with this final status. Only what is erased cannot be deleted any more.
    End(LinkStatus),
}

impl Table {
    /// Moves the clock on and gives the fencing token, with what is known of the link.
    pub(crate) async fn take_token(
        &self,
        link: &LinkId,
        claim: Claim,
        now: EpochMillis,
    ) -> Result<(FencingToken, LinkState), PassError> {
        let mut token = now;
        for _ in 0..CLOCK_ATTEMPTS {
            let there = match self.move_clock(link, claim, token, now).await? {
                Ok(moved) => return Ok((token, LinkState::read(&moved))),
                Err(there) => there,
            };
            match LinkState::read(&there).status {
                Some(LinkStatus::Erased) if !matches!(claim, Claim::End(LinkStatus::Erased)) => {
                    return Err(PassError::Erased);
                }
                Some(LinkStatus::Deleted) if matches!(claim, Claim::Pass(_)) => return Err(PassError::Deleted),
                _ => {}
            }
            let clock = number(&there, "clock").ok_or(StoreError::Unreadable("a link without a clock"))?;
            token = now.max(clock.saturating_add(1));
        }
        Err(StoreError::Contended.into())
    }

    /// Sets the clock, if that moves it on and the link's status allows it: the link as it then is. Otherwise, as an error,
    /// the link as it stands.
    async fn move_clock(
        &self,
        link: &LinkId,
        claim: Claim,
        token: FencingToken,
        now: EpochMillis,
    ) -> Result<Result<Item, Item>, StoreError> {
        let mut expression = claim.expression(link, now).set("clock", n(token));
        let mut condition = "(attribute_not_exists(clock) OR clock < :s)".to_owned();
        if let Some(statuses) = claim.refused_by() {
            let (both, unless) = expression.unless(statuses);
            (expression, condition) = (both, format!("{condition} AND {unless}"));
        }
        let text = expression.text();
        let (names, values) = expression.under_the_clock(token);
        let update = self
            .update(keys::link(link))
            .update_expression(text)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(AllOld);
        match update.send().await {
            Ok(output) => Ok(Ok(output.attributes.unwrap_or_default())),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                let UpdateItemError::ConditionalCheckFailedException(failed) = error.into_err() else {
                    return Err(StoreError::Unreadable("a failed condition"));
                };
                Ok(Err(failed.item.unwrap_or_default()))
            }
            Err(error) => Err(call_failed(&error)),
        }
    }
}

impl Claim {
    /// What changes on the link's item, beside the clock.
    fn expression(self, link: &LinkId, now: EpochMillis) -> UpdateExpression {
        match self {
            Self::Pass(webhook_at) => {
                let mut expression =
                    UpdateExpression::default().set_if_absent("status", s(LinkStatus::Active.as_str()));
                if let Some(at) = webhook_at {
                    expression = expression.set("last_event_at", n(at));
                }
                expression
            }
            Self::End(status) => {
                let expression = FORGOTTEN.into_iter().fold(UpdateExpression::default(), UpdateExpression::remove);
                let expression = expression.set("status", s(status.as_str()));
                match status {
                    // Due, in case that whoever ends it does not come to the end.
                    LinkStatus::Erased => expression
                        .set_if_absent("erased_at", n(now))
                        .set("gsi2pk", s(keys::reconcile_shard(link.as_str())))
                        .set("gsi2sk", s(keys::due(now + ERASED_WITHIN_MS))),
                    _ => expression.remove("gsi2pk").remove("gsi2sk"),
                }
            }
        }
    }

    /// The statuses that do not allow it.
    fn refused_by(self) -> Option<&'static [LinkStatus]> {
        match self {
            Self::Pass(_) => Some(&[LinkStatus::Erased, LinkStatus::Deleted]),
            Self::End(LinkStatus::Erased) => None,
            Self::End(_) => Some(&[LinkStatus::Erased]),
        }
    }
}
