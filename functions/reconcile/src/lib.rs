//! The reconcile function: on a schedule, it asks for the listings that no webhook asked for.
//!
//! **Guarantee.** Whatever webhooks were lost, a link's data is listed again in time, and a link that the table has never
//! heard of is found. **Mechanism.** Each link has a due time in an index (see `store::Table::due`). A run takes the links
//! that are due (`links`), moves their due time before it enqueues anything, and decides by `domain::schedule` what to
//! list. Beside that it reads a few pages of Belvo's list of links (`discovery`), a little further with every run.
//!
//! A run is bounded: in links, in pages, and by its deadline. What it does not reach is due still, for the next one. So is a link
//! that fails, and the run goes on with the others (`left_out`).

mod discovery;
mod left_out;
mod links;
mod requests;

use std::num::NonZeroU32;
use std::time::{Duration, Instant, SystemTime};

use belvo::{BelvoProvider, ProviderError};
use domain::now;
use lambda_runtime::{Error, LambdaEvent};
use left_out::LeftOut;
use links::LEASE;
use queue::{Queue, QueueError};
use runtime::aws::{CallLimit, timeouts};
use runtime::metrics::{DISCOVERED, FAILURES, LINKS, LISTINGS, RUN_FAILURES, RUNS, STATUS_READS, TIMED_OUT};
use runtime::{EventLog, Level, Secret};
use serde::Serialize;
use store::{Due, DueItem, SHARDS, StoreError, Table};
use tracing::warn;

/// How long before Lambda's deadline nothing new is begun, at least; of a long invocation it is a fifth of the time, of a
/// short one at most half.
const MARGIN: Duration = Duration::from_secs(10);
/// Of each shard a run takes up at most so many.
const DUE_PER_SHARD: i32 = 50;
/// What one call to AWS may take.
const CALL_LIMIT: CallLimit = CallLimit { total: Duration::from_secs(3), attempt: Duration::from_secs(1) };
/// Of the requests that Belvo allows in 30 seconds, these are left to this function: it asks for some pages of links.
const REQUESTS_PER_30S: NonZeroU32 = NonZeroU32::new(6).unwrap();

/// Carries out runs. One for the life of an execution environment.
pub struct Reconciler {
    access: BelvoProvider,
    table: Table,
    queue: Queue,
    event_log: EventLog,
}

/// What a run did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Links that were due and were looked at.
    pub links: usize,
    /// Listings that were enqueued, those for requests included.
    pub listings: usize,
    /// Requests that Belvo has not answered in time.
    pub timed_out: usize,
    /// Links of Belvo's that the table had never heard of.
    pub discovered: usize,
    /// Links whose status at Belvo is another than in the table, and is going to be read back.
    pub status_reads: usize,
    /// Pages of Belvo's list of links that were read.
    pub pages: u64,
    /// Pages of it that Belvo did not give, and that were left out until the next time round.
    pub unread_pages: u64,
    /// Links in it that cannot be read, and that were left out.
    pub unreadable_links: usize,
    /// Links and requests that could not be taken up, and links of Belvo's list that could not be stored.
    pub failed: usize,
    /// Was more due than a run takes up?
    pub has_more: bool,
}

