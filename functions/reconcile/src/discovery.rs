//! Reading Belvo's list of links: links that the table has never heard of, because the webhooks of their making were lost;
//! how often Belvo refreshes the others; and links whose status is another than the table has, because the webhook that
//! said so was lost.
//!
//! Each run reads a few pages and notes where it stopped. Links that move from one page to another meanwhile are met the next
//! time round.

use std::time::Instant;

use belvo::{Error, Links};
use domain::schedule::GRACE;
use domain::{ListedLink, Message, STATUS_CHANGED, Source, now};
use tracing::warn;

use crate::left_out::LeftOut;
use crate::links::key;
use crate::{Reconciler, Report, Trouble};

/// Pages of a thousand links that one run reads.
const PAGES_PER_RUN: u64 = 3;

impl Reconciler {
    /// Reads some pages of Belvo's list of links and takes down what they say.
    pub(crate) async fn discover(
        &self,
        until: Instant,
        report: &mut Report,
        left_out: &mut LeftOut,
    ) -> Result<(), Trouble> {
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
                let met = self.meet(link, report).await;
                if let Err(trouble) = &met {
                    warn!(link_id = link.id.as_str(), error = %trouble, "cannot store what Belvo lists");
                }
                left_out.note(met)?;
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
        let met = self.table.meet(link, due_at, now).await?;
        report.discovered += usize::from(met.is_new);
        if met.has_other_status {
            // Read back in the link's turn, like a webhook's news: the list may be behind what was learned meanwhile.
            let key = key(&link.id, STATUS_CHANGED, now);
            let message = Message::asked(Source::Reconcile, &link.id, ("LINK", STATUS_CHANGED), now, key);
            let messages: Vec<_> = message.into_iter().collect();
            self.queue.send(&messages).await?;
            self.table.note_status_asked(&link.id, now).await?;
            report.status_reads += messages.len();
        }
        Ok(())
    }
}
