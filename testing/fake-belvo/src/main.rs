//! Runs the fake Belvo server as a program, for the demo and for tests in other languages.

use std::{io, net::SocketAddr, time::Duration};

use clap::Parser;
use fake_belvo::{Config, Settings, WebhookConfig};
use tokio::signal::unix::{SignalKind, signal};

/// A fake Belvo server.
#[derive(Parser)]
struct Options {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, env = "FAKE_BELVO_LISTEN", default_value = "127.0.0.1:8099")]
    listen: SocketAddr,
    /// User name that clients must send.
    #[arg(long, env = "FAKE_BELVO_SECRET_ID")]
    secret_id: String,
    /// Password that clients must send.
    #[arg(long, env = "FAKE_BELVO_SECRET_PASSWORD", hide_env_values = true)]
    secret_password: String,
    /// URL that receives the webhooks.
    #[arg(long, env = "FAKE_BELVO_WEBHOOK_URL")]
    webhook_url: Option<String>,
    /// `Authorization` header of webhooks, such as `Bearer x`.
    #[arg(long, env = "FAKE_BELVO_WEBHOOK_AUTHORIZATION", hide_env_values = true)]
    webhook_authorization: Option<String>,
    /// Retry interval of webhooks; the n-th retry waits n intervals.
    #[arg(long, env = "FAKE_BELVO_WEBHOOK_RETRY_INTERVAL_MS", default_value_t = 1_000)]
    webhook_retry_interval_ms: u64,
    /// Time that each resource of a new link takes to load.
    #[arg(long, env = "FAKE_BELVO_LOAD_DELAY_MS", default_value_t = 300)]
    load_delay_ms: u64,
    /// Maximum number of requests in 30 seconds; 0 is no limit, Belvo's limit is 80.
    #[arg(long, env = "FAKE_BELVO_EDGE_LIMIT", default_value_t = 0)]
    edge_limit_per_30s: usize,
    /// Seed of all generated data.
    #[arg(long, env = "FAKE_BELVO_SEED", default_value_t = 1)]
    seed: u64,
    /// Start without the links of the examples in Belvo's documentation.
    #[arg(long, env = "FAKE_BELVO_EMPTY")]
    empty: bool,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let server = fake_belvo::start(Options::parse().into()).await?;
    println!("fake-belvo listens on {}", server.base_url());
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    server.shutdown().await;
    Ok(())
}

impl From<Options> for Config {
    fn from(options: Options) -> Self {
        Self {
            listen: options.listen,
            secret_id: options.secret_id,
            secret_password: options.secret_password,
            webhook: WebhookConfig {
                url: options.webhook_url,
                authorization: options.webhook_authorization,
                retry_interval: Duration::from_millis(options.webhook_retry_interval_ms),
                ..WebhookConfig::default()
            },
            settings: Settings {
                load_delay_ms: options.load_delay_ms,
                edge_limit_per_30s: options.edge_limit_per_30s,
                ..Settings::default()
            },
            seed: options.seed,
            preload: !options.empty,
        }
    }
}
