//! The unit of times and stamps.

/// Times and stamps. One unit is the margin by which hosts' clocks may differ (250 ms in the product).
pub type Time = i16;
