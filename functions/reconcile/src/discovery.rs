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

        let DiscoveryCursor { page, page_size, mut failed_pages } = self.table.discovery_cursor().await?;
        let mut page = LinksPage::new(page, page_size.unwrap_or(LinksPage::FIRST.size()));
        let mut skipped = None;
        let mut last_failed = false;

        for requested in 0..PAGES_PER_RUN {
            let is_last = match self.read_page(page, until).await? {
                PageResult::Read(links) => {
                    if !self.store_links(&links, until, report, failures).await? {
                        break;
                    }
                    report.pages += 1;
                    (failed_pages, last_failed) = (0, false);
                    let next = links.next(page);
                    page = next.unwrap_or(LinksPage::FIRST);
                    next.is_none()
                }
                PageResult::PastTheEnd => {
                    (failed_pages, last_failed) = (0, false);
                    page = LinksPage::FIRST;
                    false
                }
                // Two pages in a row: Belvo may be down. The next run begins with the second one.
                PageResult::Failed(_) if last_failed => break,
                // This page did not have the whole time. The next run begins with it.
                PageResult::Failed(RunError::OutOfTime) if requested > 0 => break,
                PageResult::Failed(error) => {
                    warn!(page = page.number(), error = error.kind(), "skipped a page of Belvo's list of links");
                    report.unread_pages += 1;
                    skipped.get_or_insert(error);
                    last_failed = true;
                    failed_pages = (failed_pages + 1) % MAX_FAILED_PAGES;
                    page = if failed_pages == 0 { LinksPage::FIRST } else { page.behind() };
                    false
                }
            };
            let cursor = DiscoveryCursor { page: page.number(), page_size: Some(page.size()), failed_pages };
            self.table.set_discovery_cursor(cursor).await?;
            if is_last {
                break;
            }
        }
        skipped.map_or(Ok(()), Err)
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
