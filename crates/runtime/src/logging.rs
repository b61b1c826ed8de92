//! Diagnostics as JSON lines.
//!
//! The crates of this project log at `INFO` and above, libraries at `WARN` and above: below it, HTTP clients write headers and
//! bodies, which hold credentials and personal data.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The crates that log at `INFO` and above.
const INFO_CRATES: [&str; 8] = ["webhook", "sync", "request", "reconcile", "belvo", "store", "queue", "runtime"];

/// Starts logging to standard output, which Lambda sends to CloudWatch Logs.
pub fn init() {
    let levels = INFO_CRATES.iter().map(|name| (*name, LevelFilter::INFO));
    let filter = Targets::new().with_default(LevelFilter::WARN).with_targets(levels);
    let format = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false);
    // A second call, as in tests, keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(format.with_span_list(false)).with(filter).try_init();
}
