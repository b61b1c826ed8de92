//! Promises that one call can break.

/// A promise that was broken by one call. A state keeps the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Broken {
    OlderReplacedNewer,
    OvertakenWrote,
    MarkedBehind,
    RevivedByList,
    RedrivenDeletion,
    CoveredTooSoon,
    SkippedObject,
    WatermarkBack,
}
