//! The resources themselves: which filters each has, and what one object looks like.

pub(crate) mod accounts;
pub(crate) mod institutions;
pub(crate) mod links;
mod loans;
pub(crate) mod transactions;
mod vocabulary;
