//! The state that all requests share.

use std::{
    io,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};

use crate::{
    config::{Config, Settings},
    faults::Faults,
    limiter::Limiter,
    locks::{lock, write},
    requests::RequestLog,
    tokens::Tokens,
    webhooks::{Held, WebhookSender},
    world::{World, preset},
};

const EDGE_WINDOW: Duration = Duration::from_secs(30);
const DELETION_WINDOW: Duration = Duration::from_mins(1);

/// A handle on the shared state, cheap to clone.
pub(crate) type App = Arc<State>;

/// The state of a server.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) base_url: String,
    pub(crate) world: RwLock<World>,
    pub(crate) settings: RwLock<Settings>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) limiter: Mutex<Limiter>,
    /// Limits synchronous deletions of links.
    pub(crate) deletions: Mutex<Limiter>,
    pub(crate) tokens: Mutex<Tokens>,
    pub(crate) requests: RequestLog,
    pub(crate) webhooks: WebhookSender,
    pub(crate) held: Mutex<Held>,
    /// Background tasks: loads and deliveries.
    tasks: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
}

impl State {
    pub(crate) fn new(config: Config, base_url: String) -> io::Result<Self> {
        Ok(Self {
            base_url,
            world: RwLock::new(fresh_world(&config)),
            settings: RwLock::new(config.settings.clone()),
            faults: Mutex::default(),
            limiter: Mutex::new(Limiter::new(EDGE_WINDOW)),
            deletions: Mutex::new(Limiter::new(DELETION_WINDOW)),
            tokens: Mutex::default(),
            requests: RequestLog::default(),
            webhooks: WebhookSender::new(config.webhook.clone())?,
            held: Mutex::default(),
            tasks: Mutex::default(),
            stop: watch::Sender::new(false),
            config,
        })
    }

    /// Restores the state at the start. Aborts background tasks.
    pub(crate) fn reset(&self) {
        lock(&self.tasks).abort_all();
        *write(&self.world) = fresh_world(&self.config);
        *write(&self.settings) = self.config.settings.clone();
        *lock(&self.limiter) = Limiter::new(EDGE_WINDOW);
        *lock(&self.deletions) = Limiter::new(DELETION_WINDOW);
        *lock(&self.tokens) = Tokens::default();
        lock(&self.faults).clear();
        self.webhooks.configure(self.config.webhook.clone());
        self.webhooks.clear();
        lock(&self.held).clear();
        self.requests.clear();
    }

    /// Runs a background task until it ends, a reset, or the end of the server.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Ends all waits and background tasks.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
        lock(&self.tasks).abort_all();
    }

    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        let _ = stop.wait_for(|stopped| *stopped).await;
    }

    /// Sleeps, at most until the server stops.
    pub(crate) async fn wait(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.stopped() => {}
        }
    }
}

fn fresh_world(config: &Config) -> World {
    let mut world = World::new(config.seed);
    if config.preload {
        preset::add_documented_links(&mut world);
    }
    world
}
