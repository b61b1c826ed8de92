//! What clients asked for: counts by method, path and status, and the last thousand requests in full.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Instant,
};

use serde::Serialize;

use crate::{call::Call, locks::lock};

/// Older requests are only counted.
const REMEMBERED: usize = 1_000;

/// All requests to `/api/` since the start or the last reset.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RequestReport {
    /// How many there were.
    pub total: u64,
    /// How many are being answered right now.
    pub in_flight: u64,
    /// The greatest number that were being answered at the same time.
    pub in_flight_peak: u64,
    /// By method, path and status.
    pub counts: Vec<RequestCount>,
    /// The last 1000, oldest first.
    pub recent: Vec<RequestEntry>,
}

/// How often the same kind of request had the same outcome.
#[derive(Debug, Clone, Serialize)]
pub struct RequestCount {
    /// The HTTP method.
    pub method: String,
    /// The path with `{id}` in place of ids.
    pub path: String,
    /// The status; 0 if the client went away first.
    pub status: u16,
    /// How often.
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
    /// The status; 0 if the client went away first.
    pub status: u16,
    /// How long the answer took, without the sending of its body.
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

/// The log.
#[derive(Default, Clone)]
pub(crate) struct RequestLog(Arc<Mutex<State>>);

/// A request that is being answered; it is logged when this is dropped, whatever the reason.
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
    pub(crate) fn answered(&mut self, status: u16) {
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
