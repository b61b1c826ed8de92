use std::sync::{Arc, Mutex};

use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityOutput;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageOutput;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

use super::*;

/// A queue that delivers messages in turn. Without an end it starts again after the last one, as if the visibility
/// timeout had passed.
struct FakeQueue {
    queue: DeadLetterQueue,
    receive: Rule,
    visible: Arc<Mutex<Vec<String>>>,
}

impl FakeQueue {
    fn of(count: usize, ends: bool) -> Self {
        let delivered = Mutex::new(0..);
        let receive = mock!(Client::receive_message).then_compute_output(move |_| {
            let message = |number: usize| {
                let id = format!("m-{}", if ends { number } else { number % count });
                SqsMessage::builder().message_id(&id).receipt_handle(format!("{id}@{number}")).body("{}").build()
            };
            let mut delivered = delivered.lock().unwrap();
            let next = delivered.by_ref().take(10).filter(|number| !ends || *number < count);
            ReceiveMessageOutput::builder().set_messages(Some(next.map(message).collect())).build()
        });
        let visible: Arc<Mutex<Vec<String>>> = Arc::default();
        let changed = Arc::clone(&visible);
        let change = mock!(Client::change_message_visibility).then_compute_output(move |input| {
            changed.lock().unwrap().extend(input.receipt_handle.clone());
            ChangeMessageVisibilityOutput::builder().build()
        });
        let sqs = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&receive, &change]);
        Self { queue: DeadLetterQueue { sqs, url: "http://queue".to_owned() }, receive, visible }
    }

    /// Returns the ids of the messages that were made visible.
    fn visible(&self) -> Vec<String> {
        self.visible.lock().unwrap().iter().map(|handle| handle.split('@').next().unwrap().to_owned()).collect()
    }
}

fn ids(letters: &[DeadLetter]) -> Vec<&str> {
    letters.iter().map(|letter| letter.id.as_str()).collect()
}

fn numbered(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("m-{number}")).collect()
}

#[tokio::test]
async fn a_scan_handles_every_message_once_and_makes_the_kept_ones_visible() {
    let fake = FakeQueue::of(25, true);
    let disposition = |letter: &DeadLetter| if letter.id == "m-3" { Disposition::Deleted } else { Disposition::Kept };
    let scan = fake.queue.scan(async |letter| Ok(disposition(letter))).await.unwrap();
    let kept: Vec<_> = numbered(0..25).into_iter().filter(|id| id != "m-3").collect();
    assert_eq!((ids(&scan.kept), scan.is_incomplete), (kept.iter().map(String::as_str).collect(), false));
    assert_eq!(fake.visible(), kept);
}

#[tokio::test]
async fn a_scan_ends_at_the_first_message_that_it_receives_again() {
    let fake = FakeQueue::of(15, false);
    let mut handled = 0;
    let scan = fake.queue.scan(async |_| {
        handled += 1;
        Ok(Disposition::Kept)
    });
    let scan = scan.await.unwrap();
    assert_eq!((handled, scan.kept.len(), scan.is_incomplete, fake.receive.num_calls()), (15, 15, true, 2));
    // Including the five that came a second time with the last call.
    assert_eq!(fake.visible().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_scan_ends_before_kept_messages_become_visible() {
    let fake = FakeQueue::of(1_000, true);
    let scan = fake.queue.scan(async |_| {
        tokio::time::advance(Duration::from_secs(2)).await;
        Ok(Disposition::Kept)
    });
    let scan = scan.await.unwrap();
    assert_eq!((scan.kept.len(), scan.is_incomplete), (60, true));
    // Without kept messages there is no deadline.
    let fake = FakeQueue::of(1_000, true);
    let scan = fake.queue.scan(async |_| {
        tokio::time::advance(Duration::from_secs(2)).await;
        Ok(Disposition::Deleted)
    });
    assert!(!scan.await.unwrap().is_incomplete);
    assert!(fake.visible().is_empty());
}

#[tokio::test]
async fn after_the_last_requested_message_a_scan_receives_no_further_batch() {
    let fake = FakeQueue::of(30, true);
    let disposition =
        |letter: &DeadLetter| if letter.id == "m-4" { Disposition::DeletedLast } else { Disposition::Kept };
    fake.queue.scan(async |letter| Ok(disposition(letter))).await.unwrap();
    assert_eq!(fake.receive.num_calls(), 1);
    assert_eq!(fake.visible(), [numbered(0..4), numbered(5..10)].concat());
}

#[tokio::test]
async fn after_an_error_no_message_overtakes_the_failed_one() {
    let fake = FakeQueue::of(30, true);
    let mut handled = 0;
    let scan = fake.queue.scan(async |letter| {
        handled += 1;
        if letter.id == "m-2" { Err(Error::SecretMalformed) } else { Ok(Disposition::Deleted) }
    });
    assert!(scan.await.is_err());
    assert_eq!((handled, fake.receive.num_calls()), (3, 1));
    assert_eq!(fake.visible(), numbered(2..10));
}
