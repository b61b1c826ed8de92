//! A fake Belvo server: Belvo's HTTP API and webhooks, served from this process.
//!
//! The demo, the tests and the benchmarks use it in place of Belvo. It generates its data from a seed; every number is exact. Its
//! behaviour follows Belvo's documentation: page numbers instead of cursors, filters with the precision of a day, a firewall that
//! responds with HTML, lists that are empty until a webhook announces them. [`Rule`] and [`Settings`] switch failures, stale reads
//! and hanging responses on. The server is never deployed.
//!
//! # Modules
//!
//! | module | contents |
//! |---|---|
//! | `api` | the HTTP API under `/api/`: firewall, authentication, lists, links, retrievals, widget tokens |
//! | `control` | what tests do to the server, in process and over HTTP under `/_control/` |
//! | `schedule`, `loading`, `delivery` | background tasks: scheduled refreshes, loads, the delivery of webhooks |
//! | `app` | the state that all requests share |
//! | `faults`, `webhooks`, `requests`, `tokens`, `limiter` | the parts of that state beside the data |
//! | `world` | the simulated data: links, resources, objects |
//! | `schema`, `json`, `ids`, `random`, `time`, `amount`, `error` | what all of them are built from |
//!
//! ```no_run
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! let server = fake_belvo::start(fake_belvo::Config::default()).await?;
//! let link = server.control().create_link(fake_belvo::NewLink { transactions: 2_500, ..Default::default() })?;
//! println!("{}/api/transactions/?link={}", server.base_url(), link.link_id);
//! server.shutdown().await;
//! # Ok(()) }
//! ```

mod amount;
mod api;
mod app;
mod call;
mod config;
mod control;
mod delivery;
mod error;
mod faults;
mod ids;
mod json;
mod limiter;
mod loading;
mod locks;
mod random;
mod requests;
mod schedule;
mod schema;
mod time;
mod tokens;
mod webhooks;
mod world;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, serve::ListenerExt as _};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::app::{App, State};
pub use crate::{
    config::{Config, IdIn, Order, Settings, UnknownLink, WebhookConfig},
    control::{
        Control, ControlError, LinkSummary, NewLink, Refresh, ResourceSummary,
        changes::{Change, Changed, Selection},
    },
    faults::{BrokenObject, FailingObject, Fault, Form, Match, Rule, RuleReport},
    requests::{RequestCount, RequestEntry, RequestReport},
    webhooks::{Attempt, Delivery, DeliveryState},
    world::shapes,
};

/// The time that running requests have to finish when the server shuts down.
const GRACE: Duration = Duration::from_secs(5);

/// A running server. Dropping it stops it at once.
#[derive(Debug)]
pub struct Server {
    base_url: String,
    control: Control,
    task: JoinHandle<io::Result<()>>,
}

/// Starts a server in the background. It accepts connections when this function returns.
///
/// # Errors
/// Returns an error if the address cannot be bound, or the HTTP client for webhooks cannot be built.
pub async fn start(config: Config) -> io::Result<Server> {
    let listener = TcpListener::bind(config.listen).await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let app: App = Arc::new(State::new(config, base_url.clone())?);
    let task = tokio::spawn(serve(listener, Arc::clone(&app)));
    tokio::spawn(schedule::run(Arc::clone(&app)));
    Ok(Server { base_url, control: Control::of(&app), task })
}

async fn serve(listener: TcpListener, app: App) -> io::Result<()> {
    let router = Router::new()
        .nest("/_control", control::http::router())
        .fallback(api::serve)
        .with_state(Arc::clone(&app))
        .into_make_service_with_connect_info::<SocketAddr>();
    let prompt = listener.tap_io(|stream| {
        // Without TCP_NODELAY, small responses may wait for the client's delayed acknowledgement. A failure only slows them.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(prompt, router).with_graceful_shutdown(async move { app.stopped().await }).await
}

impl Server {
    /// Returns the base URL, such as `http://127.0.0.1:8099`, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Returns the control API, in process.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Lets running requests finish, for at most five seconds, and stops the server.
    pub async fn shutdown(mut self) {
        self.control.app.stop();
        let _ = tokio::time::timeout(GRACE, &mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.control.app.stop();
        self.task.abort();
    }
}
