//! Counts of responses by class, for metrics. Every request counts, including quick retries.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;

/// The class of a response, or of a request without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseClass {
    /// A success.
    Success,
    /// 401.
    Unauthorized,
    /// 403 from Belvo's edge.
    RefusedByEdge,
    /// 404.
    NotFound,
    /// 429, or `too_many_sessions`.
    RateLimited,
    /// Any other 4xx.
    Refused,
    /// 5xx.
    Unavailable,
    /// 408, or no complete response within the timeout.
    TimedOut,
    /// A connection that failed or was lost.
    Unreachable,
    /// Any other status, or a response that is too large or malformed.
    Other,
}

/// Every class, in the order of its declaration.
pub const RESPONSE_CLASSES: [ResponseClass; 10] = [
    ResponseClass::Success,
    ResponseClass::Unauthorized,
    ResponseClass::RefusedByEdge,
    ResponseClass::NotFound,
    ResponseClass::RateLimited,
    ResponseClass::Refused,
    ResponseClass::Unavailable,
    ResponseClass::TimedOut,
    ResponseClass::Unreachable,
    ResponseClass::Other,
];

/// A counter for each class.
#[derive(Debug, Default)]
pub(crate) struct ResponseCounters([AtomicU64; RESPONSE_CLASSES.len()]);

impl ResponseCounters {
    pub(crate) fn count<T>(&self, result: &Result<T, Error>) {
        let class = result.as_ref().map_or_else(ResponseClass::of, |_| ResponseClass::Success);
        self.0[class as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the counts since the last call, and resets them.
    pub(crate) fn take(&self) -> [(ResponseClass, u64); RESPONSE_CLASSES.len()] {
        RESPONSE_CLASSES.map(|class| (class, self.0[class as usize].swap(0, Ordering::Relaxed)))
    }
}

impl ResponseClass {
    fn of(error: &Error) -> Self {
        match error {
            Error::Unauthorized => Self::Unauthorized,
            Error::RefusedByEdge => Self::RefusedByEdge,
            Error::NotFound { .. } => Self::NotFound,
            Error::RateLimited { .. } => Self::RateLimited,
            Error::LinkRefused { .. } | Error::Refused { .. } => Self::Refused,
            Error::Unavailable(_) => Self::Unavailable,
            Error::TimedOut => Self::TimedOut,
            Error::Unreachable(_) => Self::Unreachable,
            Error::TooLarge(_) | Error::Malformed(_) => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_body::ErrorBody;

    #[test]
    fn each_request_is_counted_once_in_its_class() {
        let counters = ResponseCounters::default();
        counters.count(&Ok(()));
        for (status, body) in [
            (401, "[]"),
            (403, "<html>"),
            (404, "[]"),
            (429, "[]"),
            (428, "[]"),
            (400, r#"[{"code":"login_error"}]"#),
            (503, "[]"),
            (408, "[]"),
            (302, ""),
        ] {
            let body = ErrorBody::complete(body.into());
            counters.count(&Err::<(), _>(body.classify(status, None)));
        }
        counters.count(&Err::<(), _>(Error::Unreachable("connection failed".to_owned())));
        assert_eq!(counters.take().map(|(_, count)| count), [1, 1, 1, 1, 1, 2, 1, 1, 1, 1]);
        assert!(counters.take().iter().all(|(_, count)| *count == 0), "`take` resets the counts");
    }
}
