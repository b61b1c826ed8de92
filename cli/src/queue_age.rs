//! The age of the oldest message in the queue, from CloudWatch.
//!
//! SQS does not report it, and receiving messages to look at them would block their links.

use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::Config;
use aws_sdk_cloudwatch::config::timeout::TimeoutConfig;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Datapoint, Dimension, Statistic};
use domain::EpochMillis;

use crate::error::Error;

/// The period that is searched for a datapoint, in seconds. SQS publishes one a minute, and CloudWatch has it one or
/// two minutes later.
const WINDOW_SECONDS: i64 = 5 * 60;
/// The length of a period of SQS's metrics, in seconds.
const PERIOD_SECONDS: i32 = 60;
/// The maximum time that CloudWatch may take, retries included. Without its response `status` shows the rest.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the maximum age of the queue's oldest message within the last minutes, or `None` if CloudWatch has no
/// datapoint.
pub(crate) async fn oldest_message(
    cloudwatch: &Client,
    queue_url: &str,
    now: EpochMillis,
) -> Result<Option<Duration>, Error> {
    let end = now / 1_000;
    let queue_name = queue_url.rsplit('/').next().unwrap_or_default();
    let call = cloudwatch
        .get_metric_statistics()
        .namespace("AWS/SQS")
        .metric_name("ApproximateAgeOfOldestMessage")
        .dimensions(Dimension::builder().name("QueueName").value(queue_name).build())
        .statistics(Statistic::Maximum)
        .period(PERIOD_SECONDS)
        .start_time(DateTime::from_secs(end - WINDOW_SECONDS))
        .end_time(DateTime::from_secs(end));

    let timeout = TimeoutConfig::builder().operation_timeout(TIMEOUT).build();
    let call = call.customize().config_override(Config::builder().timeout_config(timeout));
    let statistics = call.send().await.map_err(Error::aws("CloudWatch"))?;
    maximum(statistics.datapoints())
}

/// Returns the largest maximum of the datapoints.
fn maximum(datapoints: &[Datapoint]) -> Result<Option<Duration>, Error> {
    let seconds = datapoints.iter().filter_map(Datapoint::maximum).reduce(f64::max);
    let invalid = |_| Error::Aws { service: "CloudWatch", reason: "an invalid datapoint".to_owned() };
    seconds.map(Duration::try_from_secs_f64).transpose().map_err(invalid)
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::error::ErrorMetadata;
    use aws_sdk_cloudwatch::operation::get_metric_statistics::{GetMetricStatisticsError, GetMetricStatisticsOutput};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;

    const QUEUE_URL: &str = "https://sqs.us-east-1.amazonaws.com/1/belvo-sync.fifo";

    #[tokio::test]
    async fn the_queue_is_named_and_the_last_minutes_are_searched() {
        let rule = mock!(Client::get_metric_statistics)
            .match_requests(|input| {
                let [dimension] = input.dimensions() else { return false };
                let window = (input.start_time().map(DateTime::secs), input.end_time().map(DateTime::secs));
                dimension.name() == Some("QueueName")
                    && dimension.value() == Some("belvo-sync.fifo")
                    && window == (Some(1_795_262_101), Some(1_795_262_401))
            })
            .then_output(|| GetMetricStatisticsOutput::builder().datapoints(datapoint(42.0)).build());
        let cloudwatch = mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, [&rule]);
        let age = oldest_message(&cloudwatch, QUEUE_URL, 1_795_262_401_999).await.unwrap();
        assert_eq!(age, Some(Duration::from_secs(42)));
    }

    #[test]
    fn the_largest_datapoint_counts_and_no_datapoint_is_no_age() {
        let several = [7.0, 42.0, 1.5].map(datapoint);
        assert_eq!(maximum(&several).unwrap(), Some(Duration::from_secs(42)));
        assert_eq!(maximum(&[]).unwrap(), None);
        assert!(maximum(&[datapoint(-1.0)]).is_err());
    }

    #[tokio::test]
    async fn an_error_has_the_code_and_not_the_message() {
        let denied = || {
            let meta = ErrorMetadata::builder().code("AccessDenied").message("SECRET").build();
            GetMetricStatisticsError::generic(meta)
        };
        let rule = mock!(Client::get_metric_statistics).then_error(denied);
        let cloudwatch = mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, [&rule]);
        let error = oldest_message(&cloudwatch, QUEUE_URL, 0).await.unwrap_err();
        assert_eq!(error.to_string(), "CloudWatch failed: AccessDenied");
    }

    fn datapoint(maximum: f64) -> Datapoint {
        Datapoint::builder().maximum(maximum).build()
    }
}
