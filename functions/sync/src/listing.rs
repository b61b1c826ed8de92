//! Reading a list of Belvo's.
//!
//! `reader` reads the pages, `page` one of them, in smaller requests where Belvo needs that. `write_page` stores the records,
//! `findings` says what was found and whether it is complete, `continuation` what the next message has to know.

mod bad_page;
mod continuation;
mod findings;
mod isolation;
mod mark_missing;
mod page;
mod page_cap;
mod page_read;
mod page_size;
mod reader;
mod seen_ids;
mod write_page;

pub(crate) use continuation::{ListingState, Next};
pub(crate) use findings::Findings;
pub(crate) use isolation::{ISOLATE_FROM_ATTEMPT, Isolation};
pub(crate) use mark_missing::mark_missing;
pub(crate) use page_read::LastPage;
pub(crate) use page_size::{AdaptivePageSize, PAGE_SIZE};
pub(crate) use reader::{ListProperties, Mode, Reader, Reading, Source};
