//! A look through the dead-letter queue.
//!
//! Whoever looks at a queue of SQS hides what is seen from others for a while, and a FIFO queue then gives no further message
//! of the same link. So whatever is to leave the queue leaves it while the look goes on, and the rest shows again at its
//! end. A look ends before what stays would show again by itself: it would be seen again and again.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName};
use domain::Message;
use tokio::time::Instant;

use crate::error::{Error, failed};
use crate::stack::Stack;

/// For so long a message that was looked at is hidden from others, at most.
const HIDDEN_SECONDS: i32 = 120;
/// So long after the first message that stays a look ends.
const LOOK_FOR: Duration = Duration::from_secs(100);
/// The most that SQS gives at once.
const AT_ONCE: i32 = 10;
/// After so many calls a look ends, however many messages there are.
const MAX_CALLS: usize = 20_000;
/// So long SQS waits for a message to give: an empty answer then means that there is none.
const WAIT_SECONDS: i32 = 1;

/// The dead-letter queue.
pub(crate) struct DeadLetters {
    sqs: Client,
    url: String,
}

/// One dead letter.
pub(crate) struct Letter {
    pub(crate) id: String,
    handle: String,
    pub(crate) group: String,
    pub(crate) body: String,
    /// None when it cannot be read.
    pub(crate) message: Option<Message>,
}

/// What became of a letter that was looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays in the queue.
    Stays,
    /// It was taken out.
    Left,
    /// It was taken out, and no other is looked for.
    LeftLast,
}

/// How a look ended.
pub(crate) struct Looked {
    /// The letters that stay, each once.
    pub(crate) stayed: Vec<Letter>,
    /// Are there perhaps letters that nobody has looked at, beside those that stand behind others of their link?
    pub(crate) has_more: bool,
}

/// What a look has come to so far.
#[derive(Default)]
struct View {
    stayed: Vec<Letter>,
    ids: BTreeSet<String>,
    /// Of all that is to show again.
    handles: Vec<String>,
    /// From the first letter that stays on.
    until: Option<Instant>,
}

impl DeadLetters {
    /// Those of a stack.
    pub(crate) fn of(stack: &Stack) -> Result<Self, Error> {
        Ok(Self { sqs: stack.sqs.clone(), url: stack.output("DeadLetterQueueUrl")?.to_owned() })
    }

    /// Looks through the queue. What leaves it meanwhile, as `decide` does and says, makes room for more of the same link; the
    /// others show again afterwards. The first error ends it: what stands behind a letter is not to overtake it.
    pub(crate) async fn look(
        &self,
        mut decide: impl AsyncFnMut(&Letter) -> Result<Fate, Error>,
    ) -> Result<Looked, Error> {
        let mut view = View::default();
        let ended = self.go_through(&mut view, &mut decide).await;
        self.show_again(&view.handles).await;
        Ok(Looked { has_more: ended?, stayed: view.stayed })
    }

    /// Takes a letter out for good.
    pub(crate) async fn remove(&self, letter: &Letter) -> Result<(), Error> {
        let delete = self.sqs.delete_message().queue_url(&self.url).receipt_handle(&letter.handle);
        delete.send().await.map_err(failed("SQS"))?;
        Ok(())
    }

    /// Are there more, when it has ended?
    async fn go_through(
        &self,
        view: &mut View,
        decide: &mut impl AsyncFnMut(&Letter) -> Result<Fate, Error>,
    ) -> Result<bool, Error> {
        for _ in 0..MAX_CALLS {
            if view.until.is_some_and(|until| Instant::now() >= until) {
                return Ok(true);
            }
            let mut batch = self.receive().await?;
            if batch.is_empty() {
                return Ok(false);
            }
            let step = view.work_through(&mut batch, decide).await;
            view.handles.extend(batch.into_iter().map(|letter| letter.handle));
            if let ControlFlow::Break(ended) = step {
                return ended;
            }
        }
        Ok(true)
    }

    async fn receive(&self) -> Result<VecDeque<Letter>, Error> {
        let receive = self
            .sqs
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(AT_ONCE)
            .visibility_timeout(HIDDEN_SECONDS)
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let messages = receive.send().await.map_err(failed("SQS"))?.messages.unwrap_or_default();
        Ok(messages.into_iter().filter_map(Letter::read).collect())
    }

    /// That this fails is no harm: they show again by themselves in two minutes.
    async fn show_again(&self, handles: &[String]) {
        for handle in handles {
            let show = self.sqs.change_message_visibility().queue_url(&self.url).receipt_handle(handle);
            let _ = show.visibility_timeout(0).send().await;
        }
    }
}

