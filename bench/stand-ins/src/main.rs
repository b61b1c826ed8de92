//! What surrounds a function in AWS, for benchmarks on one machine: DynamoDB, SQS, Secrets Manager and the Lambda runtime
//! API on one port, fast enough that the function is what is measured, and with the settings that one sets.
//!
//! **Guarantee.** DynamoDB's conditions are evaluated for real, and what this program does not know is refused and never
//! passed over: a function that does its work here does the right calls. **Mechanism.** Small parsers for the expressions
//! (`dynamodb`), request bodies whose unknown members are errors, everything in memory.

mod app;
mod control;
mod dynamodb;
mod fault;
mod locks;
mod router;
mod runtime;
mod secrets;
mod settings;
mod sqs;
mod stats;

use std::io;
use std::net::SocketAddr;

use axum::serve::ListenerExt;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use app::App;
use settings::Settings;

/// DynamoDB, SQS, Secrets Manager and the Lambda runtime API for benchmarks. Conditions are evaluated; nothing outlives
/// the process.
#[derive(Parser, Debug)]
struct Options {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:4599")]
    listen: SocketAddr,
    /// The one table that there is. Its key is `pk` and `sk`.
    #[arg(long, default_value = "belvo-sync")]
    table: String,
    #[command(flatten)]
    settings: Settings,
    /// Keep `data` whole. Otherwise only the members are kept that the sync reads again, so that a million records fit.
    #[arg(long)]
    whole_items: bool,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let listener = TcpListener::bind(options.listen).await?;
    println!("stand-ins listen on http://{}", listener.local_addr()?);
    let app = App::new(options.table, options.settings, options.whole_items);
    // Small answers leave at once.
    let listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        served = axum::serve(listener, router::router(&app)).into_future() => served,
        _ = interrupted.recv() => Ok(()),
        _ = terminated.recv() => Ok(()),
    }
}
