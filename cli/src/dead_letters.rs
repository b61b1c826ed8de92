//! The dead-letter queue: the commands of `dead-letters`, and the scan of the queue under them.

mod commands;
mod scan;

pub(crate) use commands::{Removed, What, remove_of, run};
