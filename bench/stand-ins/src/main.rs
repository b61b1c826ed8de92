//! Stand-ins for DynamoDB, SQS, Secrets Manager and the Lambda runtime API on one port, for benchmarks on one machine. They are
//! fast enough that a benchmark measures the function.
//!
//! **Guarantee.** DynamoDB's conditions are evaluated, and unknown requests are rejected, never ignored: a function that succeeds
//! here makes the right calls. **Mechanism.** Small parsers for the expressions (`dynamodb`), request bodies whose unknown members
//! are errors, all state in memory.

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

/// Stand-ins for DynamoDB, SQS, Secrets Manager and the Lambda runtime API in benchmarks. All state is in memory.
#[derive(Parser, Debug)]
struct Options {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:4599")]
    listen: SocketAddr,
    /// Name of the only table. Its key is `pk` and `sk`.
    #[arg(long, default_value = "belvo-sync")]
    table: String,
    #[command(flatten)]
    settings: Settings,
    /// Keep `data` whole. By default only the members that the sync reads again are kept, so that a million records fit.
    #[arg(long)]
    whole_items: bool,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let listener = TcpListener::bind(options.listen).await?;
    println!("stand-ins listen on http://{}", listener.local_addr()?);
    let app = App::new(options.table, options.settings, options.whole_items);
    // Send small responses at once.
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
