//! The reconcile function: runs on a schedule and enqueues the listings that lost webhooks would have caused.
//!
//! **Guarantee.** Although webhooks are lost, each link's data is listed again in time, and new links are found.
//!
//! **Mechanism.** Each link has a due time in an index (see `store::Table::due`). A run reads the links that are due (`links`),
//! moves their due time before it enqueues anything, and decides by `domain::schedule` what to list. It does the same for
//! requests without a webhook (`requests`). It also reads a few pages of Belvo's list of links (`discovery`); the next run
//! continues there.
//!
//! A run is bounded in links, in pages and by its deadline. Items that it does not reach stay due. So does a link that fails; the
//! run continues with the others (`failures`).

mod discovery;
mod failures;
mod links;
mod requests;

use std::num::NonZeroU32;
use std::time::{Duration, Instant, SystemTime};

use belvo::{BelvoProvider, ProviderError};
use domain::now;
use failures::Failures;
use lambda_runtime::{Error, LambdaEvent};
use links::LEASE;
use queue::{Queue, QueueError};
use runtime::aws::{CallLimit, timeouts};
use runtime::metrics::{DISCOVERED, FAILURES, LINKS, LISTINGS, RUN_FAILURES, RUNS, STATUS_READS, TIMED_OUT};
use runtime::{EventLog, Level, Secret};
use serde::Serialize;
use store::{Due, DueItem, SHARDS, StoreError, Table};
use tracing::warn;

/// Minimum time before Lambda's deadline at which a run begins nothing new. It is a fifth of a long invocation, and at most half
/// of a short one.
const MARGIN: Duration = Duration::from_secs(10);
/// Maximum number of due items of each shard that a run processes.
const DUE_PER_SHARD: i32 = 50;
/// Timeouts of one call to AWS.
const CALL_LIMIT: CallLimit = CallLimit { total: Duration::from_secs(3), attempt: Duration::from_secs(1) };
/// Maximum number of requests to Belvo in 30 seconds: this function's share of Belvo's rate limit.
const REQUESTS_PER_30S: NonZeroU32 = NonZeroU32::new(6).unwrap();

/// Carries out runs. Lives as long as the execution environment.
pub struct Reconciler {
    belvo: BelvoProvider,
    table: Table,
    queue: Queue,
    event_log: EventLog,
}

/// The result of a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Links that were due and were processed.
    pub links: usize,
    /// Listings that were enqueued, including those for requests.
    pub listings: usize,
    /// Requests for which no webhook arrived in time.
    pub timed_out: usize,
    /// Links in Belvo's list that the table did not have.
    pub discovered: usize,
    /// Links whose status differs from Belvo's list; the sync function will read it from Belvo.
    pub status_reads: usize,
    /// Pages of Belvo's list of links that were read.
    pub pages: u64,
    /// Pages of that list that Belvo failed to return.
    pub unread_pages: u64,
    /// Links in that list without a usable id.
    pub unreadable_links: usize,
    /// Links and requests that failed, and listed links that could not be stored.
    pub failed: usize,
    /// `true` if due items were left to the next run.
    pub has_more: bool,
}

/// An error that ends a run, or that a run skips. The work before it stands.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// DynamoDB failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQS did not store a message.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// There is no client of Belvo.
    #[error(transparent)]
    Access(#[from] ProviderError),
    /// Belvo failed to return its list of links.
    #[error(transparent)]
    Belvo(#[from] belvo::Error),
    /// The time for reading Belvo's list of links ended.
    #[error("out of time")]
    OutOfTime,
}

impl RunError {
    /// Returns the error word for logs and metrics, in common with the sync function.
    fn kind(&self) -> &'static str {
        match self {
            Self::Store(_) => "store",
            Self::Queue(_) => "queue",
            Self::Access(ProviderError::Secret(_)) => "secret",
            Self::Access(ProviderError::Settings(_)) => "settings",
            Self::Belvo(error) => error.kind(),
            Self::OutOfTime => "out_of_time",
        }
    }
}

