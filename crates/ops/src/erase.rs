//! Erasing links, and the receipts of it.
//!
//! The link is marked in the table first: from then on every pass over it is refused or stops. Its data is then removed by
//! the sync function, in the link's own turn, and once more a day later. Messages of the link that could not be worked on
//! are removed from the dead-letter queue. That a link is to be erased stands in the file of receipts before anything
//! happens: whatever breaks off, and whatever is restored from a backup, the file says what has to be erased.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use domain::{ERASE_LINK, EpochMillis, LinkId, LinkStatus, Message, Source, now};
use serde::{Deserialize, Serialize};
use store::{Receipt, Table};

use crate::letters;
use crate::output::Output;
use crate::stack::Stack;
use crate::trouble::Trouble;

/// How often somebody looks whether it is done.
const LOOK: Duration = Duration::from_secs(1);
/// A message of the link that waits for its next attempt holds the link's turn for 15 minutes at most, one that is being
/// worked on for 12.
const PATIENCE: Duration = Duration::from_mins(40);

/// A line of the file of receipts: what is to be erased, and then what was.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    link_id: String,
    /// Epoch milliseconds.
    requested_at: EpochMillis,
    #[serde(flatten)]
    erased: Option<Erased>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Erased {
    /// Epoch milliseconds.
    erased_at: EpochMillis,
    records: u64,
    sync_states: u64,
    events: u64,
    requests: u64,
    dead_letters: u64,
}

/// Erases links, one after the other.
pub(crate) async fn run(stack: &Stack, output: &Output, links: &[LinkId], receipts: &Path) -> Result<(), Trouble> {
    // All of them before the first: the list of what was asked for is complete whatever happens.
    let requested_at = now();
    for link in links {
        append(receipts, &Line { link_id: link.to_string(), requested_at, erased: None })?;
    }
    for link in links {
        let bar = output.progress(&format!("erasing {link}: waiting for its turn"));
        let erased = erase(stack, link).await?;
        bar.finish_and_clear();
        let Erased { records, events, requests, dead_letters, .. } = &erased;
        let words = format!(
            "{link} is erased: {records} records, {requests} requests, the content of {events} events, {dead_letters} \
             dead letters. What comes in late is swept up in a day."
        );
        let line = Line { link_id: link.to_string(), requested_at, erased: Some(erased) };
        append(receipts, &line)?;
        output.result(&words, &line);
    }
    Ok(())
}

/// Erases whatever a file of receipts names.
pub(crate) async fn replay(stack: &Stack, output: &Output, receipts: &Path) -> Result<(), Trouble> {
    let text = fs::read_to_string(receipts).map_err(Trouble::file(receipts))?;
    let (links, unreadable) = links_of(&text);
    let links: Vec<_> = links.into_iter().collect();
    run(stack, output, &links, receipts).await?;
    // A line that was torn by a crash hides no other: all that can be read is erased first.
    match unreadable.first() {
        None => Ok(()),
        Some(line) => Err(Trouble::Input(format!("line {line} of the receipts cannot be read; the others are erased"))),
    }
}

async fn erase(stack: &Stack, link: &LinkId) -> Result<Erased, Trouble> {
    let table = Table::new(stack.dynamodb.clone(), stack.table_name.clone());
    let before = table.receipt(link).await?.map(|receipt| receipt.purged_at);
    table.begin_purge(link, LinkStatus::Erased, now()).await?;
    let key = format!("erase-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let message = Message::asked(Source::Resync, link, ("LINK", ERASE_LINK), now(), key);
    stack.queue.send(message.as_slice()).await?;
    let receipt = wait(&table, link, before).await?;
    let Receipt { purged_at, records, sync_states, events, requests } = receipt;
    let dead_letters = letters::remove_of(stack, link).await?;
    Ok(Erased { erased_at: purged_at, records, sync_states, events, requests, dead_letters })
}

async fn wait(table: &Table, link: &LinkId, before: Option<EpochMillis>) -> Result<Receipt, Trouble> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(receipt) = table.receipt(link).await?.filter(|receipt| Some(receipt.purged_at) != before) {
            return Ok(receipt);
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(Trouble::Waited(format!(
        "{link} is marked as erased and nothing more is stored of it, but its data has not been removed yet; see \
         whether the sync function works, and give the same command again"
    )))
}

fn append(receipts: &Path, line: &Line) -> Result<(), Trouble> {
    if receipts.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(Trouble::Input(format!("{} is no file", receipts.display())));
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(receipts);
    let mut file = file.map_err(Trouble::file(receipts))?;
    let text = serde_json::to_string(line).unwrap_or_default();
    writeln!(file, "{text}").and_then(|()| file.sync_all()).map_err(Trouble::file(receipts))
}

/// The links that a file of receipts names, each once, and the numbers of the lines that cannot be read.
fn links_of(text: &str) -> (BTreeSet<LinkId>, Vec<usize>) {
    let (mut links, mut unreadable) = (BTreeSet::new(), Vec::new());
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<Line>(line).ok().and_then(|read| LinkId::parse(&read.link_id).ok()) {
            Some(link) => _ = links.insert(link),
            None => unreadable.push(index + 1),
        }
    }
    (links, unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_read_back_and_each_link_is_named_once() {
        let erased = Erased { erased_at: 2, records: 1, sync_states: 1, events: 1, requests: 0, dead_letters: 0 };
        let line = |link: &str, erased| Line { link_id: link.to_owned(), requested_at: 1, erased };
        let lines = [line("l-2", None), line("l-1", None), line("l-2", Some(erased))];
        let text: String = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
        assert!(text.contains(r#"{"link_id":"l-2","requested_at":1}"#), "{text}");
        let torn = format!("{{\"link_id\":\"a/b\",\"requested_at\":1}}\n{text}{{\"link_id\":\"l-3\",\"req");
        let (named, unreadable) = links_of(&torn);
        let named: Vec<_> = named.iter().map(ToString::to_string).collect();
        assert_eq!((named.as_slice(), unreadable), (&["l-1".to_owned(), "l-2".to_owned()][..], vec![1, 5]));
    }
}
