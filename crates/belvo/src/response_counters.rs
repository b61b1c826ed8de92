//! How Belvo answered: counts of requests by class, for metrics. Each request counts, the quick retries too.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;

/// What became of a request.
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
    /// 408, or no whole answer in time.
    TimedOut,
    /// No connection, or one that broke off.
    Unreachable,
    /// Another status, or an answer that is too large.
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

/// The counts, while they grow.
#[derive(Debug, Default)]
pub(crate) struct ResponseCounters([AtomicU64; RESPONSE_CLASSES.len()]);

impl ResponseCounters {
    pub(crate) fn note<T>(&self, answer: &Result<T, Error>) {
        let class = answer.as_ref().map_or_else(ResponseClass::of, |_| ResponseClass::Success);
        self.0[class as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts since this was last asked.
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
    use crate::error::ErrorBody;

    #[test]
    fn each_request_is_counted_once_in_its_class() {
        let answered = ResponseCounters::default();
        answered.note(&Ok(()));
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
            let body = ErrorBody::whole(body.into());
            answered.note(&Err::<(), _>(Error::of_answer(status, None, &body)));
        }
        answered.note(&Err::<(), _>(Error::Unreachable("no connection".to_owned())));
        assert_eq!(answered.take().map(|(_, count)| count), [1, 1, 1, 1, 1, 2, 1, 1, 1, 1]);
        assert!(answered.take().iter().all(|(_, count)| *count == 0), "what was taken is not counted again");
    }
}