impl Reconciler {
    /// Builds the function from `BELVO_BASE_URL`, `BELVO_SECRET_ARN`, `TABLE_NAME`, `QUEUE_URL` and `STACK_NAME`.
    ///
    /// # Errors
    /// A setting is missing or invalid.
    pub async fn from_environment() -> Result<Self, Error> {
        let aws = runtime::aws::config().await;
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&aws).timeout_config(timeouts(CALL_LIMIT));
        let secrets = runtime::secrets_client(&aws, CALL_LIMIT);
        let secret = Secret::new(secrets, runtime::required("BELVO_SECRET_ARN")?);
        let limits = belvo::Limits { requests_per_30s: REQUESTS_PER_30S, ..belvo::Limits::default() };
        Ok(Self {
            belvo: BelvoProvider::new(runtime::required("BELVO_BASE_URL")?, secret, limits),
            table: Table::new(store::client(dynamodb), runtime::required("TABLE_NAME")?),
            queue: Queue::new(queue::client(&aws, CALL_LIMIT), runtime::required("QUEUE_URL")?),
            event_log: EventLog::from_environment(),
        })
    }

    /// Carries out one run. While Belvo is down, only the discovery of new links is skipped.
    ///
    /// # Errors
    /// Several failures of the table or the queue in a row. Due items stay due.
    pub async fn handle(&self, event: LambdaEvent<serde_json::Value>) -> Result<Report, Error> {
        let started = Instant::now();
        let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let until = started + left.saturating_sub(MARGIN.max(left / 5).min(left / 2));
        let (mut report, mut failures) = (Report::default(), Failures::default());

        // Half of the time: the other half is for due items, however slow Belvo is.
        let half = (until - started) / 2;
        let discovery = tokio::time::timeout(half, self.discover(started + half, &mut report, &mut failures)).await;
        let discovery = discovery.unwrap_or(Err(RunError::OutOfTime));

        let due = self.process_due(until, &mut report, &mut failures).await;
        report.failed = failures.count();

        self.log(&report, discovery.err().as_ref(), due.as_ref().err(), failures.last(), started.elapsed());
        due?;
        Ok(report)
    }

    /// Logs one event for the run.
    fn log(
        &self,
        report: &Report,
        discovery: Option<&RunError>,
        error: Option<&RunError>,
        skipped: Option<&RunError>,
        elapsed: Duration,
    ) {
        let (level, message) = match (error, discovery, skipped) {
            (Some(_), _, _) => (Level::Error, "a run ended early"),
            (None, Some(_), _) if report.pages > 0 => (Level::Warn, "reconciled, but not all pages of links were read"),
            (None, Some(_), _) => (Level::Warn, "reconciled, but discovered no links"),
            (None, None, Some(_)) => (Level::Warn, "reconciled, but left something out"),
            (None, None, None) => (Level::Info, "reconciled"),
        };
        let mut event = self.event_log.event("reconcile", level, message, now());
        event.count(&LINKS, report.links as u64).count(&LISTINGS, report.listings as u64);
        event.count(&TIMED_OUT, report.timed_out as u64).count(&DISCOVERED, report.discovered as u64);
        event.count(&STATUS_READS, report.status_reads as u64);
        event.field("pages", report.pages).field("unread_pages", report.unread_pages);
        event.field("unreadable_links", report.unreadable_links as u64).field("failed", report.failed as u64);
        event.field("has_more", report.has_more);
        event.count_nonzero(&RUNS, u64::from(error.is_none()));
        if let Some(error) = error.or(discovery).or(skipped) {
            event.dimension("error", error.kind()).count(&FAILURES, 1).count(&RUN_FAILURES, 1);
            event.field("cause", error.to_string().as_str());
        }
        event.field("elapsed_ms", u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        self.belvo.count_requests(&mut event);
        event.write();
    }

    /// Processes due links and requests until the time ends.
    async fn process_due(&self, until: Instant, report: &mut Report, failures: &mut Failures) -> Result<(), RunError> {
        // From a random shard: runs that are always too short still reach every shard.
        let first = fastrand::u8(0..SHARDS);
        for shard in (0..SHARDS).map(|number| (first + number) % SHARDS) {
            let due = match self.table.due(shard, now(), DUE_PER_SHARD).await {
                Ok(due) => due,
                Err(error) => {
                    failures.record(Err(error.into()))?;
                    continue;
                }
            };
            report.has_more |= due.len() == usize::try_from(DUE_PER_SHARD).unwrap_or_default();
            for due in due {
                if Instant::now() >= until {
                    report.has_more = true;
                    return Ok(());
                }
                failures.record(self.process(&due, report).await)?;
            }
        }
        Ok(())
    }

    async fn process(&self, due: &Due, report: &mut Report) -> Result<(), RunError> {
        let result = match &due.what {
            DueItem::Link(link) => self.process_link(link, due.at, report).await,
            DueItem::Request(request) => self.process_request(request, report).await,
        };
        let (link_id, request_id) = due.what.ids();
        match &result {
            Err(RunError::Store(StoreError::Unreadable(what))) => {
                warn!(link_id, request_id, what, "cannot read a due item");
                // Put it behind the others of its shard: many items of a newer release would fill each run.
                self.table.postpone(due, now() + LEASE).await?;
            }
            Err(error) => warn!(link_id, request_id, error = %error, "cannot process a due item"),
            Ok(()) => {}
        }
        result
    }
}

#[cfg(test)]
mod tests;
