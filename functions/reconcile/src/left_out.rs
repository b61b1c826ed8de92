//! What a run leaves out because it failed.
//!
//! A link or request that fails costs only itself: it is counted, it stays due, and the run goes on with the next. When several
//! fail in a row, the table or the queue does not work, and the run ends.

use store::StoreError;

use crate::RunError;

/// After so many failures in a row a run ends. Each takes up to two calls of 3 s.
const MAX_FAILURES_IN_A_ROW: u32 = 5;

/// The failures of a run that did not end it.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    count: usize,
    in_a_row: u32,
    last: Option<RunError>,
}

impl LeftOut {
    /// How many links and requests failed.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The last failure, for the run's line.
    pub(crate) fn last(&self) -> Option<&RunError> {
        self.last.as_ref()
    }

    /// Notes how it went with one of them.
    ///
    /// # Errors
    /// The failure itself, when it is one too many in a row.
    pub(crate) fn note(&mut self, result: Result<(), RunError>) -> Result<(), RunError> {
        let Err(error) = result else {
            self.in_a_row = 0;
            return Ok(());
        };
        self.count += 1;
        // An item that this release cannot read says nothing of the next.
        self.in_a_row += u32::from(!matches!(error, RunError::Store(StoreError::Unreadable(_))));
        if self.in_a_row >= MAX_FAILURES_IN_A_ROW {
            self.in_a_row = 0;
            return Err(error);
        }
        self.last = Some(error);
        Ok(())
    }
}
