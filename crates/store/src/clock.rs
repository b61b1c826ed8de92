//! The clock of a link, which issues the fencing tokens.
//!
//! The clock is one number on the link's item, `clock`. A pass takes its token by moving the clock forward in a conditional
//! update. So two passes never hold the same token, and the tokens of a link only grow, whatever the hosts' clocks say.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use domain::{EpochMillis, LinkId, LinkStatus};

use crate::attributes::{Item, n, number, s};
use crate::error::{PassError, StoreError, call_failed};
use crate::fencing_token::FencingToken;
use crate::keys;
use crate::link_state::LinkState;
use crate::table::Table;
use crate::update_expression::UpdateExpression;

/// The maximum number of attempts to move a contended clock.
const MAX_ATTEMPTS: usize = 5;
/// The time after which the reconcile function repeats an erasure that has not ended.
const ERASURE_DUE_AFTER_MS: EpochMillis = 60 * 60 * 1_000;
/// The attributes that the item of an ended link loses: what identifies its user, the keys of its index entries, and what a
/// schedule needs.
const REMOVED_AT_END: [&str; 16] = [
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

/// The purpose for which a caller takes a fencing token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TokenPurpose {
    /// A pass over Belvo, or a write of what a webhook says.
    Pass {
        /// When the webhook behind the pass was received, if there is one.
        webhook_at: Option<EpochMillis>,
    },
    /// The end of the link.
    End {
        /// The final status: deleted or erased.
        status: LinkStatus,
    },
}

/// The result of an attempt to move the clock.
enum ClockUpdate {
    /// The clock shows the token. The item of the link as it is now.
    Moved(Item),
    /// The clock is ahead of the token, or the status forbids the update. The unchanged item of the link.
    Rejected(Item),
}

impl Table {
    /// Takes a fencing token: moves the link's clock forward. Returns the token and the state of the link.
    pub(crate) async fn take_token(
        &self,
        link: &LinkId,
        purpose: TokenPurpose,
        now: EpochMillis,
    ) -> Result<(FencingToken, LinkState), PassError> {
        let mut token = now;
        for _ in 0..MAX_ATTEMPTS {
            let stored = match self.move_clock(link, purpose, token, now).await? {
                ClockUpdate::Moved(item) => return Ok((token, LinkState::read(&item))),
                ClockUpdate::Rejected(item) => item,
            };
            let status = LinkState::read(&stored).status;
            match status.filter(|status| purpose.forbidden_statuses().contains(status)) {
                Some(LinkStatus::Erased) => return Err(PassError::Erased),
                Some(_) => return Err(PassError::Deleted),
                None => {}
            }
            let clock = number(&stored, "clock").ok_or(StoreError::Unreadable("a link without a clock"))?;
            token = now.max(clock.saturating_add(1));
        }
        Err(StoreError::Contended.into())
    }

    async fn move_clock(
        &self,
        link: &LinkId,
        purpose: TokenPurpose,
        token: FencingToken,
        now: EpochMillis,
    ) -> Result<ClockUpdate, StoreError> {
        let expression = purpose
            .expression(link, now)
            .set("clock", n(token))
            .condition("(attribute_not_exists(#clock) OR #clock < :clock)")
            .unless_status(purpose.forbidden_statuses());
        let update = expression
            .apply_to(self.update(keys::link(link)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(AllOld);
        match update.send().await {
            Ok(output) => Ok(ClockUpdate::Moved(output.attributes.unwrap_or_default())),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                let UpdateItemError::ConditionalCheckFailedException(failed) = error.into_err() else {
                    return Err(StoreError::Unreadable("a failed condition"));
                };
                Ok(ClockUpdate::Rejected(failed.item.unwrap_or_default()))
            }
            Err(error) => Err(call_failed(&error)),
        }
    }
}

impl TokenPurpose {
    /// Returns the changes to the link's item, without the clock.
    fn expression(self, link: &LinkId, now: EpochMillis) -> UpdateExpression {
        match self {
            Self::Pass { webhook_at } => {
                let expression = UpdateExpression::default().set_if_absent("status", s(LinkStatus::Active.as_str()));
                match webhook_at {
                    Some(at) => expression.set("last_event_at", n(at)),
                    None => expression,
                }
            }
            Self::End { status } => {
                let expression = REMOVED_AT_END.into_iter().fold(UpdateExpression::default(), UpdateExpression::remove);
                let expression = expression.set("status", s(status.as_str()));
                match status {
                    // The reconcile function repeats an erasure that stopped before its end.
                    LinkStatus::Erased => {
                        expression.set_if_absent("erased_at", n(now)).set_due(link, now + ERASURE_DUE_AFTER_MS)
                    }
                    _ => expression.remove_due(),
                }
            }
        }
    }

    /// Returns the statuses of a link under which no token is issued.
    fn forbidden_statuses(self) -> &'static [LinkStatus] {
        match self {
            Self::Pass { .. } => &[LinkStatus::Erased, LinkStatus::Deleted],
            Self::End { status: LinkStatus::Erased } => &[],
            Self::End { .. } => &[LinkStatus::Erased],
        }
    }
}
