//! A client of Belvo's HTTP API.
//!
//! Read requests: [`Client::page`] returns a page of a list, [`Client::object`] an object, [`Client::link`] a link, and
//! [`Client::link_exists`] whether a link exists. The client retries transient errors within a second. Every other
//! [`Error`] tells the caller how to proceed.
//!
//! Requests that start work at Belvo are sent exactly once: [`Client::retrieve`], [`Client::refresh_link`],
//! [`Client::delete_link`], [`Client::widget_token`].
//!
//! An idle connection may die while the execution environment is frozen: see the module `connections`.
//!
//! The client does not trust Belvo. Responses are bounded in bytes and time. The client follows neither redirects nor
//! `next`. A path contains only ids that need no escaping. Errors contain no content of a response but its code.

mod client;
mod config;
mod connections;
mod error;
mod error_body;
mod link;
mod links;
mod members;
mod page;
pub mod parse;
mod provider;
mod requests;
mod response;
mod response_counters;
mod throttle;

pub use client::{BuildError, Client, Listing};
pub use config::{Credentials, Limits};
pub use error::{Error, Retry};
pub use link::Link;
pub use links::{Links, LinksPage};
pub use page::Page;
pub use provider::{BelvoProvider, ProviderError, credentials};
pub use requests::{Accepted, SubmitError};
pub use response_counters::{RESPONSE_CLASSES, ResponseClass};
