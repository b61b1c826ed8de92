//! The function as Lambda calls it.

mod actions;
mod log_events;
mod world;
