//! How a job ended, for its event item and its line in the log.

use store::{Check, Counts, Outcome};

/// How a job ended.
#[derive(Debug)]
pub(crate) enum JobOutcome {
    /// A pass was finished, and its event with it: applied, or continued by a message of its own. `was_in_doubt`: the
    /// listing before it was, and no whole one has removed the doubt since.
    Finished { outcome: Outcome, counts: Counts, check: Option<Check>, was_in_doubt: bool },
    /// The work on the link itself was done, or continued by a message of its own.
    Settled(Outcome),
    /// A whole listing that began later has done it, or something newer is known.
    Covered,
    /// There was nothing to be done.
    Recorded(&'static str),
    /// Nothing that this release knows.
    Unknown,
    /// It cannot be done, and no retry changes that.
    Refused(&'static str),
    /// The link is no more: its event keeps no content.
    NoLink(&'static str),
}

impl JobOutcome {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Finished { outcome, .. } | Self::Settled(outcome) => *outcome,
            Self::Covered => Outcome::Covered,
            Self::Recorded(_) => Outcome::Recorded,
            Self::Unknown => Outcome::Unknown,
            Self::Refused(_) | Self::NoLink(_) => Outcome::Refused,
        }
    }

    /// Is what the message asks for in the table now?
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.outcome(), Outcome::Applied | Outcome::Covered)
    }

    /// What a pass has done; none when there was none.
    pub(crate) fn finished(&self) -> Option<Counts> {
        match self {
            Self::Finished { counts, .. } => Some(*counts),
            _ => None,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.finished().unwrap_or_default()
    }

    pub(crate) fn check(&self) -> Option<Check> {
        match self {
            Self::Finished { check, .. } => *check,
            _ => None,
        }
    }

    /// Is it in doubt, as what was listed before it?
    pub(crate) fn drifts_again(&self) -> bool {
        matches!(self, Self::Finished { check: Some(Check::Drift), was_in_doubt: true, .. })
    }

    pub(crate) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Recorded(reason) | Self::Refused(reason) | Self::NoLink(reason) => Some(reason),
            _ => None,
        }
    }
}
