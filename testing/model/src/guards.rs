//! The rules that make the protocol safe. The product has all of them; a test takes one away and shows what then breaks.

/// One rule of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// A stamp is `max(now, clock + 1)`. Without: the host's own time, whatever the clock says.
    GrowingStamps,
    /// Before it writes, a pass reads the clock again and stops when that has moved on.
    Fence,
    /// An upsert asks for `fetched_at <= stamp`.
    UpsertSparesNewer,
    /// An upsert leaves a tombstone alone: only an answer by `/{id}/` brings an object back.
    UpsertSparesTombstones,
    /// A burial asks for `fetched_at < stamp`.
    BurySparesNewer,
    /// A tombstone is written also where no record stood.
    BuryTheUnseen,
    /// A revival replaces whatever is older than the pass. Without: only the tombstone that it met.
    ReviveAnyOlder,
    /// A revival has a condition at all.
    ReviveWithCondition,
    /// A tombstone with a newer stamp than the pass is not revived.
    ReviveOnlyOlder,
    /// A mark (`missing_since`) asks for a record that is not newer than the listing.
    MarkSparesNewer,
    /// A listing asks for the tombstones that it meets by their ids.
    AskForTombstones,
    /// It does so only if nobody has begun since it began: the new stamp is taken where the clock is still its own.
    AskOnlyIfNewest,
    /// A record that is marked as missing is never "unchanged".
    ListedAgainIsChanged,
    /// A deletion is applied unasked only if nobody has looked since it was received.
    VerifyDeletions,
    /// A deletion takes its stamp before it reads when somebody last looked.
    StampBeforeLastLook,
    /// `last_pass_at` never goes back.
    LastLookNeverBack,
    /// Times of two hosts are compared with a margin.
    ClockMargin,
    /// An event is covered by the time at which a listing began, not by its stamp, which may be ahead of every clock.
    CoveredByBeginning,
    /// The checkpoint is refused when the clock has moved on.
    CheckpointOnClock,
    /// A continuation goes on only where the page at which the last leg stopped holds the same ids.
    DigestOfPage,
    /// A list whose `count` changes, or that ends too early or too late, is no whole listing.
    SignsOfMoving,
    /// A message is acknowledged after its work, not before.
    AcknowledgeLast,
    /// A delivery that comes late does not open again the event that another one has ended.
    EndedStaysEnded,
    /// A comparison that goes on in a later message takes its stamp before it reads whether a newer listing has ended.
    StampBeforeComparing,
}

/// Which guards are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guards {
    absent: u32,
}

impl Guards {
    /// Every guard of this module.
    #[must_use]
    pub fn all() -> Self {
        Self { absent: 0 }
    }

    /// All of these but one.
    #[must_use]
    pub fn without(self, guard: Guard) -> Self {
        Self { absent: self.absent | 1 << guard as u32 }
    }

    /// Is it there?
    #[must_use]
    pub fn has(self, guard: Guard) -> bool {
        self.absent & 1 << guard as u32 == 0
    }
}
