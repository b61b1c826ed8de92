//! A client of Belvo's HTTP API.
//!
//! It asks for one thing at a time: a page of a list ([`Client::page`]), an object ([`Client::object`]), a link ([`Client::link`]), or
//! whether there is one ([`Client::link_exists`]). Faults that pass within a second are retried here; every other error says, by its
//! name, what the caller does next.
//!
//! And it starts work at Belvo, each time with exactly one attempt: [`Client::retrieve`], [`Client::refresh_link`],
//! [`Client::delete_link`], [`Client::widget_token`].
//!
//! A connection that was idle may have died while the environment was frozen: see the module `connections`.
//!
//! Belvo is not trusted either: answers are bounded in bytes and time, neither redirects nor `next` are followed, and only
//! ids that need no escaping go into a path. Errors never carry content of an answer.

mod client;
mod connections;
mod error;
mod link;
mod links;
mod members;
mod page;
pub mod parse;
mod provider;
mod requests;
mod response;
mod response_counters;

pub use client::{BuildError, Client, Credentials, Limits, Listing};
pub use error::{Error, Retry};
pub use link::Link;
pub use links::{Links, LinksPage};
pub use page::Page;
pub use provider::{BelvoProvider, ProviderError, credentials};
pub use requests::{Accepted, SubmitError};
pub use response_counters::{RESPONSE_CLASSES, ResponseClass};
