//! The dead-letter queue: what is in it, sending it back, taking it out.
//!
//! A FIFO queue gives no further message of a link while others of it are hidden, so a list has the first ten or so of each
//! link, and is no whole one when the queue is long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use clap::Subcommand;
use domain::LinkId;
use serde::Serialize;
use serde_json::json;

use crate::LinkArgument;
use crate::dead_letters::scan::{DeadLetters, Fate, Letter};
use crate::error::{Error, failed};
use crate::output::{Output, moment};
use crate::stack::Stack;
use crate::status::depth;

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Shows the first ten or so of each link: what failed, and why.
    List {
        /// Only those of this link.
        #[arg(long)]
        link: Option<LinkArgument>,
    },
    /// Sends them back to the queue, each with as many attempts as a new message. Working one twice is harmless.
    Redrive {
        /// Only those of this link.
        #[arg(long)]
        link: Option<LinkArgument>,
    },
    /// Takes messages out for good. What they announced comes with a later listing, except deletions: resync the link.
    Drop {
        /// As list shows them.
        #[arg(required = true)]
        message_ids: Vec<String>,
    },
}

/// Letters that a look has hidden show again within two minutes, and SQS's count of them lags by less than one.
const SHOWN_WITHIN: Duration = Duration::from_mins(3);
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The output that names the queue.
const DEAD_LETTERS: &str = "DeadLetterQueueUrl";

/// How a letter is shown.
#[derive(Serialize)]
struct Shown<'a> {
    message_id: &'a str,
    link_id: &'a str,
    webhook_type: Option<&'a str>,
    webhook_code: Option<&'a str>,
    source: Option<&'static str>,
    /// Epoch milliseconds.
    received_at: Option<i64>,
    /// What the sync state of its resource says of the last failure.
    last_error: Option<String>,
}

pub(crate) async fn run(stack: &Stack, output: &Output, what: What) -> Result<(), Error> {
    match what {
        What::List { link } => list(stack, output, link.as_ref()).await,
        What::Redrive { link } => redrive(stack, output, link.as_ref()).await,
        What::Drop { message_ids } => drop_these(stack, output, &message_ids).await,
    }
}

/// What was removed of some links.
pub(crate) struct Removed {
    /// How many of each.
    pub(crate) counts: BTreeMap<LinkId, u64>,
    /// Are there perhaps others that nobody has looked at?
    pub(crate) has_more: bool,
}

/// Removes messages of links, which hold what their webhooks said.
pub(crate) async fn remove_of(stack: &Stack, links: &[&LinkId]) -> Result<Removed, Error> {
    let mut counts = BTreeMap::new();
    if links.is_empty() {
        return Ok(Removed { counts, has_more: false });
    }
    let letters = DeadLetters::of(stack)?;
    let are_shown = are_shown(stack).await?;
    let looked = letters.look(async |letter| {
        let Some(link) = links.iter().find(|link| letter.group == link.as_str()) else { return Ok(Fate::Stays) };
        letters.remove(letter).await?;
        *counts.entry((*link).clone()).or_default() += 1;
        Ok(Fate::Left)
    });
    let has_more = looked.await?.has_more || !are_shown;
    Ok(Removed { counts, has_more })
}

