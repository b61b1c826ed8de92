//! Messages in the dead-letter queue.

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use domain::LinkId;

use crate::stack::Stack;
use crate::trouble::{Trouble, failed};

/// For so long a message that was looked at is hidden from others, at most.
const LOOK_SECONDS: i32 = 60;
/// The most that SQS gives at once.
const AT_ONCE: i32 = 10;
/// After so many calls a look ends, however many messages there are.
const MAX_CALLS: usize = 2_000;

/// Removes a link's messages, which hold what its webhooks said. How many there were.
pub(crate) async fn remove_of(stack: &Stack, link: &LinkId) -> Result<u64, Trouble> {
    let url = stack.output("DeadLetterQueueUrl")?;
    let (mut removed, mut others) = (0, Vec::new());
    for _ in 0..MAX_CALLS {
        let messages = look(&stack.sqs, url).await?;
        if messages.is_empty() {
            break;
        }
        for message in messages {
            let Some(handle) = &message.receipt_handle else { continue };
            if group(&message) == Some(link.as_str()) {
                let delete = stack.sqs.delete_message().queue_url(url).receipt_handle(handle);
                delete.send().await.map_err(failed("SQS"))?;
                removed += 1;
            } else {
                others.push(handle.clone());
            }
        }
    }
    for handle in others {
        let show = stack.sqs.change_message_visibility().queue_url(url).receipt_handle(handle).visibility_timeout(0);
        // Otherwise it shows again by itself in a minute.
        let _ = show.send().await;
    }
    Ok(removed)
}

async fn look(sqs: &aws_sdk_sqs::Client, url: &str) -> Result<Vec<Message>, Trouble> {
    let receive = sqs
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(AT_ONCE)
        .visibility_timeout(LOOK_SECONDS)
        .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId);
    Ok(receive.send().await.map_err(failed("SQS"))?.messages.unwrap_or_default())
}

/// The link that a message is about, or `unrouted`.
fn group(message: &Message) -> Option<&str> {
    message.attributes.as_ref()?.get(&MessageSystemAttributeName::MessageGroupId).map(String::as_str)
}
