//! The function as Lambda calls it.

mod conflicts;
mod discovery;
mod log_events;
mod runs;
mod world;