/// Waits until no letter is hidden by a look of somebody else. `false` when that was in vain.
async fn are_shown(stack: &Stack) -> Result<bool, Error> {
    let until = Instant::now() + SHOWN_WITHIN;
    loop {
        if depth(stack, DEAD_LETTERS).await?.1 == 0 {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn list(stack: &Stack, output: &Output, link: Option<&LinkArgument>) -> Result<(), Error> {
    let (_, hidden) = depth(stack, DEAD_LETTERS).await?;
    let looked = DeadLetters::of(stack)?.look(async |_| Ok(Fate::Stays)).await?;
    let seen = looked.stayed.len();
    let letters: Vec<_> = looked.stayed.into_iter().filter(|letter| is_of(letter, link)).collect();
    for letter in &letters {
        let shown = letter.shown(stack).await?;
        let words = format!(
            "{}  {}  {} {}  received {}  {}",
            shown.message_id,
            shown.link_id,
            shown.webhook_type.unwrap_or("(cannot be read)"),
            shown.webhook_code.unwrap_or_default(),
            shown.received_at.map_or_else(|| "?".to_owned(), moment),
            shown.last_error.as_deref().unwrap_or("(no reason is on record)"),
        );
        output.result(&words, &shown);
    }
    output.hint(&match letters.len() {
        0 => nothing_found(link, seen, hidden),
        many => format!(
            "{many} dead letters, perhaps more of a link. When the reason is gone: belvo-sync dead-letters redrive"
        ),
    });
    note_unseen(*output, looked.has_more, hidden);
    Ok(())
}

async fn redrive(stack: &Stack, output: &Output, link: Option<&LinkArgument>) -> Result<(), Error> {
    let bar = output.progress("looking");
    let (_, hidden) = depth(stack, DEAD_LETTERS).await?;
    let letters = DeadLetters::of(stack)?;
    let mut links: BTreeMap<String, u64> = BTreeMap::new();
    let mut redriven: u64 = 0;
    let looked = letters.look(async |letter| {
        if !is_of(letter, link) {
            return Ok(Fate::Stays);
        }
        // Sent before it is removed: broken off in between, it is there twice, which is harmless. Its own id is the
        // deduplication id: the one of its webhook may be as young as five minutes, and would lose it silently.
        let send = stack.sqs.send_message().queue_url(stack.output("QueueUrl")?).message_body(&letter.body);
        let send = send.message_group_id(&letter.group).message_deduplication_id(&letter.id);
        send.send().await.map_err(failed("SQS"))?;
        letters.remove(letter).await?;
        *links.entry(letter.group.clone()).or_default() += 1;
        redriven += 1;
        bar.set_message(format!("{redriven} sent back"));
        Ok(Fate::Left)
    });
    let looked = looked.await?;
    bar.finish_and_clear();
    let words = format!("{redriven} messages of {} links are in the queue again.", links.len());
    output.result(&words, &json!({ "redriven": redriven, "links": links }));
    if redriven == 0 {
        output.hint(&nothing_found(link, looked.stayed.len(), hidden));
    }
    note_unseen(*output, looked.has_more, hidden);
    match (redriven, hidden) {
        (0, 1..) => Err(Error::Waited("nothing was sent back: give the command again in two minutes".to_owned())),
        _ => Ok(()),
    }
}

async fn drop_these(stack: &Stack, output: &Output, ids: &[String]) -> Result<(), Error> {
    let letters = DeadLetters::of(stack)?;
    let (_, hidden) = depth(stack, DEAD_LETTERS).await?;
    let mut missing: BTreeSet<_> = ids.iter().map(String::as_str).collect();
    let looked = letters.look(async |letter| {
        if !missing.contains(letter.id.as_str()) {
            return Ok(Fate::Stays);
        }
        letters.remove(letter).await?;
        missing.remove(letter.id.as_str());
        output.result(&format!("{} is gone.", letter.id), &json!({ "dropped": letter.id }));
        Ok(if missing.is_empty() { Fate::LeftLast } else { Fate::Left })
    });
    let looked = looked.await?;
    let Some(id) = missing.first() else { return Ok(()) };
    note_unseen(*output, looked.has_more, hidden);
    Err(Error::Input(format!("there is no dead letter {id}, or it stands behind others of its link")))
}

/// Why a look came to nothing.
fn nothing_found(link: Option<&LinkArgument>, seen: usize, hidden: u64) -> String {
    match (link, seen, hidden) {
        (Some(LinkArgument(link)), 1.., _) => {
            format!("None of the {seen} dead letters that were seen is of {link}.")
        }
        (_, _, 1..) => "No dead letter was seen.".to_owned(),
        _ => "The dead-letter queue is empty.".to_owned(),
    }
}

/// Says that there are letters which nobody could look at.
fn note_unseen(output: Output, has_more: bool, hidden: u64) {
    if has_more {
        let words = "That is not all: a look ends after 100 seconds, or at the first letter that it meets again. status has \
                     the whole number; redrive without --link sees them all.";
        output.note(words, &json!({ "more": true }));
    }
    if hidden > 0 {
        let words = format!(
            "SQS counts {hidden} dead letters that were hidden when the look began: somebody else looked at them, or a look \
             was broken off. They show again within two minutes."
        );
        output.note(&words, &json!({ "hidden": hidden }));
    }
}

fn is_of(letter: &Letter, link: Option<&LinkArgument>) -> bool {
    link.is_none_or(|LinkArgument(link)| letter.group == link.as_str())
}

impl Letter {
    async fn shown(&self, stack: &Stack) -> Result<Shown<'_>, Error> {
        let webhook = self.message.as_ref().map(|message| &message.webhook);
        let webhook_type = webhook.map(domain::Webhook::webhook_type);
        let last_error = match (webhook.and_then(domain::Webhook::link_id), webhook_type) {
            (Some(link), Some(resource)) => {
                let state = stack.item(&format!("LINK#{link}"), &format!("SYNC#{resource}")).await?;
                state.and_then(|state| state.get("last_error")?.as_s().ok().cloned())
            }
            _ => None,
        };
        Ok(Shown {
            message_id: &self.id,
            link_id: &self.group,
            webhook_type,
            webhook_code: webhook.map(domain::Webhook::webhook_code),
            source: self.message.as_ref().map(|message| message.source.as_str()),
            received_at: self.message.as_ref().map(|message| message.received_at),
            last_error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_queue_without_a_letter_is_called_empty() {
        let link = LinkArgument(LinkId::parse("l-1").unwrap());
        assert_eq!(nothing_found(None, 0, 0), "The dead-letter queue is empty.");
        assert_eq!(nothing_found(Some(&link), 0, 0), "The dead-letter queue is empty.");
        assert_eq!(nothing_found(None, 0, 3), "No dead letter was seen.");
        assert_eq!(nothing_found(Some(&link), 2, 3), "None of the 2 dead letters that were seen is of l-1.");
    }
}
