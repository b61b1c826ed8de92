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
    let links: Vec<_> = links_of(&text)?.into_iter().collect();
    run(stack, output, &links, receipts).await
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
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(receipts);
    let mut file = file.map_err(Trouble::file(receipts))?;
    let text = serde_json::to_string(line).unwrap_or_default();
    writeln!(file, "{text}").and_then(|()| file.sync_all()).map_err(Trouble::file(receipts))
}

/// The links that a file of receipts names, each once.
fn links_of(text: &str) -> Result<BTreeSet<LinkId>, Trouble> {
    let link = |(index, text): (usize, &str)| {
        let read = serde_json::from_str::<Line>(text).ok().and_then(|read| LinkId::parse(&read.link_id).ok());
        read.ok_or_else(|| Trouble::Input(format!("line {} of the receipts is none", index + 1)))
    };
    text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()).map(link).collect()
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
        let named: Vec<_> = links_of(&text).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(named, ["l-1", "l-2"]);
        assert!(links_of("{\"link_id\":\"a/b\",\"requested_at\":1}\n").unwrap_err().to_string().contains("line 1"));
    }
}
