//! Secrets Manager and SQS in process, behind the real clients.

use std::sync::{Arc, Mutex};

use aws_sdk_secretsmanager::operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput};
use aws_sdk_secretsmanager::types::error::{InternalServiceError, ResourceNotFoundException};
use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesOutput;
use aws_sdk_sqs::operation::send_message_batch::{SendMessageBatchInput, SendMessageBatchOutput};
use aws_sdk_sqs::types::BatchResultErrorEntry;
use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
use aws_smithy_types::DateTime;
use domain::{EpochMillis, Message};
use queue::Queue;
use runtime::Secret;

use crate::authenticator::Authenticator;

/// A Secrets Manager with one secret, which has up to two versions; with none it is out of order.
#[derive(Clone, Default)]
pub(crate) struct FakeSecrets(Arc<Mutex<Versions>>);

#[derive(Default)]
struct Versions {
    current: Option<(&'static str, EpochMillis)>,
    previous: Option<&'static str>,
    /// What one reading of the previous version gives, as if it had been before a rotation.
    torn: Option<&'static str>,
    reads: usize,
}

impl FakeSecrets {
    pub(crate) fn holding(current: &'static str, since: EpochMillis, previous: Option<&'static str>) -> Self {
        let secrets = Self::default();
        secrets.set(current, since, previous);
        secrets
    }

    pub(crate) fn out_of_order() -> Self {
        Self::default()
    }

    pub(crate) fn set(&self, current: &'static str, since: EpochMillis, previous: Option<&'static str>) {
        let mut versions = self.0.lock().unwrap();
        (versions.current, versions.previous) = (Some((current, since)), previous);
    }

    pub(crate) fn give_once_as_previous(&self, text: &'static str) {
        self.0.lock().unwrap().torn = Some(text);
    }

    pub(crate) fn break_down(&self) {
        self.0.lock().unwrap().current = None;
    }

    /// How often the current version was asked for.
    pub(crate) fn reads(&self) -> usize {
        self.0.lock().unwrap().reads
    }

    pub(crate) fn authenticator(&self, grace_hours: u32) -> Authenticator {
        let secrets = self.clone();
        let rule = mock!(aws_sdk_secretsmanager::Client::get_secret_value)
            .then_compute_response(move |input| secrets.answer(input.version_stage().unwrap_or_default()));
        let client = mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [&rule]);
        Authenticator::new(Secret::new(client, "webhook".to_owned()), grace_hours)
    }

    fn answer(&self, stage: &str) -> MockResponse<GetSecretValueOutput, GetSecretValueError> {
        let mut versions = self.0.lock().unwrap();
        let output = |text: &str, at| {
            let output = GetSecretValueOutput::builder().secret_string(text).created_date(DateTime::from_millis(at));
            MockResponse::Output(output.build())
        };
        versions.reads += usize::from(stage == "AWSCURRENT");
        if stage == "AWSPREVIOUS"
            && let Some(torn) = versions.torn.take()
        {
            return output(torn, 0);
        }
        match (versions.current, versions.previous) {
            (None, _) => {
                MockResponse::Error(GetSecretValueError::InternalServiceError(InternalServiceError::builder().build()))
            }
            (Some((text, since)), _) if stage == "AWSCURRENT" => output(text, since),
            (_, Some(text)) => output(text, 0),
            _ => MockResponse::Error(GetSecretValueError::ResourceNotFoundException(
                ResourceNotFoundException::builder().build(),
            )),
        }
    }
}

/// An SQS queue that keeps what it takes, and takes what it is told to.
#[derive(Clone, Default)]
pub(crate) struct FakeQueue {
    taken: Arc<Mutex<Vec<String>>>,
    refuses: bool,
}

impl FakeQueue {
    pub(crate) fn refusing() -> Self {
        Self { refuses: true, ..Self::default() }
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.taken.lock().unwrap().iter().map(|body| Message::decode(body).unwrap()).collect()
    }

    pub(crate) fn queue(&self) -> Queue {
        let fake = self.clone();
        let rule = mock!(aws_sdk_sqs::Client::send_message_batch).then_compute_output(move |input| fake.take(input));
        let warm_up = mock!(aws_sdk_sqs::Client::get_queue_attributes)
            .then_output(|| GetQueueAttributesOutput::builder().build());
        Queue::new(mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&rule, &warm_up]), "http://queue".to_owned())
    }

    fn take(&self, input: &SendMessageBatchInput) -> SendMessageBatchOutput {
        let bodies = input.entries().iter().map(|entry| entry.message_body().to_owned());
        let failure = || BatchResultErrorEntry::builder().id("0").sender_fault(false).code("InternalError").build();
        let failed = if self.refuses { vec![failure().unwrap()] } else { Vec::new() };
        if !self.refuses {
            self.taken.lock().unwrap().extend(bodies);
        }
        SendMessageBatchOutput::builder().set_successful(Some(Vec::new())).set_failed(Some(failed)).build().unwrap()
    }
}
