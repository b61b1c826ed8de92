//! Reading Belvo's list of links: links that the table has never heard of, because the webhooks of their making were lost,
//! and how often Belvo refreshes the others.
//!
//! Each run reads a few pages and notes where it stopped. Links that move from one page to another meanwhile are met the next
//! time round.

use std::time::Instant;

use belvo::{Error, Links};
use domain::schedule::GRACE;
use domain::{ListedLink, now};
use store::Met;
use tracing::warn;

use crate::{Reconciler, Report, Trouble};

/// Pages of a thousand links that one run reads.
const PAGES_PER_RUN: u64 = 3;

impl Reconciler {
    /// Reads some pages of Belvo's list of links and takes down what they say.
    pub(crate) async fn discover(&self, until: Instant, report: &mut Report) -> Result<(), Trouble> {
        for _ in 0..PAGES_PER_RUN {
            let number = self.table.discovery_page().await?;
            let Some(Links { links, unreadable, has_next }) = self.links(number).await? else {
                self.table.set_discovery_page(1).await?;
                return Ok(());
            };
            if unreadable > 0 {
                warn!(unreadable, "Belvo lists links that cannot be read");
            }
            for link in &links {
                if Instant::now() >= until {
                    return Ok(());
                }
                self.meet(link, report).await?;
            }
            report.pages += 1;
            self.table.set_discovery_page(if has_next { number + 1 } else { 1 }).await?;
            if !has_next {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One page. None when there is no such page (any more).
    async fn links(&self, number: u64) -> Result<Option<Links>, Trouble> {
        let ask = async || self.access.client().await?.links(number).await.map_err(Trouble::from);
        let answer = match ask().await {
            Err(Trouble::Belvo(Error::Unauthorized)) => {
                self.access.renew().await?;
                ask().await
            }
            answer => answer,
        };
        match answer {
            Err(Trouble::Belvo(Error::NotFound { .. })) if number > 1 => Ok(None),
            answer => answer.map(Some),
        }
    }

    async fn meet(&self, link: &ListedLink, report: &mut Report) -> Result<(), Trouble> {
        let now = now();
        // A link that was just made is about to announce itself.
        let due_at = link.created_at.map_or(now, |created_at| now.max(created_at + GRACE));
        if self.table.meet(link, due_at, now).await? == Met::New {
            report.discovered += 1;
        }
        Ok(())
    }
}
