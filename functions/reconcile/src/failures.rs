//! Failures that a run skips.
//!
//! A link or request that fails costs only itself: the run counts it and continues, and the item stays due. Several failures in
//! a row mean that the table or the queue does not work; then the run ends.

use store::StoreError;

use crate::RunError;

/// Failures in a row after which a run ends. Each takes up to two calls of 3 s.
const MAX_FAILURES_IN_A_ROW: u32 = 5;

/// The failures that a run skipped.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    count: usize,
    in_a_row: u32,
    last: Option<RunError>,
}

impl Failures {
    /// Returns how many links and requests failed.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns the last failure.
    pub(crate) fn last(&self) -> Option<&RunError> {
        self.last.as_ref()
    }

    /// Counts the result of one link or request.
    ///
    /// # Errors
    /// The error in `result`, if it reaches the maximum of failures in a row.
    pub(crate) fn record(&mut self, result: Result<(), RunError>) -> Result<(), RunError> {
        let Err(error) = result else {
            self.in_a_row = 0;
            return Ok(());
        };
        self.count += 1;
        // An item that this release cannot read says nothing about the next item.
        self.in_a_row += u32::from(!matches!(error, RunError::Store(StoreError::Unreadable(_))));
        if self.in_a_row >= MAX_FAILURES_IN_A_ROW {
            self.in_a_row = 0;
            return Err(error);
        }
        self.last = Some(error);
        Ok(())
    }
}
