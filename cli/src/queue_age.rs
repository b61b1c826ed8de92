//! How long the oldest message of the queue has waited, by CloudWatch: SQS itself does not tell, and receiving messages to
//! look at them would hold up their links.
//!
//! One signed request instead of CloudWatch's SDK, which would bring ten crates along for it, one of them under a licence
//! that is not allowed here (deny.toml).

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_sqs::config::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use domain::{EpochMillis, now};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Error;

/// SQS gives a value a minute, and CloudWatch has it a minute or two later.
const WITHIN_MINUTES: i64 = 5;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Five values need less than one.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// CloudWatch's answer, as far as it matters.
#[derive(Deserialize)]
struct Statistics {
    #[serde(rename = "Datapoints")]
    datapoints: Vec<Datapoint>,
}

#[derive(Deserialize)]
struct Datapoint {
    #[serde(rename = "Maximum")]
    maximum: f64,
}

/// The most that the queue's oldest message had waited within the last minutes. None when CloudWatch has no value.
pub(crate) async fn waited(aws: &SdkConfig, queue_url: &str) -> Result<Option<Duration>, Error> {
    let body = question(queue_url, now()).to_string();
    maximum(&call(aws, &body).await?)
}

fn question(queue_url: &str, now: EpochMillis) -> Value {
    let end = now / 1_000;
    json!({
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{ "Name": "QueueName", "Value": queue_url.rsplit('/').next() }],
        "Statistics": ["Maximum"],
        "Period": 60,
        "StartTime": end - WITHIN_MINUTES * 60,
        "EndTime": end,
    })
}

/// The largest value of an answer, if it has any.
fn maximum(answer: &[u8]) -> Result<Option<Duration>, Error> {
    let unreadable = || failed("an answer that cannot be read");
    let statistics: Statistics = serde_json::from_slice(answer).map_err(|_| unreadable())?;
    let seconds = statistics.datapoints.iter().map(|point| point.maximum).reduce(f64::max);
    seconds.map(Duration::try_from_secs_f64).transpose().map_err(|_| unreadable())
}

async fn call(aws: &SdkConfig, body: &str) -> Result<Vec<u8>, Error> {
    let region = aws.region().ok_or_else(|| failed("no region is configured"))?.as_ref();
    let url = aws.endpoint_url().map_or_else(|| endpoint(region), |url| format!("{}/", url.trim_end_matches('/')));
    let headers = [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "GraniteServiceVersion20100801.GetMetricStatistics"),
    ];
    let credentials = aws.credentials_provider().ok_or_else(|| failed("no credentials are configured"))?;
    let credentials = credentials.provide_credentials().await.map_err(|_| failed("no credentials were found"))?;
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("monitoring")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| failed("the request cannot be signed"))?;
    let request = SignableRequest::new("POST", &url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()));
    let signed = request.and_then(|request| sign(request, &parameters.into()));
    let (instructions, _) = signed.map_err(|_| failed("the request cannot be signed"))?.into_parts();

    let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).redirect(reqwest::redirect::Policy::none()).build();
    let mut request = client.map_err(|_| failed("no HTTP client"))?.post(&url).body(body.to_owned());
    for (name, value) in headers.into_iter().chain(instructions.headers()) {
        request = request.header(name, value);
    }
    let response = request.send().await.map_err(|_| failed("no connection, or no answer in time"))?;
    read(response).await
}

/// The body of a success; the error code of anything else.
async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, Error> {
    let mut answer = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|_| failed("the connection broke off"))? {
        answer.extend_from_slice(&piece);
        if answer.len() > MAX_ANSWER_BYTES {
            return Err(failed("an answer that is too long"));
        }
    }
    if response.status().is_success() {
        return Ok(answer);
    }
    Err(failed(&code(&answer).unwrap_or_else(|| response.status().to_string())))
}

/// AWS's error code, such as `AccessDenied`, without the namespace that may stand before it.
fn code(answer: &[u8]) -> Option<String> {
    let error: Value = serde_json::from_slice(answer).ok()?;
    Some(error["__type"].as_str()?.rsplit('#').next()?.to_owned())
}

fn endpoint(region: &str) -> String {
    let china = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://monitoring.{region}.amazonaws.com{china}/")
}

fn failed(why: &str) -> Error {
    Error::Aws { service: "CloudWatch", why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_asked_for_by_its_name_over_the_last_minutes() {
        let question = question("https://sqs.us-east-1.amazonaws.com/1/belvo-sync.fifo", 1_795_262_401_999);
        assert_eq!(question["Dimensions"][0]["Value"], "belvo-sync.fifo");
        assert_eq!((&question["StartTime"], &question["EndTime"]), (&json!(1_795_262_101), &json!(1_795_262_401)));
    }

    #[test]
    fn the_largest_value_counts_and_no_value_is_no_age() {
        let answer = |datapoints: &str| maximum(format!(r#"{{"Datapoints":{datapoints},"Label":"x"}}"#).as_bytes());
        let known = answer(r#"[{"Maximum":7.0,"Timestamp":1.7E9,"Unit":"Seconds"},{"Maximum":42},{"Maximum":1.5}]"#);
        assert_eq!(known.unwrap(), Some(Duration::from_secs(42)));
        assert_eq!(answer("[]").unwrap(), None);
        assert!(answer(r#"[{"Maximum":-1.0}]"#).is_err());
        assert!(maximum(b"<html>").is_err());
    }

    #[test]
    fn a_refusal_is_told_by_its_code_alone() {
        assert_eq!(
            code(br#"{"__type":"com.amazon#AccessDenied","message":"SECRET"}"#).as_deref(),
            Some("AccessDenied")
        );
        assert_eq!(code(b"oops"), None);
    }

    #[test]
    fn each_region_has_its_endpoint() {
        assert_eq!(endpoint("us-east-1"), "https://monitoring.us-east-1.amazonaws.com/");
        assert_eq!(endpoint("cn-north-1"), "https://monitoring.cn-north-1.amazonaws.com.cn/");
    }
}
