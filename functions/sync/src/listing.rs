//! Reading a list of Belvo's, page by page.

pub(crate) mod continuation;
pub(crate) mod findings;
pub(crate) mod isolation;
mod page;
pub(crate) mod page_cap;
pub(crate) mod page_size;
pub(crate) mod reader;
pub(crate) mod seen_ids;
pub(crate) mod write_page;
