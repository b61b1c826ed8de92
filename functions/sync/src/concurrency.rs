//! Running many small things side by side, and always to their end.

use std::cell::Cell;

use futures_util::{StreamExt, stream};

use crate::error::JobError;

/// Runs the work, at most so many pieces at once, and hands over what each gives. After the first failure nothing new is
/// started, but what is under way is awaited: when this returns, nothing is left running that could write later.
pub(crate) async fn for_each<F, T>(
    work: impl Iterator<Item = F>,
    at_once: usize,
    mut take: impl FnMut(T),
) -> Result<(), JobError>
where
    F: Future<Output = Result<T, JobError>>,
{
    let failed = Cell::new(false);
    let mut running = stream::iter(work.take_while(|_| !failed.get())).buffer_unordered(at_once);
    let mut result = Ok(());
    while let Some(output) = running.next().await {
        match output {
            Ok(output) => take(output),
            Err(failure) => {
                failed.set(true);
                result = result.and(Err(failure));
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
