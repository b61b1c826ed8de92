//! Connections to Belvo, and when a kept one is not trusted any more.
//!
//! Lambda freezes an environment between two invocations. Meanwhile a proxy or a load balancer may drop its side of an idle
//! connection, and no packet says so: the next request on it waits for an answer in vain. Two rules follow.
//!
//! - A connection that was idle for longer than [`Limits::idle_timeout`] is not used again. The HTTP library measures that with the
//!   monotonic clock, which may stand still while the environment is frozen. Therefore all idle connections are dropped,
//!   too, when the wall clock has run ahead of the monotonic one by more than that.
//! - A request that gets no answer on a kept connection says nothing about Belvo. [`send`] tells which requests these are.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use reqwest::{RequestBuilder, Response};
use tower::util::MapRequestLayer;

use crate::Limits;

/// For how long sent bytes may stay unacknowledged. Belvo's machine acknowledges within a second, however slow its answer is.
const UNACKNOWLEDGED: Duration = Duration::from_secs(8);

tokio::task_local! {
    /// Whether the request that this task is sending has begun a new connection.
    static HAS_CONNECTED: Cell<bool>;
}

/// The connections that are kept for later requests.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: Limits,
    pool: Mutex<Pool>,
}

/// One set of connections. Dropping it closes those that are idle.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pub(crate) http: reqwest::Client,
    number: u64,
    made_at: Clocks,
}

/// The two clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    wall: SystemTime,
    monotonic: Instant,
}

/// A request that got no answer.
pub(crate) struct Unanswered {
    pub(crate) error: reqwest::Error,
    /// Whether it was sent on a connection that an earlier request had used.
    pub(crate) was_kept: bool,
}

impl Connections {
    pub(crate) fn new(limits: Limits) -> Result<Self, reqwest::Error> {
        let pool = Pool { http: build(&limits)?, number: 0, made_at: Clocks::now() };
        Ok(Self { limits, pool: Mutex::new(pool) })
    }

    /// Returns the pool for the next request.
    pub(crate) fn pool(&self) -> Pool {
        self.pool_at(Clocks::now())
    }

    /// Drops the idle connections of this pool, unless another request has done that.
    pub(crate) fn discard(&self, pool: &Pool) {
        let mut current = self.lock();
        if current.number == pool.number {
            self.replace(&mut current, Clocks::now());
        }
    }

    fn pool_at(&self, now: Clocks) -> Pool {
        let mut current = self.lock();
        if now.drift_since(current.made_at) > self.limits.idle_timeout {
            self.replace(&mut current, now);
        }
        current.clone()
    }

    fn replace(&self, current: &mut Pool, now: Clocks) {
        // What was built once is built again; if it is not after all, the old connections have to do.
        if let Ok(http) = build(&self.limits) {
            *current = Pool { http, number: current.number + 1, made_at: now };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clocks {
    fn now() -> Self {
        Self { wall: SystemTime::now(), monotonic: Instant::now() }
    }

    /// How far the two clocks have moved apart: the time spent frozen, or a correction of the wall clock.
    fn drift_since(self, earlier: Self) -> Duration {
        let passed = self.monotonic.saturating_duration_since(earlier.monotonic);
        match self.wall.duration_since(earlier.wall) {
            Ok(wall) => wall.abs_diff(passed),
            Err(set_back) => set_back.duration() + passed,
        }
    }
}

/// Sends a request, and tells whether a failed one used a kept connection. One that waited for a new connection and got
/// another that became free just then counts as new: an answer had come over it a moment before.
pub(crate) async fn send(request: RequestBuilder) -> Result<Response, Unanswered> {
    let send = async {
        let answer = request.send().await;
        answer.map_err(|error| Unanswered { was_kept: !HAS_CONNECTED.with(Cell::get), error })
    };
    HAS_CONNECTED.scope(Cell::new(false), send).await
}

fn build(limits: &Limits) -> Result<reqwest::Client, reqwest::Error> {
    let note_connect = MapRequestLayer::new(|destination| {
        // Without a request that waits for it, nothing has to be noted.
        let _ = HAS_CONNECTED.try_with(|has_connected| has_connected.set(true));
        destination
    });
    reqwest::Client::builder()
        .connect_timeout(limits.connect_timeout)
        .timeout(limits.response_timeout)
        .redirect(reqwest::redirect::Policy::none())
        // What is repeated is decided here and not by the library: a POST never is.
        .retry(reqwest::retry::never())
        .connector_layer(note_connect)
        .pool_max_idle_per_host(limits.max_idle_connections)
        .pool_idle_timeout(limits.idle_timeout)
        .tcp_user_timeout(UNACKNOWLEDGED)
        // `X-Belvo-Request-Mode`, as Belvo writes it.
        .http1_title_case_headers()
        .user_agent(concat!("belvo-sync/", env!("CARGO_PKG_VERSION")))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(15);

    fn after(clocks: Clocks, wall: u64, monotonic: u64) -> Clocks {
        let (wall, monotonic) = (Duration::from_secs(wall), Duration::from_secs(monotonic));
        Clocks { wall: clocks.wall + wall, monotonic: clocks.monotonic + monotonic }
    }

    #[test]
    fn idle_connections_are_dropped_after_a_freeze_that_the_monotonic_clock_did_not_see() {
        let connections = Connections::new(Limits { idle_timeout: IDLE, ..Limits::default() }).unwrap();
        let made_at = connections.pool().made_at;
        let number = |now| connections.pool_at(now).number;
        assert_eq!(number(after(made_at, 3_600, 3_600)), 0, "the library's own limit sees this hour");
        assert_eq!(number(after(made_at, 25, 10)), 0);
        let frozen = after(made_at, 26, 10);
        assert_eq!([number(frozen), number(frozen)], [1, 1]);
        assert_eq!(number(after(frozen, 20, 10)), 1);
        assert_eq!(number(after(frozen, 40, 20)), 2, "several short freezes count together");
    }

    #[test]
    fn a_wall_clock_that_is_set_back_hides_no_freeze() {
        let now = Clocks::now();
        let earlier = Clocks { wall: now.wall + Duration::from_mins(1), monotonic: now.monotonic };
        assert_eq!(after(now, 0, 5).drift_since(earlier), Duration::from_secs(65));
    }

    #[test]
    fn of_requests_that_fail_together_only_the_first_drops_the_connections() {
        let connections = Connections::new(Limits::default()).unwrap();
        let (one, other) = (connections.pool(), connections.pool());
        connections.discard(&one);
        connections.discard(&other);
        assert_eq!(connections.pool().number, 1);
    }
}
