//! The client of Belvo, and what an execution environment has learned about Belvo's limits.

use std::sync::atomic::{AtomicI64, Ordering};

use belvo::{BelvoProvider, Client, Limits};
use domain::EpochMillis;
use runtime::{LogEvent, Secret};

use crate::error::JobError;
use crate::listing::AdaptivePageSize;

/// How long the filter `id__in` is not used after Belvo refused or ignored it.
const ID_IN_PAUSE_MS: EpochMillis = 60 * 60 * 1_000;

/// The client of Belvo, with what was learned about Belvo's limits, for the life of an execution environment.
#[derive(Debug)]
pub(crate) struct BelvoSession {
    provider: BelvoProvider,
    /// When Belvo last refused or ignored `id__in`; 0 for never.
    id_in_failed_at: AtomicI64,
    page_size: AdaptivePageSize,
}

impl BelvoSession {
    pub(crate) fn new(base_url: String, secret: Secret, limits: Limits) -> Self {
        Self {
            provider: BelvoProvider::new(base_url, secret, limits),
            id_in_failed_at: AtomicI64::new(0),
            page_size: AdaptivePageSize::default(),
        }
    }

    /// Returns the client, with the credentials that were read last.
    pub(crate) async fn client(&self) -> Result<&Client, JobError> {
        Ok(self.provider.client().await?)
    }

    /// Reads the credentials again. Called after Belvo refused them.
    pub(crate) async fn renew(&self) -> Result<(), JobError> {
        Ok(self.provider.renew().await?)
    }

    /// Adds the counts of Belvo's responses since the last log event.
    pub(crate) fn count_requests(&self, event: &mut LogEvent<'_>) {
        self.provider.count_requests(event);
    }

    pub(crate) fn page_size(&self) -> &AdaptivePageSize {
        &self.page_size
    }

    #[cfg(test)]
    pub(crate) fn forget_page_size(&mut self) {
        self.page_size = AdaptivePageSize::default();
    }

    /// Returns `true` if the filter `id__in` may work.
    pub(crate) fn may_use_id_in(&self, now: EpochMillis) -> bool {
        now.saturating_sub(self.id_in_failed_at.load(Ordering::Relaxed)) >= ID_IN_PAUSE_MS
    }

    /// Records that Belvo refused or ignored `id__in`.
    pub(crate) fn record_id_in_failure(&self, now: EpochMillis) {
        self.id_in_failed_at.store(now, Ordering::Relaxed);
    }
}
