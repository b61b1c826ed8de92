//! A log of requests: counts by method, path and status, and the last 1000 requests.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Instant,
};

use serde::Serialize;

use crate::{call::Call, locks::lock};

/// The maximum number of requests kept. Older ones are only counted.
const REMEMBERED: usize = 1_000;

/// All requests to `/api/` since the start or the last reset.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RequestReport {
    /// The number of requests.
    pub total: u64,
    /// The number of requests in flight.
    pub in_flight: u64,
    /// The peak of `in_flight`.
    pub in_flight_peak: u64,
    /// By method, path and status.
    pub counts: Vec<RequestCount>,
    /// The last 1000, oldest first.
    pub recent: Vec<RequestEntry>,
}

/// The number of requests with the same method, path and status.
#[derive(Debug, Clone, Serialize)]
pub struct RequestCount {
    /// The HTTP method.
    pub method: String,
    /// The path with `{id}` in place of ids.
    pub path: String,
    /// The status; 0 if the client disconnected first.
    pub status: u16,
    /// The number of such requests.
    pub count: u64,
}

/// One request.
#[derive(Debug, Clone, Serialize)]
pub struct RequestEntry {
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query as it was sent.
    pub query: String,
    /// The status; 0 if the client disconnected first.
    pub status: u16,
    /// The time to the response, without the transmission of its body.
    pub elapsed_ms: u64,
}

#[derive(Default)]
struct State {
    total: u64,
    in_flight: u64,
    peak: u64,
    counts: BTreeMap<(String, String, u16), u64>,
    recent: VecDeque<RequestEntry>,
}

/// A handle on the log.
#[derive(Default, Clone)]
pub(crate) struct RequestLog(Arc<Mutex<State>>);

/// A request in flight. It is logged when this is dropped, also after a disconnect.
pub(crate) struct InFlight {
    log: RequestLog,
    template: String,
    entry: RequestEntry,
    started: Instant,
}

impl RequestLog {
    pub(crate) fn enter(&self, call: &Call) -> InFlight {
        let mut state = lock(&self.0);
        state.in_flight += 1;
        state.peak = state.peak.max(state.in_flight);
        let entry = RequestEntry {
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.query.clone(),
            status: 0,
            elapsed_ms: 0,
        };
        InFlight { log: self.clone(), template: call.template(), entry, started: Instant::now() }
    }

    pub(crate) fn report(&self) -> RequestReport {
        let state = lock(&self.0);
        let count = |((method, path, status), count): (&(String, String, u16), &u64)| RequestCount {
            method: method.clone(),
            path: path.clone(),
            status: *status,
            count: *count,
        };
        RequestReport {
            total: state.total,
            in_flight: state.in_flight,
            in_flight_peak: state.peak,
            counts: state.counts.iter().map(count).collect(),
            recent: state.recent.iter().cloned().collect(),
        }
    }

    pub(crate) fn clear(&self) {
        let mut state = lock(&self.0);
        *state = State { in_flight: state.in_flight, peak: state.in_flight, ..State::default() };
    }
}

impl InFlight {
    pub(crate) fn responded(&mut self, status: u16) {
        self.entry.status = status;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.entry.elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let key = (self.entry.method.clone(), self.template.clone(), self.entry.status);
        let mut state = lock(&self.log.0);
        state.in_flight = state.in_flight.saturating_sub(1);
        state.total += 1;
        *state.counts.entry(key).or_default() += 1;
        if state.recent.len() == REMEMBERED {
            state.recent.pop_front();
        }
        state.recent.push_back(self.entry.clone());
    }
}
