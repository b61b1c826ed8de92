//! The commands `dead-letters list`, `redrive` and `drop`.
//!
//! A FIFO queue delivers no further message of a link while it has hidden others. So a list has about ten messages of
//! each link, and is incomplete if the queue is long.

use std::collections::{BTreeMap, BTreeSet};

use domain::{EpochMillis, LinkId};
use serde::Serialize;
use serde_json::json;

use super::QUEUE_OUTPUT;
use super::scan::{DeadLetter, DeadLetterQueue, Disposition};
use crate::arguments;
use crate::error::Error;
use crate::output::{Output, format_time};
use crate::stack::Stack;

/// The subcommands of `dead-letters`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Shows about ten dead letters of each link, with the last error.
    List {
        /// Only those of this link.
        #[arg(long, value_parser = arguments::link_id)]
        link: Option<LinkId>,
    },
    /// Sends dead letters back to the queue, with as many attempts as new messages. Processing a message twice is
    /// harmless.
    Redrive {
        /// Only those of this link.
        #[arg(long, value_parser = arguments::link_id)]
        link: Option<LinkId>,
    },
    /// Deletes dead letters permanently. A later listing brings what they announced, except deletions: resync the link.
    Drop {
        /// The ids of the messages, as list shows them.
        #[arg(required = true)]
        message_ids: Vec<String>,
    },
}

/// A dead letter in the list.
#[derive(Serialize)]
struct Row<'a> {
    message_id: &'a str,
    link_id: &'a str,
    webhook_type: Option<&'a str>,
    webhook_code: Option<&'a str>,
    source: Option<&'static str>,
    received_at: Option<EpochMillis>,
    /// The last error in the sync state of the resource.
    last_error: Option<String>,
}

/// Runs a subcommand.
pub(crate) async fn run(stack: &Stack, output: Output, command: Command) -> Result<(), Error> {
    match command {
        Command::List { link } => list(stack, output, link.as_ref()).await,
        Command::Redrive { link } => redrive(stack, output, link.as_ref()).await,
        Command::Drop { message_ids } => delete(stack, output, &message_ids).await,
    }
}

async fn list(stack: &Stack, output: Output, link: Option<&LinkId>) -> Result<(), Error> {
    let hidden = stack.queue_depth(QUEUE_OUTPUT).await?.hidden;
    let scan = DeadLetterQueue::of(stack)?.scan(async |_| Ok(Disposition::Kept)).await?;
    let scanned = scan.kept.len();
    let letters: Vec<_> = scan.kept.into_iter().filter(|letter| is_of(letter, link)).collect();
    for letter in &letters {
        let row = Row::of(letter, stack).await?;
        output.result(&row.text(), &row);
    }

    output.hint(&match letters.len() {
        0 => nothing_found(link, scanned, hidden),
        count => format!(
            "{count} dead letters, perhaps more of some links. After the repair: belvo-sync dead-letters redrive"
        ),
    });
    note_incomplete(output, scan.is_incomplete, hidden);
    Ok(())
}

async fn redrive(stack: &Stack, output: Output, link: Option<&LinkId>) -> Result<(), Error> {
    let bar = output.progress("scanning");
    let hidden = stack.queue_depth(QUEUE_OUTPUT).await?.hidden;
    let queue = DeadLetterQueue::of(stack)?;
    let mut links: BTreeMap<String, u64> = BTreeMap::new();
    let mut redriven: u64 = 0;
    let scan = queue.scan(async |letter| {
        if !is_of(letter, link) {
            return Ok(Disposition::Kept);
        }
        send_back(stack, letter).await?;
        queue.delete(letter).await?;
        *links.entry(letter.group.clone()).or_default() += 1;
        redriven += 1;
        bar.set_message(format!("{redriven} sent back"));
        Ok(Disposition::Deleted)
    });
    let scan = scan.await?;
    bar.finish_and_clear();

    let text = format!("{redriven} messages of {} links are in the queue again.", links.len());
    output.result(&text, &json!({ "redriven": redriven, "links": links }));
    if redriven == 0 {
        output.hint(&nothing_found(link, scan.kept.len(), hidden));
    }
    note_incomplete(output, scan.is_incomplete, hidden);
    match (redriven, hidden) {
        (0, 1..) => Err(Error::Incomplete("nothing was redriven: run the command again in two minutes".to_owned())),
        _ => Ok(()),
    }
}

