//! The commands `erase` and `replay-erasures`.
//!
//! The command records each request in the receipts file and marks each link in the table before it waits for the
//! first. From its mark on, every pass over a link stops or is rejected. The sync function then removes the link's
//! data, in the order of the link's messages, and once more a day later. The command itself removes the link's dead
//! letters. After an interruption or a restore of the table, the receipts file says what to erase.

mod confirm;
mod receipts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use domain::{ERASE_LINK, EpochMillis, LinkId, LinkStatus, Message, Source, now};
use queue::Queue;
use store::{Receipt, Table};

pub(crate) use self::confirm::confirm;
use self::receipts::{Erased, ReceiptLine, append, parse_links};
use crate::dead_letters::{self, Removal};
use crate::error::Error;
use crate::output::Output;
use crate::stack::Stack;

const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The maximum time between two purged links. A message of the link that is in flight or waits for a retry blocks the
/// link for at most 12 or 15 minutes. After the timeout the remaining links count as stuck.
const PURGE_TIMEOUT: Duration = Duration::from_mins(40);

/// The marked links, each with the time of its previous purge.
type Marked = BTreeMap<LinkId, Option<EpochMillis>>;

/// Erases links.
pub(crate) async fn run(stack: &Stack, output: Output, links: &[LinkId], receipts: &Path) -> Result<(), Error> {
    // All requests are in the file before the first erasure.
    let requested_at = now();
    for link in links {
        append(receipts, &ReceiptLine { link_id: link.to_string(), requested_at, erased: None })?;
    }

    let table = stack.table();
    let mut failures = Failures { output, count: 0 };
    let mut marked = Marked::new();
    for link in links {
        match mark(&table, &stack.queue, link).await {
            Ok(previous) => _ = marked.insert(link.clone(), previous),
            Err(text) => failures.report(text),
        }
    }

    while !marked.is_empty() {
        let bar = output.progress(&format!("waiting until the sync function has purged {} links", marked.len()));
        let (purged, failed) = next_purged(&table, &mut marked, PURGE_TIMEOUT).await;
        bar.set_message("scanning the dead-letter queue");
        let removal = dead_letters::remove_of(stack, &purged.keys().collect::<Vec<_>>()).await;
        bar.finish_and_clear();

        for text in failed {
            failures.report(text);
        }
        for (link, receipt) in purged {
            match removed_letters(&link, &removal) {
                Ok(dead_letters) => complete(output, &link, requested_at, erased(receipt, dead_letters), receipts)?,
                Err(text) => failures.report(text),
            }
        }
    }
    failures.into_result(links.len())
}

/// Erases all links of a receipts file.
pub(crate) async fn replay(stack: &Stack, output: Output, receipts: &Path) -> Result<(), Error> {
    let text = fs::read_to_string(receipts).map_err(Error::file(receipts))?;
    let (links, unreadable) = parse_links(&text);
    let links: Vec<_> = links.into_iter().collect();
    let result = run(stack, output, &links, receipts).await;

    // An unreadable line, from a crash, is an error only after all other lines.
    let Some(line) = unreadable.first() else { return result };
    let text = format!("line {line} of the receipts file is unreadable");
    Err(Error::Input(match result {
        Ok(()) => format!("{text}; the others are erased"),
        Err(error) => format!("{text}; {error}"),
    }))
}

/// The links that could not be erased.
struct Failures {
    output: Output,
    count: usize,
}

impl Failures {
    fn report(&mut self, text: String) {
        self.count += 1;
        self.output.error(&Error::Incomplete(text));
    }

    fn into_result(self, links: usize) -> Result<(), Error> {
        match self.count {
            0 => Ok(()),
            count => Err(Error::Incomplete(format!(
                "{count} of {links} links are not erased yet: see above, and run the same command again"
            ))),
        }
    }
}

/// Marks a link as erased, and sends the message that purges it. Returns the time of its previous purge, or the text of
/// the failure.
async fn mark(table: &Table, queue: &Queue, link: &LinkId) -> Result<Option<EpochMillis>, String> {
    let unmarked = |error: &dyn Display| format!("{link} is NOT marked as erased, and is still synced: {error}");
    let previous = table.receipt(link).await.map_err(|error| unmarked(&error))?.map(|receipt| receipt.purged_at);
    table.begin_purge(link, LinkStatus::Erased, now()).await.map_err(|error| unmarked(&error))?;

    let key = format!("erase-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let message = Message::internal(Source::Resync, link, ("LINK", ERASE_LINK), now(), key);
    queue.send(message.as_slice()).await.map_err(|error| {
        format!(
            "{link} is marked as erased and nothing more is stored of it, but its data stays until the reconcile \
             function has it purged, within an hour: {error}"
        )
    })?;
    Ok(previous)
}

/// Waits until at least one link is purged or fails, and takes these links out of `marked`. After the timeout all links
/// fail that are not purged. Returns the receipts, and the texts of the failures.
async fn next_purged(
    table: &Table,
    marked: &mut Marked,
    timeout: Duration,
) -> (BTreeMap<LinkId, Receipt>, Vec<String>) {
    let deadline = Instant::now() + timeout;
    loop {
        let is_late = Instant::now() >= deadline;
        let (mut purged, mut stuck, mut waiting) = (BTreeMap::new(), Vec::new(), Marked::new());
        for (link, previous) in std::mem::take(marked) {
            match table.receipt(&link).await {
                Ok(Some(receipt)) if Some(receipt.purged_at) != previous => _ = purged.insert(link, receipt),
                Ok(_) if is_late => stuck.push(not_purged(&link, "check whether the sync function works")),
                Ok(_) => _ = waiting.insert(link, previous),
                Err(error) => stuck.push(not_purged(&link, &error.to_string())),
            }
        }
        *marked = waiting;

        if !(purged.is_empty() && stuck.is_empty()) {
            return (purged, stuck);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn not_purged(link: &LinkId, reason: &str) -> String {
    format!(
        "{link} is marked as erased and nothing more is stored of it, but its data may not be removed yet: {reason}"
    )
}

/// Returns the number of removed dead letters of a link. Fails if the queue may hold more of them.
fn removed_letters(link: &LinkId, removal: &Result<Removal, Error>) -> Result<u64, String> {
    let text = format!("{link} is erased in the table, but the dead-letter queue may still have messages of it");
    match removal {
        Ok(Removal { is_incomplete: false, counts }) => Ok(counts.get(link).copied().unwrap_or_default()),
        Ok(_) => Err(format!("{text}: another scan hides some, or they are too many for one scan (redrive some)")),
        Err(error) => Err(format!("{text}: {error}")),
    }
}

fn erased(receipt: Receipt, dead_letters: u64) -> Erased {
    let Receipt { purged_at, records, sync_states, events, requests } = receipt;
    Erased { erased_at: purged_at, records, sync_states, events, requests, dead_letters }
}

/// Appends the receipt of an erased link, and prints it.
fn complete(
    output: Output,
    link: &LinkId,
    requested_at: EpochMillis,
    erased: Erased,
    receipts: &Path,
) -> Result<(), Error> {
    let Erased { records, events, requests, dead_letters, .. } = &erased;
    let text = format!(
        "{link} is erased: {records} records, {requests} requests, the content of {events} events, {dead_letters} dead \
         letters. A second purge in a day removes what arrives late."
    );
    let receipt = ReceiptLine { link_id: link.to_string(), requested_at, erased: Some(erased) };
    append(receipts, &receipt)?;
    output.result(&text, &receipt);
    Ok(())
}
