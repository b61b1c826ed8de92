//! What stands in front of the API: a limit on requests, a limit on the length of the URL, and a firewall that checks each query
//! parameter and each member of a body against the API's schema. All three answer in HTML.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use axum::{
    http::{Method, StatusCode},
    response::Response,
};

use crate::{
    bodies,
    call::{Call, Target},
    catalogue::{Kind, Retrieval},
    config::{IdIn, Settings},
    error::html,
};

/// As much as the usual header buffer holds.
const MAX_QUERY_BYTES: usize = 8_000;

/// The times of the requests that were let through in the last seconds.
pub(crate) struct Limiter {
    window: Duration,
    passed: VecDeque<Instant>,
}

impl Limiter {
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, passed: VecDeque::new() }
    }

    /// Whether one more request may pass; a limit of 0 lets all pass.
    pub(crate) fn admits(&mut self, limit: usize, now: Instant) -> bool {
        if limit == 0 {
            return true;
        }
        while self.passed.front().is_some_and(|passed| now.duration_since(*passed) >= self.window) {
            self.passed.pop_front();
        }
        let admitted = self.passed.len() < limit;
        if admitted {
            self.passed.push_back(now);
        }
        admitted
    }
}

/// The firewall's answer, if it does not let the request through.
pub(crate) fn refusal(call: &Call, settings: &Settings) -> Option<Response> {
    if call.query.len() > MAX_QUERY_BYTES {
        return Some(html(StatusCode::URI_TOO_LONG));
    }
    let strange = call.parameters.iter().any(|(name, _)| !known(call, name, settings)) || !bodies::passes(call);
    strange.then(|| html(StatusCode::FORBIDDEN))
}

fn known(call: &Call, parameter: &str, settings: &Settings) -> bool {
    match call.target() {
        Target::List(resource) if call.method != Method::GET => {
            let retrieved = !matches!(resource.retrieval, Retrieval::Never);
            retrieved && resource.projected.0 && matches!(parameter, "fields" | "omit")
        }
        Target::List(resource) => {
            let undocumented = resource.filter(parameter).is_some_and(|(column, _)| column.kind == Kind::Undocumented);
            resource.knows(parameter) && !(undocumented && settings.id_in == IdIn::Refused)
        }
        Target::One(..) if call.method != Method::GET => false,
        Target::One(resource, _) => resource.projected.1 && matches!(parameter, "fields" | "omit"),
        Target::Root | Target::Token | Target::Refresh(_) => false,
        Target::Unknown => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_counts_the_last_thirty_seconds() {
        let (mut limiter, start) = (Limiter::new(Duration::from_secs(30)), Instant::now());
        assert!(limiter.admits(2, start));
        assert!(limiter.admits(2, start + Duration::from_secs(29)));
        assert!(!limiter.admits(2, start + Duration::from_secs(29)));
        assert!(limiter.admits(2, start + Duration::from_secs(30)));
        assert!(!limiter.admits(2, start + Duration::from_secs(31)));
    }

    #[test]
    fn no_limit_lets_everything_pass() {
        let mut limiter = Limiter::new(Duration::from_secs(30));
        assert!((0..1000).all(|_| limiter.admits(0, Instant::now())));
    }
}
