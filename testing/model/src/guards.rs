//! The guards of the protocol. The product has all of them; a test removes one and shows which promise breaks.

/// A guard of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// A fencing token is `max(now, clock + 1)`. Without: the host's own time.
    GrowingTokens,
    /// A pass reads the clock before each write, and stops if a later pass has begun.
    Fence,
    /// An upsert has the condition `fetched_at <= token`.
    UpsertKeepsNewer,
    /// An upsert does not replace a tombstone: only a response of `/{id}/` restores an object.
    UpsertKeepsTombstones,
    /// The write of a tombstone has the condition `fetched_at < token`.
    TombstoneKeepsNewer,
    /// A deletion writes a tombstone even if no record is stored.
    TombstoneWithoutRecord,
    /// A restore replaces any older item. Without: only the tombstone that the pass read.
    RestoreAnyOlder,
    /// A restore has a condition.
    RestoreWithCondition,
    /// A pass does not restore a tombstone with a newer token.
    RestoreOnlyOlder,
    /// A write of `missing_since` has the condition that the record is not newer than the listing.
    MarkKeepsNewer,
    /// A listing requests the objects of its tombstones by their ids.
    RecheckTombstones,
    /// It does so only while the clock still shows its token: the next token is taken on that condition.
    RecheckIfCurrent,
    /// A record with `missing_since` never counts as unchanged.
    MissingIsChanged,
    /// A deletion is applied without a request to Belvo only if no pass has read from Belvo since its announcement.
    VerifyDeletions,
    /// A deletion takes its token before it reads `last_pass_at`.
    TokenBeforeLastPass,
    /// `last_pass_at` never moves back.
    LastPassOnlyForward,
    /// Comparisons of two hosts' times allow a margin.
    ClockMargin,
    /// An event is covered by the time at which a listing began, not by its token, which may be ahead of every clock.
    CoveredByStartTime,
    /// The checkpoint is rejected if a later pass has begun.
    CheckpointIfCurrent,
    /// A continuation continues only if the last page that was read still holds the same ids.
    PageDigest,
    /// A list whose `count` changes, or that ends too early or too late, is not a whole listing.
    MoveDetection,
    /// A message is acknowledged after its work, not before.
    AcknowledgeLast,
    /// A late delivery does not reopen an event that another delivery has ended.
    EndedStaysEnded,
    /// A continued comparison takes its token before it reads whether a newer listing has ended.
    TokenBeforeComparing,
}

/// A set of guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guards {
    absent: u32,
}

impl Guards {
    /// Returns the set of all guards.
    #[must_use]
    pub fn all() -> Self {
        Self { absent: 0 }
    }

    /// Returns the set without a guard.
    #[must_use]
    pub fn without(self, guard: Guard) -> Self {
        Self { absent: self.absent | 1 << guard as u32 }
    }

    /// Returns `true` if the set contains the guard.
    #[must_use]
    pub fn has(self, guard: Guard) -> bool {
        self.absent & 1 << guard as u32 == 0
    }
}
