//! How a job ended, for its event item and its line in the log.

use store::{Check, Counts, Outcome};

/// How a job ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// A pass was finished, and its event with it: applied, or continued by a message of its own.
    Finished { outcome: Outcome, counts: Counts, check: Option<Check> },
    /// A whole listing that began later has done it.
    Covered,
    /// Nothing that this release knows.
    Unknown,
    /// It cannot be done, and no retry changes that.
    Refused(&'static str),
}

impl Ended {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Finished { outcome, .. } => *outcome,
            Self::Covered => Outcome::Covered,
            Self::Unknown => Outcome::Unknown,
            Self::Refused(_) => Outcome::Refused,
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

    pub(crate) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Refused(reason) => Some(reason),
            _ => None,
        }
    }
}
