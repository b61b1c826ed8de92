//! The dead-letter queue: the commands of `dead-letters`, and the removal of an erased link's messages.

mod commands;
mod removal;
mod scan;

pub(crate) use commands::{Command, run};
pub(crate) use removal::{Removal, remove_of};

/// The output of the stack that names the queue.
const QUEUE_OUTPUT: &str = "DeadLetterQueueUrl";
