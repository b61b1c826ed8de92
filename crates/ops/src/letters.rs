//! The dead-letter queue: what is in it, sending it back, taking it out.
//!
//! Whoever looks at a queue of SQS hides what is seen from others for a while, and a FIFO queue then gives no further message
//! of the same link. So whatever is to leave the queue leaves it while the look goes on, the rest shows again at its end,
//! and a list has the first ten or so of each link.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName};
use clap::Subcommand;
use domain::{LinkId, Message, Source};
use serde::Serialize;
use serde_json::json;

use crate::LinkArgument;
use crate::output::{Output, moment};
use crate::stack::Stack;
use crate::trouble::{Trouble, failed};

/// For so long a message that was looked at is hidden from others, at most.
const LOOK_SECONDS: i32 = 120;
/// The most that SQS gives at once.
const AT_ONCE: i32 = 10;
/// After so many calls a look ends, however many messages there are.
const MAX_CALLS: usize = 20_000;
/// So long SQS waits for a message to give: an empty answer then means that there is none.
const WAIT_SECONDS: i32 = 1;

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

/// One dead letter.
struct Letter {
    id: String,
    handle: String,
    group: String,
    body: String,
    /// None when it cannot be read.
    message: Option<Message>,
}

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

pub(crate) async fn run(stack: &Stack, output: &Output, what: What) -> Result<(), Trouble> {
    match what {
        What::List { link } => list(stack, output, link.as_ref()).await,
        What::Redrive { link } => redrive(stack, output, link.as_ref()).await,
        What::Drop { message_ids } => drop_these(stack, output, &message_ids).await,
    }
}

/// Removes a link's messages, which hold what its webhooks said. How many there were.
pub(crate) async fn remove_of(stack: &Stack, link: &LinkId) -> Result<u64, Trouble> {
    let mut removed = 0;
    look(stack, async |letter| {
        let is_of_link = letter.group == link.as_str();
        if is_of_link {
            remove(stack, letter).await?;
            removed += 1;
        }
        Ok(is_of_link)
    })
    .await?;
    Ok(removed)
}

async fn list(stack: &Stack, output: &Output, link: Option<&LinkArgument>) -> Result<(), Trouble> {
    let letters = look(stack, async |_| Ok(false)).await?;
    let letters: Vec<_> = letters.into_iter().filter(|letter| is_of(letter, link)).collect();
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
        0 => "The dead-letter queue is empty.".to_owned(),
        many => format!(
            "{many} dead letters, perhaps more of a link. When the reason is gone: belvo-sync dead-letters redrive"
        ),
    });
    Ok(())
}

async fn redrive(stack: &Stack, output: &Output, link: Option<&LinkArgument>) -> Result<(), Trouble> {
    let bar = output.progress("looking");
    let mut links: BTreeMap<String, u64> = BTreeMap::new();
    let mut redriven: u64 = 0;
    look(stack, async |letter| {
        if !is_of(letter, link) {
            return Ok(false);
        }
        // Sent before it is removed: broken off in between, it is there twice, which is harmless. Its own id is the
        // deduplication id: the one of its webhook may be as young as five minutes, and would lose it silently.
        let send = stack.sqs.send_message().queue_url(stack.output("QueueUrl")?).message_body(&letter.body);
        let send = send.message_group_id(&letter.group).message_deduplication_id(&letter.id);
        send.send().await.map_err(failed("SQS"))?;
        remove(stack, letter).await?;
        *links.entry(letter.group.clone()).or_default() += 1;
        redriven += 1;
        bar.set_message(format!("{redriven} sent back"));
        Ok(true)
    })
    .await?;
    bar.finish_and_clear();
    let words = format!("{redriven} messages of {} links are in the queue again.", links.len());
    output.result(&words, &json!({ "redriven": redriven, "links": links }));
    Ok(())
}

async fn drop_these(stack: &Stack, output: &Output, ids: &[String]) -> Result<(), Trouble> {
    let mut missing = ids.to_vec();
    look(stack, async |letter| {
        let Some(index) = missing.iter().position(|id| *id == letter.id) else { return Ok(false) };
        remove(stack, letter).await?;
        missing.swap_remove(index);
        output.result(&format!("{} is gone.", letter.id), &json!({ "dropped": letter.id }));
        Ok(true)
    })
    .await?;
    match missing.first() {
        None => Ok(()),
        Some(id) => {
            Err(Trouble::Input(format!("there is no dead letter {id}, or it stands behind others of its link")))
        }
    }
}

/// Looks through the queue. What leaves it meanwhile, as `leaves` does and says, makes room for more of the same link; the
/// others show again afterwards, and are given back.
async fn look(
    stack: &Stack,
    mut leaves: impl AsyncFnMut(&Letter) -> Result<bool, Trouble>,
) -> Result<Vec<Letter>, Trouble> {
    let url = stack.output("DeadLetterQueueUrl")?;
    let (mut stay, mut result) = (Vec::new(), Ok(()));
    for _ in 0..MAX_CALLS {
        let receive = stack
            .sqs
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(AT_ONCE)
            .visibility_timeout(LOOK_SECONDS)
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let messages = receive.send().await.map_err(failed("SQS"))?.messages.unwrap_or_default();
        if messages.is_empty() {
            break;
        }
        for letter in messages.into_iter().filter_map(Letter::read) {
            match leaves(&letter).await {
                Ok(true) => {}
                Ok(false) => stay.push(letter),
                Err(trouble) => {
                    stay.push(letter);
                    result = Err(trouble);
                }
            }
        }
        if result.is_err() {
            break;
        }
    }
    show_again(stack, &stay).await;
    result.map(|()| stay)
}

/// That this fails is no harm: they show again by themselves in two minutes.
async fn show_again(stack: &Stack, letters: &[Letter]) {
    let Ok(url) = stack.output("DeadLetterQueueUrl") else { return };
    for letter in letters {
        let show = stack.sqs.change_message_visibility().queue_url(url).receipt_handle(&letter.handle);
        let _ = show.visibility_timeout(0).send().await;
    }
}

async fn remove(stack: &Stack, letter: &Letter) -> Result<(), Trouble> {
    let delete = stack.sqs.delete_message().queue_url(stack.output("DeadLetterQueueUrl")?);
    delete.receipt_handle(&letter.handle).send().await.map_err(failed("SQS"))?;
    Ok(())
}

fn is_of(letter: &Letter, link: Option<&LinkArgument>) -> bool {
    link.is_none_or(|LinkArgument(link)| letter.group == link.as_str())
}

impl Letter {
    fn read(sqs: SqsMessage) -> Option<Self> {
        let attributes = sqs.attributes.unwrap_or_default();
        let body = sqs.body?;
        Some(Self {
            id: sqs.message_id?,
            handle: sqs.receipt_handle?,
            group: attributes.get(&MessageSystemAttributeName::MessageGroupId).cloned().unwrap_or_default(),
            message: Message::decode(&body).ok(),
            body,
        })
    }

    async fn shown(&self, stack: &Stack) -> Result<Shown<'_>, Trouble> {
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
            source: self.message.as_ref().map(|message| match message.source {
                Source::Webhook => "webhook",
                Source::Resync => "resync",
                Source::Reconcile => "reconcile",
                Source::Continuation => "continuation",
            }),
            received_at: self.message.as_ref().map(|message| message.received_at),
            last_error,
        })
    }
}
