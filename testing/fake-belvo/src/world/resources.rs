//! The resources: the filters and the objects of each.

pub(crate) mod accounts;
pub(crate) mod banking;
pub(crate) mod consents;
pub(crate) mod employment;
pub(crate) mod enrichment;
pub(crate) mod fiscal;
pub(crate) mod institutions;
pub(crate) mod links;
mod loans;
pub(crate) mod shaped;
pub(crate) mod transactions;
pub(crate) mod vocabulary;
