//! Leaving out of a page what Belvo cannot give, and nothing else.
//!
//! When Belvo cannot give a page, the reader asks for smaller pages in its place, down to single objects. An object that
//! Belvo cannot give by itself is left out. This costs requests only for the page that needs them: the smaller sizes are
//! neither used for other pages nor carried to the next leg.

use std::iter::successors;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use belvo::Error;

use crate::listing::page_size::{size_at, smaller};

/// The most requests of a leg that isolate objects. One bad object of a page of 1,000 needs about 20.
const MAX_REQUESTS: u32 = 100;
/// The same while no page of the list was read: then the list as a whole may be what Belvo cannot give.
const MAX_FIRST_REQUESTS: u32 = 20;
/// An error that may pass by itself is isolated from this attempt on: before, the message returns to the queue.
pub(crate) const FROM_ATTEMPT: u32 = 3;
/// From this attempt on pages are left out of a leg that can read none. That takes 20 minutes: Belvo may not give lists for a
/// while, though it gives links.
const LAST_RESORT_ATTEMPT: u32 = 9;
/// In pages of this size single objects are looked for that Belvo takes too long for, from that attempt on. Each size on the
/// way would cost as much time as Belvo is given for an answer, and there is time for three or four of them.
const LOOKED_FOR_IN: u32 = 25;

/// Smaller pages that are asked for in place of pages that failed, innermost last: where each ends, and its size.
#[derive(Debug, Default)]
pub(crate) struct Narrowed(Vec<(u64, u32)>);

impl Narrowed {
    /// The size to ask for at this place, where at most so many can be had at once.
    pub(crate) fn size_at(&mut self, offset: u64, most: u32) -> u32 {
        while self.0.last().is_some_and(|(end, _)| *end <= offset) {
            self.0.pop();
        }
        size_at(offset, self.0.last().map_or(most, |(_, size)| most.min(*size)))
    }

    /// The page of this size at this place failed. What follows the smaller page is asked for in the sizes between.
    pub(crate) fn narrow(&mut self, offset: u64, failed: u32, to: u32) {
        let sizes = successors(Some(failed), |size| smaller(*size).filter(|_| *size > to));
        let steps = sizes.filter_map(|size| Some((offset + u64::from(size), smaller(size).filter(|_| size > to)?)));
        self.0.extend(steps);
    }

    /// Where the page ends that failed first; none while no page has failed.
    pub(crate) fn end(&self) -> Option<u64> {
        self.0.first().map(|(end, _)| *end)
    }
}

/// What becomes of a page that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its objects are asked for in pages of this size.
    Narrow(u32),
    /// It is a single object, and is left out.
    LeaveOut,
    /// There are neither requests nor time left to isolate single objects: the rest of the page that failed first is left
    /// out.
    GiveUp,
    /// Belvo takes too long, and there is no time left to wait once more: the rest of the reader's page is left out.
    EndPage,
    /// The message fails.
    Fail,
}

/// The requests that a leg may spend on isolating objects, and what it knows about Belvo.
#[derive(Debug)]
pub(crate) struct Isolation {
    attempt: u32,
    until: Instant,
    requests: AtomicU32,
}

impl Isolation {
    /// For a message that was received so often, until this time.
    pub(crate) fn new(attempt: u32, until: Instant) -> Self {
        Self { attempt, until, requests: AtomicU32::new(0) }
    }

    /// A request that is only made to isolate objects.
    pub(crate) fn note_request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// Can the error be the fault of single objects? Otherwise it is Belvo's, the link's or ours, for every page.
    pub(crate) fn may_concern_objects(&self, error: &Error) -> bool {
        match error {
            Error::Malformed(_) | Error::TooLarge(_) | Error::TimedOut => true,
            Error::Unavailable(_) | Error::Unreachable(_) | Error::Refused { .. } => self.may_leave_out(error),
            _ => false,
        }
    }

    /// What becomes of a page of this size that failed, where the error may concern objects. `has_read`: the leg has read
    /// some page of the list. `goes_on`: an earlier leg has.
    pub(crate) fn step(&self, error: &Error, size: u32, has_read: bool, goes_on: bool, now: Instant) -> Step {
        let has_read = has_read || (goes_on && self.attempt >= LAST_RESORT_ATTEMPT);
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

    /// The size of the pages to ask for in place of one of this size, which is larger than 1.
    fn narrowed(&self, error: &Error, size: u32) -> u32 {
        let is_urgent = *error == Error::TimedOut && self.attempt >= FROM_ATTEMPT;
        let most = match size {
            _ if !is_urgent => size,
            ..=LOOKED_FOR_IN => 1,
            _ => LOOKED_FOR_IN,
        };
        successors(smaller(size), |size| smaller(*size)).find(|smaller| *smaller <= most).unwrap_or(1)
    }

    fn may_leave_out(&self, error: &Error) -> bool {
        matches!(error, Error::Malformed(_) | Error::TooLarge(_)) || self.attempt >= FROM_ATTEMPT
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
    fn only_the_page_that_failed_is_asked_for_in_smaller_ones() {
        let mut narrowed = Narrowed::default();
        assert_eq!(narrowed.size_at(1_000, 1_000), 1_000);
        narrowed.narrow(1_000, 1_000, 500);
        narrowed.narrow(1_500, 500, 250);
        narrowed.narrow(1_500, 250, 125);
        assert_eq!([1_500, 1_625, 1_750].map(|offset| narrowed.size_at(offset, 1_000)), [125, 125, 250]);
        assert_eq!((narrowed.size_at(2_000, 1_000), narrowed.end()), (1_000, None));
    }

    #[test]
    fn what_takes_too_long_is_looked_for_in_two_steps_from_the_third_attempt_on() {
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
    fn what_may_pass_is_isolated_from_the_third_attempt_on_and_what_cannot_pass_at_once() {
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
    fn what_every_page_would_meet_is_never_isolated() {
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
    fn a_leg_that_has_spent_its_requests_or_its_time_leaves_out_the_rest_of_the_page() {
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
        assert_eq!((later(3), later(LAST_RESORT_ATTEMPT)), (Step::Fail, Step::GiveUp), "an earlier leg has read pages");
    }
}
