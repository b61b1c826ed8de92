//! Violations of promises by a single call.

/// A promise that a call violated. A state keeps the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Violation {
    OlderReplacedNewer,
    OvertakenPassWrote,
    MarkedBehindNewer,
    RestoredByList,
    DeletedAfterReturn,
    CoveredTooEarly,
    ObjectSkipped,
    WatermarkMovedBack,
}
