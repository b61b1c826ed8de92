//! The client of Belvo, and what this execution environment has learned of the limits of Belvo.

use std::sync::atomic::{AtomicI64, Ordering};

use belvo::{Client, Limits};
use domain::EpochMillis;
use runtime::{LogEvent, Secret};

use crate::error::JobError;
use crate::listing::page_size::AdaptivePageSize;

/// One for the life of an execution environment.
#[derive(Debug)]
pub(crate) struct BelvoSession {
    belvo: belvo::BelvoProvider,
    /// When Belvo last refused or ignored `id__in`; 0 for never.
    id_in_failed_at: AtomicI64,
    page_size: AdaptivePageSize,
}

/// How long `id__in` is left alone after Belvo refused it.
const ID_IN_PAUSE_MS: EpochMillis = 60 * 60 * 1_000;

impl BelvoSession {
    pub(crate) fn new(base_url: String, secret: Secret, limits: Limits) -> Self {
        Self {
            belvo: belvo::BelvoProvider::new(base_url, secret, limits),
            id_in_failed_at: AtomicI64::new(0),
            page_size: AdaptivePageSize::default(),
        }
    }

    /// The client, with the credentials as they were last read.
    pub(crate) async fn client(&self) -> Result<&Client, JobError> {
        Ok(self.belvo.client().await?)
    }

    /// Reads the credentials again, after Belvo refused them.
    pub(crate) async fn renew(&self) -> Result<(), JobError> {
        Ok(self.belvo.renew().await?)
    }

    /// Puts on a line how Belvo answered the requests since the last line.
    pub(crate) fn count_requests(&self, line: &mut LogEvent<'_>) {
        self.belvo.count_requests(line);
    }

    /// How many objects of a list to ask for at once.
    pub(crate) fn page_size(&self) -> &AdaptivePageSize {
        &self.page_size
    }

    #[cfg(test)]
    pub(crate) fn forget_page_size(&mut self) {
        self.page_size = AdaptivePageSize::default();
    }

    /// Is it worth listing objects with `id__in`?
    pub(crate) fn allows_id_in(&self, now: EpochMillis) -> bool {
        now.saturating_sub(self.id_in_failed_at.load(Ordering::Relaxed)) >= ID_IN_PAUSE_MS
    }

    /// Belvo refused or ignored `id__in`.
    pub(crate) fn note_id_in_failed(&self, now: EpochMillis) {
        self.id_in_failed_at.store(now, Ordering::Relaxed);
    }
}
