//! Searches of the model: what is promised, what each guard is good for, what is not promised.

mod guards;
mod limits;
mod promises;
mod search;
