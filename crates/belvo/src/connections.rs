//! The connection pool, and its handling of connections that died while idle.
//!
//! Lambda freezes an environment between two invocations. Meanwhile a proxy or a load balancer may silently drop an idle
//! connection. The next request on it then times out. Two rules follow.
//!
//! - A connection that was idle for longer than [`Limits::idle_timeout`] is not reused. The HTTP library measures that time
//!   with the monotonic clock, which may stop while the environment is frozen. Therefore the pool also drops all idle
//!   connections when the wall clock and the monotonic clock have drifted apart by more than that.
//! - A request without a response on a kept connection says nothing about Belvo. [`SendError`] marks such requests.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use reqwest::{RequestBuilder, Response};
use tower::util::MapRequestLayer;

use crate::Limits;

/// The maximum time that sent bytes stay unacknowledged (TCP user timeout). Belvo's servers acknowledge within a second, even
/// when the response is slow.
const MAX_UNACKNOWLEDGED: Duration = Duration::from_secs(8);

tokio::task_local! {
    /// Whether the request of this task has opened a new connection.
    static HAS_CONNECTED: Cell<bool>;
}

/// The current connection pool, replaced when its connections may be dead.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: Limits,
    pool: Mutex<Pool>,
}

/// A connection pool. Dropping it closes its idle connections.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pub(crate) http: reqwest::Client,
    generation: u64,
    created_at: Clocks,
}

/// The wall clock and the monotonic clock at the same time.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    wall: SystemTime,
    monotonic: Instant,
}

/// An error of a request without a response.
pub(crate) struct SendError {
    pub(crate) error: reqwest::Error,
    /// Whether the request was sent on a connection of an earlier request.
    pub(crate) on_kept_connection: bool,
}

impl Connections {
    pub(crate) fn new(limits: Limits) -> Result<Self, reqwest::Error> {
        let pool = Pool { http: build(&limits)?, generation: 0, created_at: Clocks::now() };
        Ok(Self { limits, pool: Mutex::new(pool) })
    }

    /// Returns the pool for the next request.
    pub(crate) fn pool(&self) -> Pool {
        self.pool_at(Clocks::now())
    }

    /// Replaces this pool, unless another request has already replaced it.
    pub(crate) fn discard(&self, pool: &Pool) {
        let mut current = self.lock();
        if current.generation == pool.generation {
            self.replace(&mut current, Clocks::now());
        }
    }

    fn pool_at(&self, now: Clocks) -> Pool {
        let mut current = self.lock();
        if now.drift_since(current.created_at) > self.limits.idle_timeout {
            self.replace(&mut current, now);
        }
        current.clone()
    }

    fn replace(&self, current: &mut Pool, now: Clocks) {
        // If the build fails, although it succeeded before, the old pool stays in use.
        if let Ok(http) = build(&self.limits) {
            *current = Pool { http, generation: current.generation + 1, created_at: now };
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

    /// Returns the drift between the clocks: the time spent frozen, or a correction of the wall clock.
    fn drift_since(self, earlier: Self) -> Duration {
        let passed = self.monotonic.saturating_duration_since(earlier.monotonic);
        match self.wall.duration_since(earlier.wall) {
            Ok(wall) => wall.abs_diff(passed),
            Err(set_back) => set_back.duration() + passed,
        }
    }
}

/// Sends a request. The error tells whether the request used a kept connection. A request that waited for a new connection
/// but got one that had just become free counts as new: that connection carried a response a moment before.
pub(crate) async fn send(request: RequestBuilder) -> Result<Response, SendError> {
    let send = async {
        let result = request.send().await;
        result.map_err(|error| SendError { on_kept_connection: !HAS_CONNECTED.with(Cell::get), error })
    };
    HAS_CONNECTED.scope(Cell::new(false), send).await
}

fn build(limits: &Limits) -> Result<reqwest::Client, reqwest::Error> {
    let record_connect = MapRequestLayer::new(|destination| {
        // Fails outside of a request, where there is nothing to record.
        let _ = HAS_CONNECTED.try_with(|has_connected| has_connected.set(true));
        destination
    });
    reqwest::Client::builder()
        .connect_timeout(limits.connect_timeout)
        .timeout(limits.response_timeout)
        .redirect(reqwest::redirect::Policy::none())
        // The client retries, not the library: it never repeats a POST.
        .retry(reqwest::retry::never())
        .connector_layer(record_connect)
        .pool_max_idle_per_host(limits.max_idle_connections)
        .pool_idle_timeout(limits.idle_timeout)
        .tcp_user_timeout(MAX_UNACKNOWLEDGED)
        // Belvo's spelling of `X-Belvo-Request-Mode`.
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
    fn idle_connections_are_dropped_after_a_freeze_that_stopped_the_monotonic_clock() {
        let connections = Connections::new(Limits { idle_timeout: IDLE, ..Limits::default() }).unwrap();
        let created_at = connections.pool().created_at;
        let generation = |now| connections.pool_at(now).generation;
        assert_eq!(generation(after(created_at, 3_600, 3_600)), 0, "the library's own timeout covers this hour");
        assert_eq!(generation(after(created_at, 25, 10)), 0);
        let frozen = after(created_at, 26, 10);
        assert_eq!([generation(frozen), generation(frozen)], [1, 1]);
        assert_eq!(generation(after(frozen, 20, 10)), 1);
        assert_eq!(generation(after(frozen, 40, 20)), 2, "the drift of several freezes adds up");
    }

    #[test]
    fn setting_the_wall_clock_back_does_not_hide_a_freeze() {
        let now = Clocks::now();
        let earlier = Clocks { wall: now.wall + Duration::from_mins(1), monotonic: now.monotonic };
        assert_eq!(after(now, 0, 5).drift_since(earlier), Duration::from_secs(65));
    }

    #[test]
    fn the_first_of_several_failed_requests_replaces_the_pool() {
        let connections = Connections::new(Limits::default()).unwrap();
        let (first, second) = (connections.pool(), connections.pool());
        connections.discard(&first);
        connections.discard(&second);
        assert_eq!(connections.pool().generation, 1);
    }
}
