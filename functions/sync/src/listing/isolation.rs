//! Isolating the objects that Belvo cannot return.
//!
//! When a page fails, the reader requests smaller pages in its place, down to single objects. An object that fails by itself is
//! left out. This costs requests only for the page that needs them: neither other pages nor the next message use the
//! smaller sizes.

use std::iter::successors;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use belvo::Error;

use crate::listing::page_size::{size_at, smaller};

/// Maximum number of requests of a message that isolate objects. One bad object of a page of 1,000 needs about 20.
const MAX_REQUESTS: u32 = 100;
/// The same while no page of the list was read: Belvo may be unable to return the list as a whole.
const MAX_FIRST_REQUESTS: u32 = 20;
/// The attempt from which an error that may pass by itself is isolated. Before, the message returns to the queue.
pub(crate) const ISOLATE_FROM_ATTEMPT: u32 = 3;
/// The attempt from which a message that can read no page leaves pages out. With the default backoff that is after 20
/// minutes: Belvo may fail to return lists for a while, though it returns links.
const LAST_RESORT_ATTEMPT: u32 = 9;
/// The page size in which single objects are isolated that time out, from [`ISOLATE_FROM_ATTEMPT`] on. Each size on the way
/// would cost a timeout, and a message has time for three or four of them.
const SIZE_AFTER_TIMEOUT: u32 = 25;

/// The smaller pages that are requested in place of failed ones, innermost last: the end of each, and its size.
#[derive(Debug, Default)]
pub(crate) struct Narrowed(Vec<(u64, u32)>);

impl Narrowed {
    /// Returns the size to request at this offset, at most `most`.
    pub(crate) fn size_at(&mut self, offset: u64, most: u32) -> u32 {
        while self.0.last().is_some_and(|(end, _)| *end <= offset) {
            self.0.pop();
        }
        size_at(offset, self.0.last().map_or(most, |(_, size)| most.min(*size)))
    }

    /// Replaces the failed page of this size at this offset by smaller ones. Pages after the first have the sizes between.
    pub(crate) fn narrow(&mut self, offset: u64, failed: u32, to: u32) {
        let sizes = successors(Some(failed), |size| smaller(*size).filter(|_| *size > to));
        let steps = sizes.filter_map(|size| Some((offset + u64::from(size), smaller(size).filter(|_| size > to)?)));
        self.0.extend(steps);
    }

    /// Returns the end of the page that failed first, or `None` if no page has failed.
    pub(crate) fn end(&self) -> Option<u64> {
        self.0.first().map(|(end, _)| *end)
    }
}

/// What the reader does after a page failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Requests its objects in pages of this size.
    Narrow(u32),
    /// Leaves out the page, which is a single object.
    LeaveOut,
    /// Leaves out the rest of the page that failed first: no requests or no time remain to isolate single objects.
    GiveUp,
    /// Leaves out the rest of the reader's page: Belvo timed out, and no time remains for another timeout.
    EndPage,
    /// Fails the message.
    Fail,
}

/// The budget of a message for isolating objects.
#[derive(Debug)]
pub(crate) struct Isolation {
    attempt: u32,
    until: Instant,
    requests: AtomicU32,
}

impl Isolation {
    /// Returns the budget of a message in this attempt. No isolation begins after `until`.
    pub(crate) fn new(attempt: u32, until: Instant) -> Self {
        Self { attempt, until, requests: AtomicU32::new(0) }
    }

    /// Counts a request that is only made to isolate objects.
    pub(crate) fn note_request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// Returns `true` if single objects can be the cause of the error. Otherwise every page would fail.
    pub(crate) fn may_concern_objects(&self, error: &Error) -> bool {
        match error {
            Error::Malformed(_) | Error::TooLarge(_) | Error::TimedOut => true,
            Error::Unavailable(_) | Error::Unreachable(_) | Error::Refused { .. } => self.may_leave_out(error),
            _ => false,
        }
    }

    /// Returns what to do after a page of this size failed with an error that may concern objects. `has_read`: this message
    /// has read a page of the list. `is_continuation`: an earlier message has.
    pub(crate) fn step(&self, error: &Error, size: u32, has_read: bool, is_continuation: bool, now: Instant) -> Step {
        let has_read = has_read || (is_continuation && self.attempt >= LAST_RESORT_ATTEMPT);
        let most = if has_read { MAX_REQUESTS } else { MAX_FIRST_REQUESTS };
        let has_time = now < self.until;
        let is_spent = self.requests.load(Relaxed) >= most || !has_time;
        match smaller(size) {
            Some(_) if !is_spent => Step::Narrow(self.narrowed(error, size)),
            _ if !self.may_leave_out(error) || (is_spent && !has_read) => Step::Fail,
            _ if *error == Error::TimedOut && !has_time => Step::EndPage,
            Some(_) => Step::GiveUp,
            None => Step::LeaveOut,
        }
    }

