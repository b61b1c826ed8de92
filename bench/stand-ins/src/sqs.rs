//! A FIFO queue of SQS. It keeps messages until the driver removes them: the driver has the role of Lambda's event source.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Mutex;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fault::{Fault, respond};
use crate::locks::lock;
use crate::stats::Stats;

/// The maximum batch of SQS. (Source: SQS developer guide, "Amazon SQS message quotas".)
const MAX_BATCH_MESSAGES: usize = 10;
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) messages: Vec<Message>,
    pub(crate) visibility_changes: Vec<VisibilityChange>,
    /// Groups and deduplication ids that were seen. SQS forgets them after five minutes; a benchmark need not.
    seen: HashSet<(Option<String>, String)>,
    sent: u64,
}

/// A message that was sent.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Message {
    message_id: String,
    body: String,
    group_id: Option<String>,
    deduplication_id: Option<String>,
}

/// A change of the visibility of a message.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "PascalCase"), deny_unknown_fields)]
pub(crate) struct VisibilityChange {
    #[serde(rename(deserialize = "QueueUrl"), skip_serializing)]
    _queue_url: String,
    receipt_handle: String,
    visibility_timeout: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendMessageBatch {
    #[serde(rename = "QueueUrl")]
    _queue_url: String,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendMessage {
    #[serde(rename = "QueueUrl")]
    _queue_url: String,
    message_body: String,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetQueueAttributes {
    #[serde(rename = "QueueUrl")]
    _queue_url: String,
    #[serde(rename = "AttributeNames")]
    _attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Entry {
    id: String,
    message_body: String,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

pub(crate) fn serve(queue: &Mutex<Queue>, stats: &Mutex<Stats>, operation: &str, body: &[u8]) -> Response {
    lock(stats).called("sqs", operation, body.len());
    match carry_out(&mut lock(queue), operation, body) {
        Ok(output) => respond(StatusCode::OK, output.to_string()),
        Err(fault) => {
            lock(stats).refused("sqs", operation, fault.kind());
            fault.into_response()
        }
    }
}

fn carry_out(queue: &mut Queue, operation: &str, body: &[u8]) -> Result<Value, Fault> {
    match operation {
        "SendMessage" => {
            let SendMessage { message_body, message_group_id, message_deduplication_id, .. } =
                serde_json::from_slice(body)?;
            let id = String::new();
            queue.send(Entry { id, message_body, message_group_id, message_deduplication_id })
        }
        "SendMessageBatch" => {
            let SendMessageBatch { entries, .. } = serde_json::from_slice(body)?;
            let bytes: usize = entries.iter().map(|entry| entry.message_body.len()).sum();
            if entries.is_empty() || entries.len() > MAX_BATCH_MESSAGES || bytes > MAX_BATCH_BYTES {
                return Err(Fault::validation("a batch has 1 to 10 messages and at most 1 MiB"));
            }
            let sent = entries.into_iter().map(|entry| queue.send(entry)).collect::<Result<Vec<_>, _>>()?;
            Ok(json!({"Successful": sent, "Failed": []}))
        }
        // Called only to open a connection.
        "GetQueueAttributes" => {
            let GetQueueAttributes { .. } = serde_json::from_slice(body)?;
            Ok(json!({}))
        }
        "ChangeMessageVisibility" => {
            queue.visibility_changes.push(serde_json::from_slice(body)?);
            Ok(json!({}))
        }
        _ => Err(Fault::UnknownOperation(operation.to_owned())),
    }
}

impl Queue {
    /// Adds a message. A duplicate is acknowledged and dropped, as in any FIFO queue.
    fn send(&mut self, entry: Entry) -> Result<Value, Fault> {
        let Entry { id, message_body, message_group_id, message_deduplication_id } = entry;
        if message_group_id.is_none() || message_deduplication_id.is_none() {
            return Err(Fault::validation("a FIFO queue requires a group and a deduplication id"));
        }
        self.sent += 1;
        let message_id = format!("00000000-0000-4000-8000-{:012}", self.sent);
        let digest = md5_hex(message_body.as_bytes());
        let key = (message_group_id.clone(), message_deduplication_id.clone().unwrap_or_default());
        if self.seen.insert(key) {
            self.messages.push(Message {
                message_id: message_id.clone(),
                body: message_body,
                group_id: message_group_id,
                deduplication_id: message_deduplication_id,
            });
        }
        Ok(json!({
            "Id": id, "MessageId": message_id, "MD5OfMessageBody": digest, "SequenceNumber": self.sent.to_string(),
        }))
    }
}

/// Returns the MD5 digest, which some clients check.
fn md5_hex(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(queue: &mut Queue, key: &str) -> Result<Value, Fault> {
        let body = json!({"QueueUrl": "q", "Entries": [
            {"Id": "0", "MessageBody": "hello", "MessageGroupId": "g", "MessageDeduplicationId": key}]});
        carry_out(queue, "SendMessageBatch", body.to_string().as_bytes())
    }

    #[test]
    fn a_message_that_was_sent_before_is_acknowledged_and_dropped() {
        let mut queue = Queue::default();
        for key in ["a", "a", "b"] {
            let sent = send(&mut queue, key).unwrap();
            assert_eq!(sent["Successful"][0]["MD5OfMessageBody"], "5d41402abc4b2a76b9719d911017c592");
        }
        assert_eq!(queue.messages.len(), 2);
    }

    #[test]
    fn a_message_without_a_group_and_an_unknown_member_are_refused() {
        let mut queue = Queue::default();
        for entry in [json!({"Id": "0", "MessageBody": "x"}), json!({"Id": "0", "MessageBody": "x", "Color": "red"})] {
            let body = json!({"QueueUrl": "q", "Entries": [entry]}).to_string();
            assert!(matches!(carry_out(&mut queue, "SendMessageBatch", body.as_bytes()), Err(Fault::Validation(_))));
        }
        assert!(queue.messages.is_empty());
    }
}
