//! Erasing links.
//!
//! Every link is marked in the table first, and only then somebody waits: from its mark on every pass over a link is refused
//! or stops, and one link that is stuck keeps no other waiting. A link's data is then removed by the sync function, in the
//! link's own turn, and once more a day later. Messages of the link that could not be worked on are removed from the
//! dead-letter queue. That a link is to be erased stands in the file of receipts before anything happens: whatever breaks
//! off, and whatever is restored from a backup, the file says what has to be erased.

pub(crate) mod confirm;
mod receipts;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use domain::{ERASE_LINK, EpochMillis, LinkId, LinkStatus, Message, Source, now};
use queue::Queue;
use store::{Receipt, Table};

use self::receipts::{Erased, Line, append, links_of};
use crate::dead_letters::{self, Removed};
use crate::error::Error;
use crate::output::Output;
use crate::stack::Stack;

/// How often somebody looks whether it is done.
const LOOK: Duration = Duration::from_secs(1);
/// A message of the link that waits for its next attempt holds the link's turn for 15 minutes at most, one that is being
/// worked on for 12. So when no link was done for so long, the others are stuck.
const PATIENCE: Duration = Duration::from_mins(40);

/// Links that are marked, each with the time of an earlier receipt.
type Marked = BTreeMap<LinkId, Option<EpochMillis>>;

