//! How a job ended, for its event item and its log event.

use domain::LinkStatus;
use store::{Check, Counts, Outcome};

/// How a job ended.
#[derive(Debug)]
pub(crate) enum JobOutcome {
    /// A pass ended, and its event with it. `outcome` is applied, or continued by another message.
    PassFinished {
        outcome: Outcome,
        counts: Counts,
        check: Option<Check>,
        /// Whether a listing before this pass ended as drift, and no whole listing has removed the drift since.
        drifted_before: bool,
    },
    /// The work on the link itself is applied, or continued by another message.
    LinkUpdated(Outcome),
    /// A whole listing that began later has done it, or something newer is known.
    Covered,
    /// The webhook asks for nothing.
    Recorded(&'static str),
    /// This release does not know what the webhook asks for.
    Unknown,
    /// It cannot be done, and no retry changes that.
    Refused(&'static str),
    /// The link was deleted or erased. Its event keeps no content.
    LinkEnded(LinkEnd),
}

/// The end of a link: Belvo deleted it, or an operator erased its data. Nothing is stored for the link again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkEnd {
    Deleted,
    Erased,
}

impl LinkEnd {
    /// Returns how a link with this status ended, or `None` if it has not ended.
    pub(crate) fn of(status: Option<LinkStatus>) -> Option<Self> {
        match status {
            Some(LinkStatus::Erased) => Some(Self::Erased),
            Some(LinkStatus::Deleted) => Some(Self::Deleted),
            _ => None,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Deleted => "the link was deleted",
            Self::Erased => "the link was erased",
        }
    }
}

impl JobOutcome {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::PassFinished { outcome, .. } | Self::LinkUpdated(outcome) => *outcome,
            Self::Covered => Outcome::Covered,
            Self::Recorded(_) => Outcome::Recorded,
            Self::Unknown => Outcome::Unknown,
            Self::Refused(_) | Self::LinkEnded(_) => Outcome::Refused,
        }
    }

    /// Returns `true` if the table now holds what the message asks for.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.outcome(), Outcome::Applied | Outcome::Covered)
    }

    /// Returns what the pass did, or `None` if no pass ended.
    pub(crate) fn counts(&self) -> Option<Counts> {
        match self {
            Self::PassFinished { counts, .. } => Some(*counts),
            _ => None,
        }
    }

    pub(crate) fn check(&self) -> Option<Check> {
        match self {
            Self::PassFinished { check, .. } => *check,
            _ => None,
        }
    }

    /// Returns `true` if the listing ended as drift, and the listing before it did too.
    pub(crate) fn drifts_again(&self) -> bool {
        matches!(self, Self::PassFinished { check: Some(Check::Drift), drifted_before: true, .. })
    }

    pub(crate) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Recorded(reason) | Self::Refused(reason) => Some(reason),
            Self::LinkEnded(end) => Some(end.reason()),
            _ => None,
        }
    }
}