impl View {
    /// Works through what was received, up to the letter that ends the look.
    async fn work_through(
        &mut self,
        batch: &mut VecDeque<Letter>,
        decide: &mut impl AsyncFnMut(&Letter) -> Result<Fate, Error>,
    ) -> ControlFlow<Result<bool, Error>> {
        while let Some(letter) = batch.pop_front() {
            if self.ids.contains(&letter.id) {
                self.handles.push(letter.handle);
                return ControlFlow::Break(Ok(true));
            }
            match decide(&letter).await {
                Ok(Fate::Left) => {}
                Ok(Fate::LeftLast) => return ControlFlow::Break(Ok(true)),
                Ok(Fate::Stays) => self.keep(letter),
                Err(error) => {
                    self.keep(letter);
                    return ControlFlow::Break(Err(error));
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn keep(&mut self, letter: Letter) {
        self.until.get_or_insert_with(|| Instant::now() + LOOK_FOR);
        self.handles.push(letter.handle.clone());
        self.ids.insert(letter.id.clone());
        self.stayed.push(letter);
    }
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
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityOutput;
    use aws_sdk_sqs::operation::receive_message::ReceiveMessageOutput;
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    /// A queue of letters that gives the next ones, and begins again after the last, as when nothing stays hidden.
    struct Fake {
        letters: DeadLetters,
        receive: Rule,
        shown: Arc<Mutex<Vec<String>>>,
    }

    impl Fake {
        fn of(count: usize, ends: bool) -> Self {
            let given = Mutex::new(0..);
            let receive = mock!(Client::receive_message).then_compute_output(move |_| {
                let message = |number: usize| {
                    let id = format!("m-{}", if ends { number } else { number % count });
                    SqsMessage::builder().message_id(&id).receipt_handle(format!("{id}@{number}")).body("{}").build()
                };
                let mut given = given.lock().unwrap();
                let next = given.by_ref().take(10).filter(|number| !ends || *number < count);
                ReceiveMessageOutput::builder().set_messages(Some(next.map(message).collect())).build()
            });
            let shown: Arc<Mutex<Vec<String>>> = Arc::default();
            let told = Arc::clone(&shown);
            let show = mock!(Client::change_message_visibility).then_compute_output(move |input| {
                told.lock().unwrap().extend(input.receipt_handle.clone());
                ChangeMessageVisibilityOutput::builder().build()
            });
            let sqs = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&receive, &show]);
            Self { letters: DeadLetters { sqs, url: "http://queue".to_owned() }, receive, shown }
        }

        fn shown(&self) -> Vec<String> {
            self.shown.lock().unwrap().iter().map(|handle| handle.split('@').next().unwrap().to_owned()).collect()
        }
    }

    fn ids(letters: &[Letter]) -> Vec<&str> {
        letters.iter().map(|letter| letter.id.as_str()).collect()
    }

    fn numbered(numbers: std::ops::Range<usize>) -> Vec<String> {
        numbers.map(|number| format!("m-{number}")).collect()
    }

    #[tokio::test]
    async fn a_look_sees_every_letter_once_and_shows_again_what_stays() {
        let fake = Fake::of(25, true);
        let looked = fake.letters.look(async |letter| Ok(if letter.id == "m-3" { Fate::Left } else { Fate::Stays }));
        let looked = looked.await.unwrap();
        let stayed: Vec<_> = numbered(0..25).into_iter().filter(|id| id != "m-3").collect();
        assert_eq!((ids(&looked.stayed), looked.has_more), (stayed.iter().map(String::as_str).collect(), false));
        assert_eq!(fake.shown(), stayed);
    }

    #[tokio::test]
    async fn a_look_ends_at_the_first_letter_that_it_has_seen_before() {
        let fake = Fake::of(15, false);
        let mut looks = 0;
        let looked = fake.letters.look(async |_| {
            looks += 1;
            Ok(Fate::Stays)
        });
        let looked = looked.await.unwrap();
        assert_eq!((looks, looked.stayed.len(), looked.has_more, fake.receive.num_calls()), (15, 15, true, 2));
        // The five that came a second time with the last call are given back, too.
        assert_eq!(fake.shown().len(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_ends_before_what_stays_would_show_again() {
        let fake = Fake::of(1_000, true);
        let looked = fake.letters.look(async |_| {
            tokio::time::advance(Duration::from_secs(2)).await;
            Ok(Fate::Stays)
        });
        let looked = looked.await.unwrap();
        assert_eq!((looked.stayed.len(), looked.has_more), (60, true));
        // Nothing stays, so nothing shows again.
        let fake = Fake::of(1_000, true);
        let looked = fake.letters.look(async |_| {
            tokio::time::advance(Duration::from_secs(2)).await;
            Ok(Fate::Left)
        });
        assert!(!looked.await.unwrap().has_more);
        assert!(fake.shown().is_empty());
    }

    #[tokio::test]
    async fn when_nothing_more_is_looked_for_nothing_more_is_read() {
        let fake = Fake::of(30, true);
        let looked =
            fake.letters.look(async |letter| Ok(if letter.id == "m-4" { Fate::LeftLast } else { Fate::Stays }));
        looked.await.unwrap();
        assert_eq!(fake.receive.num_calls(), 1);
        assert_eq!(fake.shown(), [numbered(0..4), numbered(5..10)].concat());
    }

    #[tokio::test]
    async fn after_a_failure_nothing_overtakes_the_letter_that_failed() {
        let fake = Fake::of(30, true);
        let mut looks = 0;
        let looked = fake.letters.look(async |letter| {
            looks += 1;
            if letter.id == "m-2" { Err(Error::SecretMalformed) } else { Ok(Fate::Left) }
        });
        assert!(looked.await.is_err());
        assert_eq!((looks, fake.receive.num_calls()), (3, 1));
        assert_eq!(fake.shown(), numbered(2..10));
    }
}
