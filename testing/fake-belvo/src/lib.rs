//! A Belvo of our own: Belvo's HTTP API and webhooks, served from this process.
//!
//! The demo, the tests and the benchmarks talk to it as if it were Belvo. Its data is made up, drawn from a seed and exact to the
//! digit; its behaviour follows Belvo's documentation, including the parts that hurt: page numbers instead of cursors, filters
//! with the precision of a day, a firewall that answers in HTML, lists that are empty until a webhook says otherwise. What Belvo
//! does only sometimes (failing, lagging, hanging) it does on demand, see [`Rule`] and [`Settings`]. It is never deployed.
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

/// Requests that are still running when the server ends get so long.
const GRACE: Duration = Duration::from_secs(5);

/// A running server; dropping it ends it at once.
#[derive(Debug)]
pub struct Server {
    base_url: String,
    control: Control,
    task: JoinHandle<io::Result<()>>,
}

/// Binds and serves in the background; the server is reachable when this returns.
///
/// # Errors
/// If the address cannot be bound, or the client for webhooks cannot be built.
pub async fn start(config: Config) -> io::Result<Server> {
    let listener = TcpListener::bind(config.listen).await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let app: App = Arc::new(State::new(config, base_url.clone())?);
    let task = tokio::spawn(serve(listener, Arc::clone(&app)));
    tokio::spawn(schedule::keep(Arc::clone(&app)));
    Ok(Server { base_url, control: Control::of(&app), task })
}

async fn serve(listener: TcpListener, app: App) -> io::Result<()> {
    let router = Router::new()
        .nest("/_control", control::http::router())
        .fallback(api::serve)
        .with_state(Arc::clone(&app))
        .into_make_service_with_connect_info::<SocketAddr>();
    let prompt = listener.tap_io(|stream| {
        // Without it, small answers may wait for the client's delayed acknowledgement. Slow is all that failing means.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(prompt, router).with_graceful_shutdown(async move { app.stopped().await }).await
}

impl Server {
    /// Such as `http://127.0.0.1:8099`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The control API, in process.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Lets running requests finish, for at most five seconds, and ends.
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
