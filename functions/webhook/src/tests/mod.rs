//! The function as API Gateway calls it.

pub(crate) mod fakes;
mod log_events;
mod responses;
