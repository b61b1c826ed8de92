//! The units of time.

/// A time or a fencing token. The unit is the margin by which hosts' clocks may differ (250 ms in the product).
pub type Time = i16;

/// The logical time of a world: the number of changes at Belvo and late webhooks so far. Only the properties compare ticks.
pub(crate) type Tick = u8;
