//! The state that all requests share.

use std::sync::{Arc, Mutex};

use crate::dynamodb::Table;
use crate::runtime::Runtime;
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::sqs::Queue;
use crate::stats::Stats;

/// A handle on the shared state, cheap to clone.
pub(crate) type Shared = Arc<App>;

/// The state of all stand-ins.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) table: Mutex<Table>,
    pub(crate) settings: Mutex<Settings>,
    pub(crate) queue: Mutex<Queue>,
    pub(crate) secrets: Mutex<Secrets>,
    pub(crate) stats: Mutex<Stats>,
    pub(crate) runtime: Arc<Runtime>,
}

impl App {
    pub(crate) fn new(table: String, settings: Settings, whole_items: bool) -> Shared {
        Arc::new(Self {
            table: Mutex::new(Table::new(table, whole_items, settings.partition_write_units)),
            settings: Mutex::new(settings),
            queue: Mutex::default(),
            secrets: Mutex::default(),
            stats: Mutex::default(),
            runtime: Arc::default(),
        })
    }
}