/// Sends a message to the queue, before it is deleted: an interruption in between leaves a duplicate, which is
/// harmless. The deduplication id is the id of the dead letter. With the webhook's id SQS could silently discard the
/// message, since it remembers ids for five minutes.
async fn send_back(stack: &Stack, letter: &DeadLetter) -> Result<(), Error> {
    let send = stack.sqs.send_message().queue_url(stack.output("QueueUrl")?).message_body(&letter.body);
    let send = send.message_group_id(&letter.group).message_deduplication_id(&letter.id);
    send.send().await.map_err(Error::aws("SQS"))?;
    Ok(())
}

async fn delete(stack: &Stack, output: Output, ids: &[String]) -> Result<(), Error> {
    let queue = DeadLetterQueue::of(stack)?;
    let hidden = stack.queue_depth(QUEUE_OUTPUT).await?.hidden;
    let mut missing: BTreeSet<_> = ids.iter().map(String::as_str).collect();
    let scan = queue.scan(async |letter| {
        if !missing.contains(letter.id.as_str()) {
            return Ok(Disposition::Kept);
        }
        queue.delete(letter).await?;
        missing.remove(letter.id.as_str());
        output.result(&format!("Deleted {}.", letter.id), &json!({ "dropped": letter.id }));
        Ok(if missing.is_empty() { Disposition::DeletedLast } else { Disposition::Deleted })
    });
    let scan = scan.await?;

    let Some(id) = missing.first() else { return Ok(()) };
    note_incomplete(output, scan.is_incomplete, hidden);
    Err(Error::Input(format!("there is no dead letter {id}, or it is behind other messages of its link")))
}

/// Says why a scan found no message of the link.
fn nothing_found(link: Option<&LinkId>, scanned: usize, hidden: u64) -> String {
    match (link, scanned, hidden) {
        (Some(link), 1.., _) => format!("None of the {scanned} scanned dead letters is of {link}."),
        (_, _, 1..) => "The scan found no dead letter.".to_owned(),
        _ => "The dead-letter queue is empty.".to_owned(),
    }
}

/// Reports messages that the scan did not reach.
fn note_incomplete(output: Output, is_incomplete: bool, hidden: u64) {
    if is_incomplete {
        let text = "The scan is incomplete: it ends after 100 seconds, or at the first message that it receives again. \
                    belvo-sync status shows the total; redrive without --link reaches all messages.";
        output.note(text, &json!({ "more": true }));
    }
    if hidden > 0 {
        let text = format!(
            "SQS counts {hidden} dead letters that were hidden when the scan began: another scan is running, or was \
             interrupted. They become visible within two minutes."
        );
        output.note(&text, &json!({ "hidden": hidden }));
    }
}

fn is_of(letter: &DeadLetter, link: Option<&LinkId>) -> bool {
    link.is_none_or(|link| letter.group == link.as_str())
}

impl<'a> Row<'a> {
    async fn of(letter: &'a DeadLetter, stack: &Stack) -> Result<Self, Error> {
        let webhook = letter.message.as_ref().map(|message| &message.webhook);
        let webhook_type = webhook.map(domain::Webhook::webhook_type);
        let last_error = match (webhook.and_then(domain::Webhook::link_id), webhook_type) {
            (Some(link), Some(resource)) => {
                let state = stack.item(&format!("LINK#{link}"), &format!("SYNC#{resource}")).await?;
                state.and_then(|state| state.get("last_error")?.as_s().ok().cloned())
            }
            _ => None,
        };
        Ok(Self {
            message_id: &letter.id,
            link_id: &letter.group,
            webhook_type,
            webhook_code: webhook.map(domain::Webhook::webhook_code),
            source: letter.message.as_ref().map(|message| message.source.as_str()),
            received_at: letter.message.as_ref().map(|message| message.received_at),
            last_error,
        })
    }

    fn text(&self) -> String {
        format!(
            "{}  {}  {} {}  received {}  {}",
            self.message_id,
            self.link_id,
            self.webhook_type.unwrap_or("(unreadable)"),
            self.webhook_code.unwrap_or_default(),
            self.received_at.map_or_else(|| "?".to_owned(), format_time),
            self.last_error.as_deref().unwrap_or("(no recorded error)"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_queue_without_messages_is_called_empty() {
        let link = LinkId::parse("l-1").unwrap();
        assert_eq!(nothing_found(None, 0, 0), "The dead-letter queue is empty.");
        assert_eq!(nothing_found(Some(&link), 0, 0), "The dead-letter queue is empty.");
        assert_eq!(nothing_found(None, 0, 3), "The scan found no dead letter.");
        assert_eq!(nothing_found(Some(&link), 2, 3), "None of the 2 scanned dead letters is of l-1.");
    }
}
