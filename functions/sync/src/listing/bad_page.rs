//! A page, or a part of one, that Belvo does not return.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::PoisonError;
use std::time::Instant;

use belvo::{Error, Listing};
use domain::now;

use crate::error::JobError;
use crate::listing::isolation::Step;
use crate::listing::page::Position;
use crate::listing::page_size::Span;
use crate::listing::reader::Reader;

impl Reader<'_> {
    /// Continues after a failed request, in smaller requests or after its objects. Returns the error if the objects are not its
    /// cause.
    pub(super) async fn isolate(&self, error: Error, size: u32, page: &mut Position) -> Result<(), JobError> {
        if !self.isolation.may_concern_objects(&error) {
            return Err(error.into());
        }
        if error == Error::TimedOut {
            self.source.page_size.note_timeout(Span { list: self.list_id(), begin: page.offset, size }, now());
        }

        let step = self.next_step(&error, size);
        if !self.is_caused_by_objects(&error, step).await {
            return Err(error.into());
        }

        match step {
            Step::Narrow(to) => page.narrowed.narrow(page.offset, size, to),
            Step::LeaveOut => {
                self.findings().note_unreadable(page.number);
                page.leave_out(page.offset + 1);
            }
            Step::GiveUp => {
                let end = page.narrowed.end().unwrap_or(page.offset + u64::from(size));
                self.leave_out_rest(page, end);
            }
            Step::EndPage | Step::Fail => self.leave_out_rest(page, page.end),
        }
        Ok(())
    }

    fn next_step(&self, error: &Error, size: u32) -> Step {
        let has_read = self.findings().counts.pages > 0;
        self.isolation.step(error, size, has_read, self.mode.is_continuation, Instant::now())
    }

    /// Returns `true` if the objects of the request, and not Belvo as a whole, are the likely cause of the error.
    async fn is_caused_by_objects(&self, error: &Error, step: Step) -> bool {
        let has_read = self.findings().counts.pages > 0;
        // A response that is too large or takes too long depends on its objects. Any other error may be Belvo's.
        let is_about_size = matches!(error, Error::TooLarge(_) | Error::TimedOut);
        if step == Step::Fail || !(has_read || is_about_size || self.returns_the_link().await) {
            return false;
        }
        let may_pass = matches!(error, Error::Unavailable(_) | Error::Unreachable(_) | Error::Refused { .. });
        let leaves_out = matches!(step, Step::LeaveOut | Step::GiveUp);
        !(may_pass && leaves_out) || self.returns_smallest_page().await
    }

    /// Returns `true` if Belvo returns the link. Shows whether Belvo responds at all, before any page of the list was read.
    async fn returns_the_link(&self) -> bool {
        let request = || self.source.belvo.link_exists(&self.pass.link);
        self.link_exists.get_or_try_init(request).await.is_ok_and(|exists| *exists)
    }

    /// Returns `true` if Belvo still returns the smallest page that it has returned. Otherwise it returns no page for a while,
    /// and no object is the cause.
    async fn returns_smallest_page(&self) -> bool {
        let smallest = *self.smallest_page.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((number, size)) = smallest else { return true };
        let list_request = Listing { page_size: size, ..self.source.list_request.clone() };
        self.source.belvo.page(&list_request, number).await.is_ok()
    }

    /// Records a page that Belvo returned.
    pub(super) fn note_returned(&self, number: u64, size: u32) {
        let mut smallest = self.smallest_page.lock().unwrap_or_else(PoisonError::into_inner);
        if smallest.is_none_or(|(_, smallest)| size < smallest) {
            *smallest = Some((number, size));
        }
    }

    /// Continues after rows that Belvo does not return, up to this offset.
    fn leave_out_rest(&self, page: &mut Position, until: u64) {
        let mut findings = self.findings();
        let end = findings.end_of_list().map_or(until, |end| until.min(end));
        findings.note_unread(page.number, end.saturating_sub(page.offset));
        page.leave_out(until);
    }

    /// Returns a number that identifies the list.
    pub(super) fn list_id(&self) -> u64 {
        let Listing { path, link, filters, .. } = &self.source.list_request;
        let mut hasher = DefaultHasher::new();
        (path, link.as_str(), filters).hash(&mut hasher);
        hasher.finish()
    }
}
