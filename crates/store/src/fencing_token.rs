//! The type of fencing tokens.

/// A fencing token: the order of a pass among all passes of its link.
///
/// Each token is larger than every earlier token of the same link. It equals the time in epoch milliseconds at which the
/// pass began, unless a host's clock is behind the link's clock.
pub type FencingToken = i64;
