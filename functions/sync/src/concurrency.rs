//! Concurrent work that always runs to its end.

use std::cell::Cell;

use futures_util::{StreamExt, stream};

use crate::error::JobError;

/// Runs the futures, at most `limit` at once, and passes each output to `take`. After the first error no further future is
/// started, but those that run are awaited: when this returns, nothing still runs that could write later.
pub(crate) async fn for_each<F, T>(
    work: impl Iterator<Item = F>,
    limit: usize,
    mut take: impl FnMut(T),
) -> Result<(), JobError>
where
    F: Future<Output = Result<T, JobError>>,
{
    let has_failed = Cell::new(false);
    let mut running = stream::iter(work.take_while(|_| !has_failed.get())).buffer_unordered(limit);
    let mut result = Ok(());

    while let Some(output) = running.next().await {
        match output {
            Ok(output) => take(output),
            Err(error) => {
                has_failed.set(true);
                result = result.and(Err(error));
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn after_a_failure_nothing_is_started_and_what_runs_is_awaited() {
        let (started, ended) = (Cell::new(0), Cell::new(0));
        let work = (0..10).map(|n| {
            let (started, ended) = (&started, &ended);
            async move {
                started.set(started.get() + 1);
                for _ in 0..n {
                    tokio::task::yield_now().await;
                }
                ended.set(ended.get() + 1);
                if n == 1 { Err(JobError::Overtaken) } else { Ok(()) }
            }
        });
        assert!(matches!(for_each(work, 4, |()| ()).await, Err(JobError::Overtaken)));
        assert_eq!(started.get(), ended.get());
        assert!((4..10).contains(&started.get()), "{}", started.get());
    }
}
