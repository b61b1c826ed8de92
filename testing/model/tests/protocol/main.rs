//! Searches of the model for the promises, the guards and the limits.

mod guards;
mod limits;
mod promises;
mod search;
