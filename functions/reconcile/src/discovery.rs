//! Discovery: reads Belvo's list of links, in case webhooks were lost.
//!
//! The list shows links that the table does not have, how often Belvo refreshes each link, and links whose status differs from
//! the table's. Each run reads a few pages and stores a cursor. A link that moves to another page meanwhile is found the next
//! time.
//!
//! A page that Belvo fails to return costs only itself: the run continues behind it, and requests it again the next time. So does
//! a link that the table fails to store. The run's report and log say what was skipped.

use std::time::{Duration, Instant};

use belvo::{Error, Links, LinksPage};
use domain::schedule::GRACE_PERIOD;
use domain::{ListedLink, Message, STATUS_CHANGED, Source, now};
use store::DiscoveryCursor;
use tracing::warn;

use crate::failures::Failures;
use crate::links::key;
use crate::{Reconciler, Report, RunError};

/// Maximum number of pages that one run requests.
const PAGES_PER_RUN: u64 = 3;
/// Failed pages in a row after which the list is read from its beginning. A Belvo that fails behind the last page, too, would
/// otherwise be asked for pages that do not exist.
const MAX_FAILED_PAGES: u32 = 8;
/// Time that a run reserves to store its cursor; at most a fifth of the time that is left.
const MARGIN: Duration = Duration::from_secs(2);

/// The result of requesting a page.
enum PageResult {
    Read(Links),
    /// The list ends before this page.
    PastTheEnd,
    /// Belvo failed to return this page. It may return another.
    Failed(RunError),
}

/// The position of a run in Belvo's list.
struct Scan {
    page: LinksPage,
    /// Pages that failed in a row, also in earlier runs.
    failed_pages: u32,
    /// `true` if this run requested the page before, and it failed.
    last_failed: bool,
    first_error: Option<RunError>,
}

impl Scan {
    fn new(DiscoveryCursor { page, page_size, failed_pages }: DiscoveryCursor) -> Self {
        let page = LinksPage::new(page, page_size.unwrap_or(LinksPage::FIRST.size()));
        Self { page, failed_pages, last_failed: false, first_error: None }
    }

    fn cursor(&self) -> DiscoveryCursor {
        let page_size = Some(self.page.size());
        DiscoveryCursor { page: self.page.number(), page_size, failed_pages: self.failed_pages }
    }

    /// Continues with the next page, or at the beginning of the list.
    fn advance(&mut self, next: Option<LinksPage>) {
        (self.failed_pages, self.last_failed) = (0, false);
        self.page = next.unwrap_or(LinksPage::FIRST);
    }

    /// Continues behind a page that failed, or at the beginning of the list if too many failed in a row.
    fn skip(&mut self, error: RunError) {
        warn!(page = self.page.number(), error = error.kind(), "skipped a page of Belvo's list of links");
        self.first_error.get_or_insert(error);
        self.last_failed = true;
        self.failed_pages = (self.failed_pages + 1) % MAX_FAILED_PAGES;
        self.page = if self.failed_pages == 0 { LinksPage::FIRST } else { self.page.behind() };
    }
}

impl Reconciler {
    /// Reads some pages of Belvo's list of links and stores what they say.
    ///
    /// # Errors
    /// The error that ended the discovery, or that of the first page that was skipped.
    pub(crate) async fn discover(
        &self,
        until: Instant,
        report: &mut Report,
        failures: &mut Failures,
    ) -> Result<(), RunError> {
        let margin = MARGIN.min(until.saturating_duration_since(Instant::now()) / 5);
        let until = until.checked_sub(margin).unwrap_or(until);

        let mut scan = Scan::new(self.table.discovery_cursor().await?);
        for requested in 0..PAGES_PER_RUN {
            let is_last = match self.read_page(scan.page, until).await? {
                PageResult::Read(links) => {
                    if !self.store_links(&links, until, report, failures).await? {
                        break;
                    }
                    report.pages += 1;
                    let next = links.next(scan.page);
                    scan.advance(next);
                    next.is_none()
                }
                PageResult::PastTheEnd => {
                    scan.advance(None);
                    false
                }
                // Two pages in a row: Belvo may be down. The next run begins with the second one.
                PageResult::Failed(_) if scan.last_failed => break,
                // This page did not have the whole time. The next run begins with it.
                PageResult::Failed(RunError::OutOfTime) if requested > 0 => break,
                PageResult::Failed(error) => {
                    report.unread_pages += 1;
                    scan.skip(error);
                    false
                }
            };
            self.table.set_discovery_cursor(scan.cursor()).await?;
            if is_last {
                break;
            }
        }
        scan.first_error.map_or(Ok(()), Err)
    }

    /// Requests one page. Renews the credentials once if Belvo rejects them.
    async fn read_page(&self, page: LinksPage, until: Instant) -> Result<PageResult, RunError> {
        let request = async || self.belvo.client().await?.links(page).await.map_err(RunError::from);
        let response = tokio::time::timeout(until.saturating_duration_since(Instant::now()), async {
            match request().await {
                Err(RunError::Belvo(Error::Unauthorized)) => {
                    self.belvo.renew().await?;
                    request().await
                }
                response => response,
            }
        });
        match response.await.unwrap_or(Err(RunError::OutOfTime)) {
            Ok(links) => Ok(PageResult::Read(links)),
            Err(RunError::Belvo(Error::NotFound { .. })) if !page.is_first() => Ok(PageResult::PastTheEnd),
            Err(error @ RunError::OutOfTime) => Ok(PageResult::Failed(error)),
            Err(RunError::Belvo(error)) if error.concerns_one_page() => Ok(PageResult::Failed(error.into())),
            Err(error) => Err(error),
        }
    }

    /// Stores the links of a page. Returns `false` if the time ended before that was done.
    async fn store_links(
        &self,
        links: &Links,
        until: Instant,
        report: &mut Report,
        failures: &mut Failures,
    ) -> Result<bool, RunError> {
        if links.unreadable > 0 {
            warn!(unreadable = links.unreadable, "Belvo lists links without a usable id");
        }
        report.unreadable_links += links.unreadable;
        for link in &links.links {
            if Instant::now() >= until {
                return Ok(false);
            }
            let stored = self.store_link(link, report).await;
            if let Err(error) = &stored {
                warn!(link_id = link.id.as_str(), error = %error, "cannot store a listed link");
            }
            failures.record(stored)?;
        }
        Ok(true)
    }

    async fn store_link(&self, link: &ListedLink, report: &mut Report) -> Result<(), RunError> {
        let now = now();
        // A new link is about to announce itself by a webhook.
        let due_at = link.created_at.map_or(now, |created_at| now.max(created_at + GRACE_PERIOD));
        let discovery = self.table.upsert_discovered(link, due_at, now).await?;
        report.discovered += usize::from(discovery.is_new);

        if discovery.has_other_status {
            // The sync function reads the status from Belvo, in the order of the link's messages: the list may be outdated.
            let key = key(&link.id, STATUS_CHANGED, now);
            let message = Message::internal(Source::Reconcile, &link.id, ("LINK", STATUS_CHANGED), now, key);
            let messages: Vec<_> = message.into_iter().collect();
            self.queue.send(&messages).await?;
            self.table.record_status_check(&link.id, now).await?;
            report.status_reads += messages.len();
        }
        Ok(())
    }
}
