//! The receipts file: requested and completed erasures.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use domain::{EpochMillis, LinkId};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A line of the receipts file: a requested erasure, or with `erased` a completed one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReceiptLine {
    pub(crate) link_id: String,
    /// The time of the request, in epoch milliseconds.
    pub(crate) requested_at: EpochMillis,
    #[serde(flatten)]
    pub(crate) erased: Option<Erased>,
}

/// The number of erased items of a link.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Erased {
    /// The time of the erasure, in epoch milliseconds.
    pub(crate) erased_at: EpochMillis,
    pub(crate) records: u64,
    pub(crate) sync_states: u64,
    pub(crate) events: u64,
    pub(crate) requests: u64,
    pub(crate) dead_letters: u64,
}

/// Appends a line and flushes it to the disk.
pub(crate) fn append(receipts: &Path, line: &ReceiptLine) -> Result<(), Error> {
    if receipts.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        return Err(Error::Input(format!("{} is not a regular file", receipts.display())));
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(receipts);
    let mut file = file.map_err(Error::file(receipts))?;
    let text = serde_json::to_string(line).unwrap_or_default();
    writeln!(file, "{text}").and_then(|()| file.sync_all()).map_err(Error::file(receipts))
}

/// Returns the links in the text of a receipts file, and the numbers of its unreadable lines.
pub(crate) fn parse_links(text: &str) -> (BTreeSet<LinkId>, Vec<usize>) {
    let (mut links, mut unreadable) = (BTreeSet::new(), Vec::new());
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<ReceiptLine>(line).ok().and_then(|read| LinkId::parse(&read.link_id).ok()) {
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
    fn receipts_round_trip_and_each_link_is_returned_once() {
        let erased = Erased { erased_at: 2, records: 1, sync_states: 1, events: 1, requests: 0, dead_letters: 0 };
        let line = |link: &str, erased| ReceiptLine { link_id: link.to_owned(), requested_at: 1, erased };
        let lines = [line("l-2", None), line("l-1", None), line("l-2", Some(erased))];
        let text: String = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
        assert!(text.contains(r#"{"link_id":"l-2","requested_at":1}"#), "{text}");
        let torn = format!("{{\"link_id\":\"a/b\",\"requested_at\":1}}\n{text}{{\"link_id\":\"l-3\",\"req");
        let (named, unreadable) = parse_links(&torn);
        let named: Vec<_> = named.iter().map(ToString::to_string).collect();
        assert_eq!((named.as_slice(), unreadable), (&["l-1".to_owned(), "l-2".to_owned()][..], vec![1, 5]));
    }
}
