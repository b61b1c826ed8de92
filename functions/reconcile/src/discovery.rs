//! Reading Belvo's list of links: links that the table has never heard of, because the webhooks of their making were lost;
//! how often Belvo refreshes the others; and links whose status is another than the table has, because the webhook that
//! said so was lost.
//!
//! Each run reads a few pages and notes where it stopped. Links that move from one page to another meanwhile are met the next
//! time round.
//!
//! A page that Belvo does not give costs only itself: the run goes on behind it, and comes back to it the next time round. A
//! link that cannot be looked up in the table costs only itself, too. The run's report and log say what was left out.

use std::time::{Duration, Instant};

use belvo::{Error, Links, LinksPage};
use domain::schedule::GRACE;
use domain::{ListedLink, Message, STATUS_CHANGED, Source, now};
use store::DiscoveryCursor;
use tracing::warn;

use crate::left_out::LeftOut;
use crate::links::key;
use crate::{Reconciler, Report, RunError};

/// Pages of Belvo's list that one run asks for.
const PAGES_PER_RUN: u64 = 3;
/// After so many pages that Belvo did not give, one after the other, the list is read from its beginning. Without this a
/// Belvo that answers 500 also behind the last page would be asked for pages that it never had.
const MAX_FAILED_PAGES: u32 = 8;
/// How long before the end of its time a run gives up a page, so that it can still note where it stopped; of a short time a
/// fifth.
const MARGIN: Duration = Duration::from_secs(2);

/// What asking for a page came to.
enum Asked {
    Read(Links),
    /// There is no such page (any more).
    BehindTheEnd,
    /// Belvo did not give this page. It may give another.
    Failed(RunError),
}

impl Reconciler {
    /// Reads some pages of Belvo's list of links and takes down what they say.
    ///
    /// # Errors
    /// What kept it from going on; or why the first page that was left out was not read.
    pub(crate) async fn discover(
        &self,
        until: Instant,
        report: &mut Report,
        left_out: &mut LeftOut,
    ) -> Result<(), RunError> {
        let margin = MARGIN.min(until.saturating_duration_since(Instant::now()) / 5);
        let until = until.checked_sub(margin).unwrap_or(until);
        let DiscoveryCursor { page, page_size, mut failed_pages } = self.table.discovery_cursor().await?;
        let mut page = LinksPage::new(page, page_size.unwrap_or(LinksPage::FIRST.size()));
        let mut unread = None;
        let mut last_failed = false;
        for asked in 0..PAGES_PER_RUN {
            match self.ask_for(page, until).await? {
                Asked::Read(links) => {
                    if !self.meet_all(&links, until, report, left_out).await? {
                        break;
                    }
                    report.pages += 1;
                    (failed_pages, last_failed) = (0, false);
                    let next = links.next(page);
                    page = next.unwrap_or(LinksPage::FIRST);
                    self.note_place(page, failed_pages).await?;
                    if next.is_none() {
                        break;
                    }
                }
                Asked::BehindTheEnd => {
                    (failed_pages, last_failed) = (0, false);
                    page = LinksPage::FIRST;
                    self.note_place(page, failed_pages).await?;
                }
                // Two pages, one after the other: Belvo may be away. The next run begins with the second one.
                Asked::Failed(_) if last_failed => break,
                // It did not have the whole time. The next run begins with it.
                Asked::Failed(RunError::OutOfTime) if asked > 0 => break,
                Asked::Failed(error) => {
                    warn!(page = page.number(), error = error.kind(), "left out a page of Belvo's list of links");
                    report.unread_pages += 1;
                    unread.get_or_insert(error);
                    last_failed = true;
                    failed_pages = (failed_pages + 1) % MAX_FAILED_PAGES;
                    page = if failed_pages == 0 { LinksPage::FIRST } else { page.behind() };
                    self.note_place(page, failed_pages).await?;
                }
            }
        }
        unread.map_or(Ok(()), Err)
    }

    async fn note_place(&self, page: LinksPage, failed_pages: u32) -> Result<(), RunError> {
        let place = DiscoveryCursor { page: page.number(), page_size: Some(page.size()), failed_pages };
        Ok(self.table.set_discovery_cursor(place).await?)
    }

    /// One page.
    async fn ask_for(&self, page: LinksPage, until: Instant) -> Result<Asked, RunError> {
        let ask = async || self.access.client().await?.links(page).await.map_err(RunError::from);
        let answer = tokio::time::timeout(until.saturating_duration_since(Instant::now()), async {
            match ask().await {
                Err(RunError::Belvo(Error::Unauthorized)) => {
                    self.access.renew().await?;
                    ask().await
                }
                answer => answer,
            }
        });
        match answer.await.unwrap_or(Err(RunError::OutOfTime)) {
            Ok(links) => Ok(Asked::Read(links)),
            Err(RunError::Belvo(Error::NotFound { .. })) if !page.is_first() => Ok(Asked::BehindTheEnd),
            Err(error @ RunError::OutOfTime) => Ok(Asked::Failed(error)),
            Err(RunError::Belvo(error)) if error.concerns_one_page() => Ok(Asked::Failed(error.into())),
            Err(error) => Err(error),
        }
    }

    /// Takes down what a page says. `false` when the time was over before its end.
    async fn meet_all(
        &self,
        links: &Links,
        until: Instant,
        report: &mut Report,
        left_out: &mut LeftOut,
    ) -> Result<bool, RunError> {
        if links.unreadable > 0 {
            warn!(unreadable = links.unreadable, "Belvo lists links that cannot be read");
        }
        report.unreadable_links += links.unreadable;
        for link in &links.links {
            if Instant::now() >= until {
                return Ok(false);
            }
            let met = self.upsert_discovered(link, report).await;
            if let Err(error) = &met {
                warn!(link_id = link.id.as_str(), error = %error, "cannot store what Belvo lists");
            }
            left_out.note(met)?;
        }
        Ok(true)
    }

    async fn upsert_discovered(&self, link: &ListedLink, report: &mut Report) -> Result<(), RunError> {
        let now = now();
        // A link that was just made is about to announce itself.
        let due_at = link.created_at.map_or(now, |created_at| now.max(created_at + GRACE));
        let met = self.table.upsert_discovered(link, due_at, now).await?;
        report.discovered += usize::from(met.is_new);
        if met.has_other_status {
            // Read back in the link's turn, like a webhook's news: the list may be behind what was learned meanwhile.
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