/// Erases links.
pub(crate) async fn run(stack: &Stack, output: &Output, links: &[LinkId], receipts: &Path) -> Result<(), Error> {
    // All of them before the first: the list of what was asked for is complete whatever happens.
    let requested_at = now();
    for link in links {
        append(receipts, &Line { link_id: link.to_string(), requested_at, erased: None })?;
    }
    let table = Table::new(stack.dynamodb.clone(), stack.table_name.clone());
    let mut failed = 0;
    let mut tell = |words: String| {
        failed += 1;
        output.error(&Error::Waited(words));
    };
    let mut marked = Marked::new();
    for link in links {
        match mark(&table, &stack.queue, link).await {
            Ok(before) => _ = marked.insert(link.clone(), before),
            Err(words) => tell(words),
        }
    }
    while !marked.is_empty() {
        let bar = output.progress(&format!("{} links are marked as erased and wait for their turns", marked.len()));
        let (done, failures) = next_ended(&table, &mut marked, PATIENCE).await;
        bar.set_message("looking through the dead-letter queue");
        let removed = dead_letters::remove_of(stack, &done.keys().collect::<Vec<_>>()).await;
        bar.finish_and_clear();
        failures.into_iter().for_each(&mut tell);
        for (link, receipt) in done {
            match letters_of(&link, &removed) {
                Ok(dead_letters) => tell_of(*output, &link, requested_at, erased(receipt, dead_letters), receipts)?,
                Err(words) => tell(words),
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Error::Waited(format!(
            "{failed} of {} links are not erased yet: see above, and give the same command again",
            links.len()
        ))),
    }
}

/// Erases whatever a file of receipts names.
pub(crate) async fn replay(stack: &Stack, output: &Output, receipts: &Path) -> Result<(), Error> {
    let text = fs::read_to_string(receipts).map_err(Error::file(receipts))?;
    let (links, unreadable) = links_of(&text);
    let links: Vec<_> = links.into_iter().collect();
    let erased = run(stack, output, &links, receipts).await;
    // A line that was torn by a crash hides no other: all that can be read is erased first.
    match unreadable.first() {
        None => erased,
        Some(line) => {
            let words = format!("line {line} of the receipts cannot be read");
            Err(Error::Input(match erased {
                Ok(()) => format!("{words}; the others are erased"),
                Err(error) => format!("{words}; {error}"),
            }))
        }
    }
}

/// Marks a link, and has its data removed in its turn. When an earlier purge of it ended, if one did; or why it failed.
async fn mark(table: &Table, queue: &Queue, link: &LinkId) -> Result<Option<EpochMillis>, String> {
    let unmarked = |error: &dyn Display| format!("{link} is NOT marked as erased, and goes on being synced: {error}");
    let before = table.receipt(link).await.map_err(|error| unmarked(&error))?.map(|receipt| receipt.purged_at);
    table.begin_purge(link, LinkStatus::Erased, now()).await.map_err(|error| unmarked(&error))?;
    let key = format!("erase-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let message = Message::internal(Source::Resync, link, ("LINK", ERASE_LINK), now(), key);
    queue.send(message.as_slice()).await.map_err(|error| {
        format!(
            "{link} is marked as erased and nothing more is stored of it, but only within the hour the reconcile function \
             takes up its data: {error}"
        )
    })?;
    Ok(before)
}

/// Waits until the data of some links is removed, and takes these from those that are waited for. When there was none for
/// so long, the others are stuck; so is one that cannot be looked at.
async fn next_ended(
    table: &Table,
    marked: &mut Marked,
    patience: Duration,
) -> (BTreeMap<LinkId, Receipt>, Vec<String>) {
    let until = Instant::now() + patience;
    loop {
        let is_over = Instant::now() >= until;
        let (mut done, mut stuck, mut waiting) = (BTreeMap::new(), Vec::new(), Marked::new());
        for (link, before) in std::mem::take(marked) {
            match table.receipt(&link).await {
                Ok(Some(receipt)) if Some(receipt.purged_at) != before => _ = done.insert(link, receipt),
                Ok(_) if is_over => stuck.push(not_removed(&link, "see whether the sync function works")),
                Ok(_) => _ = waiting.insert(link, before),
                Err(error) => stuck.push(not_removed(&link, &error.to_string())),
            }
        }
        *marked = waiting;
        if !(done.is_empty() && stuck.is_empty()) {
            return (done, stuck);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn not_removed(link: &LinkId, why: &str) -> String {
    format!(
        "{link} is marked as erased and nothing more is stored of it, but its data may not have been removed yet: {why}"
    )
}

/// How many dead letters of a link were removed, if none can be left.
fn letters_of(link: &LinkId, removed: &Result<Removed, Error>) -> Result<u64, String> {
    let words = format!("{link} is erased in the table, but may have dead letters still");
    match removed {
        Ok(Removed { has_more: false, counts }) => Ok(counts.get(link).copied().unwrap_or_default()),
        Ok(_) => Err(format!("{words}: somebody else looks at them, or they are too many for one look (redrive some)")),
        Err(error) => Err(format!("{words}: {error}")),
    }
}

fn erased(receipt: Receipt, dead_letters: u64) -> Erased {
    let Receipt { purged_at, records, sync_states, events, requests } = receipt;
    Erased { erased_at: purged_at, records, sync_states, events, requests, dead_letters }
}

fn tell_of(
    output: Output,
    link: &LinkId,
    requested_at: EpochMillis,
    erased: Erased,
    receipts: &Path,
) -> Result<(), Error> {
    let Erased { records, events, requests, dead_letters, .. } = &erased;
    let words = format!(
        "{link} is erased: {records} records, {requests} requests, the content of {events} events, {dead_letters} dead \
         letters. What comes in late is swept up in a day."
    );
    let receipt = Line { link_id: link.to_string(), requested_at, erased: Some(erased) };
    append(receipts, &receipt)?;
    output.result(&words, &receipt);
    Ok(())
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;

    fn link(number: u32) -> LinkId {
        LinkId::parse(&format!("l-{number}")).unwrap()
    }

    async fn a_table() -> Table {
        Table::new(test_aws::dynamodb::start().await, test_aws::dynamodb::TABLE_NAME.to_owned())
    }

    /// As the sync function does it, in the link's turn.
    async fn remove_data(table: &Table, number: u32, at: EpochMillis) {
        let purge = table.begin_purge(&link(number), LinkStatus::Erased, at).await.unwrap();
        assert!(table.end_purge(&purge, at).await.unwrap());
    }

    fn queue() -> Queue {
        let output = || SendMessageBatchOutput::builder().set_successful(Some(vec![])).set_failed(Some(vec![])).build();
        let send = mock!(aws_sdk_sqs::Client::send_message_batch).then_output(move || output().unwrap());
        Queue::new(mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&send]), "http://queue".to_owned())
    }

    #[tokio::test]
    async fn a_link_that_is_stuck_keeps_no_other_waiting() {
        let (table, queue, mut marked) = (a_table().await, queue(), Marked::new());
        remove_data(&table, 1, 1_000).await;
        for number in 1..=3 {
            marked.insert(link(number), mark(&table, &queue, &link(number)).await.unwrap());
            assert_eq!(table.link(&link(number)).await.unwrap().status, Some(LinkStatus::Erased));
        }
        assert_eq!(marked[&link(1)], Some(1_000));
        remove_data(&table, 2, now()).await;
        remove_data(&table, 3, now()).await;

        let patience = Duration::from_millis(10);
        let (done, stuck) = next_ended(&table, &mut marked, patience).await;
        assert_eq!((done.into_keys().collect::<Vec<_>>(), stuck.len()), (vec![link(2), link(3)], 0));
        // An older receipt is none of this erasure.
        let (done, stuck) = next_ended(&table, &mut marked, patience).await;
        assert!(done.is_empty() && marked.is_empty());
        assert!(stuck[0].starts_with("l-1 is marked as erased") && stuck.len() == 1, "{stuck:?}");
    }

    #[test]
    fn no_receipt_is_given_while_a_dead_letter_may_be_left() {
        let removed = |has_more| Ok(Removed { counts: BTreeMap::from([(link(1), 15)]), has_more });
        assert_eq!(letters_of(&link(1), &removed(false)), Ok(15));
        assert_eq!(letters_of(&link(2), &removed(false)), Ok(0));
        assert!(letters_of(&link(1), &removed(true)).is_err());
        assert!(letters_of(&link(1), &Err(Error::SecretMalformed)).is_err());
    }
}