    /// Returns the size of the pages that replace a failed page of this size, which is larger than 1.
    fn narrowed(&self, error: &Error, size: u32) -> u32 {
        let is_urgent = *error == Error::TimedOut && self.attempt >= ISOLATE_FROM_ATTEMPT;
        let most = match size {
            _ if !is_urgent => size,
            ..=SIZE_AFTER_TIMEOUT => 1,
            _ => SIZE_AFTER_TIMEOUT,
        };
        successors(smaller(size), |size| smaller(*size)).find(|smaller| *smaller <= most).unwrap_or(1)
    }

    fn may_leave_out(&self, error: &Error) -> bool {
        matches!(error, Error::Malformed(_) | Error::TooLarge(_)) || self.attempt >= ISOLATE_FROM_ATTEMPT
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn isolation(attempt: u32) -> Isolation {
        Isolation::new(attempt, Instant::now() + Duration::from_mins(1))
    }

    #[test]
    fn only_the_page_that_failed_is_requested_in_smaller_ones() {
        let mut narrowed = Narrowed::default();
        assert_eq!(narrowed.size_at(1_000, 1_000), 1_000);
        narrowed.narrow(1_000, 1_000, 500);
        narrowed.narrow(1_500, 500, 250);
        narrowed.narrow(1_500, 250, 125);
        assert_eq!([1_500, 1_625, 1_750].map(|offset| narrowed.size_at(offset, 1_000)), [125, 125, 250]);
        assert_eq!((narrowed.size_at(2_000, 1_000), narrowed.end()), (1_000, None));
    }

    #[test]
    fn a_timeout_is_isolated_in_two_steps_from_the_third_attempt_on() {
        let now = Instant::now();
        let step = |attempt, size| isolation(attempt).step(&Error::TimedOut, size, false, false, now);
        assert_eq!(
            (step(2, 1_000), step(3, 1_000), step(3, 25)),
            (Step::Narrow(500), Step::Narrow(25), Step::Narrow(1))
        );
        let mut narrowed = Narrowed::default();
        narrowed.narrow(1_000, 1_000, 25);
        assert_eq!([1_000, 1_025, 1_125, 1_250, 1_500].map(|at| narrowed.size_at(at, 1_000)), [25, 25, 125, 250, 500]);
        assert_eq!(Isolation::new(3, now).step(&Error::TimedOut, 1, true, false, now), Step::EndPage);
    }

    #[test]
    fn an_error_that_may_pass_is_isolated_from_the_third_attempt_on_and_others_at_once() {
        let now = Instant::now();
        let step = |attempt, error, size| isolation(attempt).step(&error, size, true, false, now);
        let malformed = Error::Malformed("not a page");
        assert_eq!((step(1, malformed.clone(), 25), step(1, malformed, 1)), (Step::Narrow(5), Step::LeaveOut));
        assert_eq!((step(1, Error::TimedOut, 25), step(1, Error::TimedOut, 1)), (Step::Narrow(5), Step::Fail));
        assert_eq!(step(3, Error::TimedOut, 1), Step::LeaveOut);
        let concerns = |attempt| isolation(attempt).may_concern_objects(&Error::Unavailable(500));
        assert_eq!((concerns(2), concerns(3)), (false, true));
    }

    #[test]
    fn an_error_of_every_page_is_never_isolated() {
        for error in [
            Error::RateLimited { retry_after: None },
            Error::RefusedByEdge,
            Error::Unauthorized,
            Error::NotFound { confirmed: true },
            Error::LinkRefused { code: "login_error".to_owned() },
        ] {
            assert!(!isolation(20).may_concern_objects(&error), "{error}");
        }
    }

    #[test]
    fn a_message_without_requests_or_time_leaves_out_the_rest_of_the_page() {
        let now = Instant::now();
        let malformed = Error::Malformed("not a page");
        let isolation = isolation(1);
        for _ in 0..MAX_REQUESTS {
            isolation.note_request();
        }
        assert_eq!(isolation.step(&malformed, 25, true, false, now), Step::GiveUp);
        assert_eq!(isolation.step(&Error::TimedOut, 25, true, false, now), Step::Fail);
        assert_eq!(Isolation::new(1, now).step(&malformed, 25, true, false, now), Step::GiveUp);
    }

    #[test]
    fn a_list_of_which_no_page_can_be_read_fails_the_message() {
        let now = Instant::now();
        let isolation = isolation(3);
        let malformed = Error::Malformed("not a page");
        assert_eq!(
            isolation.step(&malformed, 1, false, false, now),
            Step::LeaveOut,
            "its first object may be the bad one"
        );
        for _ in 0..MAX_FIRST_REQUESTS {
            isolation.note_request();
        }
        assert_eq!([25, 1].map(|size| isolation.step(&malformed, size, false, false, now)), [Step::Fail; 2]);
        assert_eq!(isolation.step(&malformed, 25, true, false, now), Step::Narrow(5));
        let later = |attempt| Isolation::new(attempt, now).step(&malformed, 25, false, true, now);
        assert_eq!(
            (later(3), later(LAST_RESORT_ATTEMPT)),
            (Step::Fail, Step::GiveUp),
            "an earlier message has read pages"
        );
    }
}