/// Why a run ended early. What it did until then stands.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// DynamoDB did not do what it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQS did not take a message.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Belvo cannot be asked.
    #[error(transparent)]
    Access(#[from] ProviderError),
    /// Belvo did not give its list of links.
    #[error(transparent)]
    Belvo(#[from] belvo::Error),
    /// The time for reading Belvo's list of links was over.
    #[error("the time was too short")]
    OutOfTime,
}

impl RunError {
    /// A short word for logs and metrics: the same as the sync function's.
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
    /// Built from `BELVO_BASE_URL`, `BELVO_SECRET_ARN`, `TABLE_NAME`, `QUEUE_URL` and `STACK_NAME`.
    ///
    /// # Errors
    /// When a setting is missing or cannot be read.
    pub async fn from_environment() -> Result<Self, Error> {
        let aws = runtime::aws::config().await;
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&aws).timeout_config(timeouts(CALL_LIMIT));
        let secrets = runtime::secrets_client(&aws, CALL_LIMIT);
        let secret = Secret::new(secrets, runtime::required("BELVO_SECRET_ARN")?);
        let limits = belvo::Limits { requests_per_30s: REQUESTS_PER_30S, ..belvo::Limits::default() };
        Ok(Self {
            access: BelvoProvider::new(runtime::required("BELVO_BASE_URL")?, secret, limits),
            table: Table::new(store::client(dynamodb), runtime::required("TABLE_NAME")?),
            queue: Queue::new(queue::client(&aws, CALL_LIMIT), runtime::required("QUEUE_URL")?),
            event_log: EventLog::from_environment(),
        })
    }

    /// One run. Belvo's being away holds back nothing but the discovery of links.
    ///
    /// # Errors
    /// Several failures of the table or the queue in a row: what is due stays due.
    pub async fn handle(&self, event: LambdaEvent<serde_json::Value>) -> Result<Report, Error> {
        let started = Instant::now();
        let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let until = started + left.saturating_sub(MARGIN.max(left / 5).min(left / 2));
        let mut report = Report::default();
        // Half of the time, so that there is some left for what is due whatever Belvo does.
        let half = (until - started) / 2;
        let mut left_out = LeftOut::default();
        let discovery = tokio::time::timeout(half, self.discover(started + half, &mut report, &mut left_out)).await;
        let discovery = discovery.unwrap_or(Err(RunError::OutOfTime));
        let due = self.take_up_what_is_due(until, &mut report, &mut left_out).await;
        report.failed = left_out.count();
        self.log(&report, discovery.err().as_ref(), due.as_ref().err(), left_out.last(), started.elapsed());
        due?;
        Ok(report)
    }

    /// One line a run: what it did, and what kept it from doing more.
    fn log(
        &self,
        report: &Report,
        no_discovery: Option<&RunError>,
        error: Option<&RunError>,
        left_out: Option<&RunError>,
        elapsed: Duration,
    ) {
        let (level, message) = match (error, no_discovery, left_out) {
            (Some(_), _, _) => (Level::Error, "a run ended early"),
            (None, Some(_), _) if report.pages > 0 => (Level::Warn, "reconciled, but not all pages of links were read"),
            (None, Some(_), _) => (Level::Warn, "reconciled, but discovered no links"),
            (None, None, Some(_)) => (Level::Warn, "reconciled, but left something out"),
            (None, None, None) => (Level::Info, "reconciled"),
        };
        let mut line = self.event_log.event("reconcile", level, message, now());
        line.count(&LINKS, report.links as u64).count(&LISTINGS, report.listings as u64);
        line.count(&TIMED_OUT, report.timed_out as u64).count(&DISCOVERED, report.discovered as u64);
        line.count(&STATUS_READS, report.status_reads as u64);
        line.field("pages", report.pages).field("unread_pages", report.unread_pages);
        line.field("unreadable_links", report.unreadable_links as u64).field("failed", report.failed as u64);
        line.field("has_more", report.has_more);
        line.count_some(&RUNS, u64::from(error.is_none()));
        if let Some(error) = error.or(no_discovery).or(left_out) {
            line.dimension("error", error.kind()).count(&FAILURES, 1).count(&RUN_FAILURES, 1);
            line.field("cause", error.to_string().as_str());
        }
        line.field("elapsed_ms", u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        self.access.count_requests(&mut line);
        line.write();
    }

    async fn take_up_what_is_due(
        &self,
        until: Instant,
        report: &mut Report,
        left_out: &mut LeftOut,
    ) -> Result<(), RunError> {
        // Beginning anywhere: a run that is always too short still comes to every shard.
        let first = fastrand::u8(0..SHARDS);
        for shard in (0..SHARDS).map(|number| (first + number) % SHARDS) {
            let due = match self.table.due(shard, now(), DUE_PER_SHARD).await {
                Ok(due) => due,
                Err(failed) => {
                    left_out.note(Err(failed.into()))?;
                    continue;
                }
            };
            report.has_more |= due.len() == usize::try_from(DUE_PER_SHARD).unwrap_or_default();
            for due in due {
                if Instant::now() >= until {
                    report.has_more = true;
                    return Ok(());
                }
                left_out.note(self.take_up(&due, report).await)?;
            }
        }
        Ok(())
    }

    async fn take_up(&self, due: &Due, report: &mut Report) -> Result<(), RunError> {
        let result = match &due.what {
            DueItem::Link(link) => self.take_up_link(link, due.at, report).await,
            DueItem::Request(request) => self.take_up_request(request, report).await,
        };
        let (link_id, request_id) = due.what.ids();
        match &result {
            Err(RunError::Store(StoreError::Unreadable(what))) => {
                warn!(link_id, request_id, what, "cannot read what is due");
                // Behind the others of its shard: many that a newer release wrote would fill each run.
                self.table.postpone(due, now() + LEASE).await?;
            }
            Err(error) => warn!(link_id, request_id, error = %error, "cannot take up what is due"),
            Ok(()) => {}
        }
        result
    }
}

#[cfg(test)]
mod conflict_tests;
#[cfg(test)]
mod line_tests;
#[cfg(test)]
mod tests;
