//! Requests that start work at Belvo. Each is sent at most once.
//!
//! Belvo counts these requests against monthly limits, and a repeated request creates duplicates. So neither this module nor
//! the HTTP library retries. The error tells whether Belvo certainly did nothing ([`SubmitError::Refused`]) or may have
//! started the work ([`SubmitError::Unknown`]).

use std::time::Duration;

use domain::{LinkId, RequestId};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::error_body::ErrorBody;
use crate::members::{decoded, members, text};
use crate::response::{read_body, read_error_body, retry_after, transport_error};
use crate::{Client, Error};

/// The header of an asynchronous request. Its value is case-sensitive: with another spelling Belvo works synchronously.
const REQUEST_MODE: (&str, &str) = ("X-Belvo-Request-Mode", "async");
/// The number of bytes of an error response that are searched for a wait.
const MAX_SEARCHED_BYTES: usize = 4 * 1024;

/// A request that Belvo accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// 202: a webhook with this request id announces the completion.
    Pending(RequestId),
    /// Any other success: Belvo completed the work, and may send no webhook.
    Completed,
}

/// An error of a request that starts work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Belvo rejected the request, or did not receive it. It did nothing, so the request may be repeated.
    #[error(transparent)]
    Refused(Error),
    /// Belvo refreshed the link minutes ago. Transient.
    #[error("the link was refreshed recently")]
    RefreshedAlready {
        /// The wait that Belvo asks for, if any.
        wait: Option<Duration>,
    },
    /// The request was sent, and its result is unknown. Repeating it may duplicate the work.
    #[error("unknown whether Belvo accepted the request: {0}")]
    Unknown(Error),
}

/// A response with a 2xx status.
struct Response {
    status: StatusCode,
    body: Vec<u8>,
}

impl Client {
    /// Requests that Belvo retrieves a resource from the institution, asynchronously. The path is the resource's list.
    ///
    /// # Errors
    /// [`SubmitError`]
    pub async fn retrieve(&self, path: &str, parameters: &Map<String, Value>) -> Result<Accepted, SubmitError> {
        accepted(&self.send_once(Method::POST, path, true, Some(parameters)).await?)
    }

    /// Requests that Belvo reloads a link's history, for all or some resources.
    ///
    /// # Errors
    /// [`SubmitError`]
    pub async fn refresh_link(&self, link: &LinkId, fetch_resources: &[String]) -> Result<Accepted, SubmitError> {
        let mut parameters = Map::new();
        if !fetch_resources.is_empty() {
            parameters.insert("fetch_resources".to_owned(), fetch_resources.into());
        }
        accepted(&self.send_once(Method::POST, &format!("/api/links/{link}/refresh/"), false, Some(&parameters)).await?)
    }

    /// Requests that Belvo deletes a link and all its data, asynchronously. The deletion is final.
    ///
    /// # Errors
    /// [`SubmitError`]
    pub async fn delete_link(&self, link: &LinkId) -> Result<Accepted, SubmitError> {
        accepted(&self.send_once(Method::DELETE, &format!("/api/links/{link}/"), true, None).await?)
    }

    /// Returns an access token for the Connect widget. Belvo requires the credentials in the body too.
    ///
    /// # Errors
    /// [`SubmitError`]
    pub async fn widget_token(&self, options: &Map<String, Value>) -> Result<SecretString, SubmitError> {
        let credentials = self.credentials();
        let mut body = options.clone();
        body.insert("id".to_owned(), credentials.secret_id.as_str().into());
        body.insert("password".to_owned(), credentials.secret_password.expose_secret().into());
        let response = self.send_once(Method::POST, "/api/token/", false, Some(&body)).await?;
        let token = text_member(&response.body, "access").map(SecretString::from);
        token.ok_or(SubmitError::Unknown(Error::Malformed("not a token")))
    }

    /// Sends a request exactly once and counts its response. Returns any 2xx.
    async fn send_once(
        &self,
        method: Method,
        path: &str,
        is_async: bool,
        body: Option<&Map<String, Value>>,
    ) -> Result<Response, SubmitError> {
        let result = self.send(method, path, is_async, body).await;
        let counted = result.as_ref().map_err(SubmitError::to_counted);
        self.counters.count(&counted);
        if matches!(counted, Err(Error::RefusedByEdge)) {
            self.throttle.slow_down();
        }
        result
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        is_async: bool,
        body: Option<&Map<String, Value>>,
    ) -> Result<Response, SubmitError> {
        let mut request = self.request(&self.pool(), method, self.url(path).map_err(SubmitError::Refused)?);
        if is_async {
            request = request.header(REQUEST_MODE.0, REQUEST_MODE.1);
        }
        if let Some(body) = body {
            // Serializing a map of JSON values cannot fail.
            let body = serde_json::to_vec(body).unwrap_or_default();
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        self.throttle.acquire_permit().await;
        let response = request.send().await.map_err(|error| send_error(&error))?;
        let (status, retry_after) = (response.status(), retry_after(&response));
        if status.is_success() {
            let body = read_body(response, self.limits.max_response_bytes).await.map_err(SubmitError::Unknown)?;
            return Ok(Response { status, body });
        }
        Err(rejection(status, retry_after, &read_error_body(response).await))
    }
}

impl SubmitError {
    /// Returns the error to count.
    fn to_counted(&self) -> Error {
        match self {
            Self::Refused(error) | Self::Unknown(error) => error.clone(),
            Self::RefreshedAlready { .. } => Error::Refused { status: 409, code: "link_refreshed".to_owned() },
        }
    }
}

/// Classifies an error without a response. Only without a connection did Belvo certainly receive nothing.
fn send_error(error: &reqwest::Error) -> SubmitError {
    let cause = transport_error(error);
    if error.is_connect() || error.is_builder() { SubmitError::Refused(cause) } else { SubmitError::Unknown(cause) }
}

/// Classifies an error response. After a 4xx Belvo did nothing, except after a 408: it had begun the work.
fn rejection(status: StatusCode, retry_after: Option<Duration>, body: &ErrorBody) -> SubmitError {
    let error = body.classify(status.as_u16(), retry_after);
    if matches!(&error, Error::Refused { status: 409, code } if code == "link_refreshed") {
        return SubmitError::RefreshedAlready { wait: retry_after.or_else(|| requested_wait(&body.bytes)) };
    }
    let is_certain = status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT;
    if is_certain { SubmitError::Refused(error) } else { SubmitError::Unknown(error) }
}

fn accepted(response: &Response) -> Result<Accepted, SubmitError> {
    if response.status != StatusCode::ACCEPTED {
        return Ok(Accepted::Completed);
    }
    let id = text_member(&response.body, "request_id").and_then(|id| RequestId::parse(&id).ok());
    id.map(Accepted::Pending).ok_or(SubmitError::Unknown(Error::Malformed("not a request id")))
}

/// Returns a text member of a response. The other members may have any type.
fn text_member(body: &[u8], name: &str) -> Option<String> {
    members(&decoded(body), [name]).and_then(|[value]| text(value))
}

/// Returns the wait from "Please wait X minutes before trying again.", which Belvo sends only in the message of an error.
pub(crate) fn requested_wait(body: &[u8]) -> Option<Duration> {
    let text = decoded(&body[..body.len().min(MAX_SEARCHED_BYTES)]);
    let (before, _) = text.split_once(" minute")?;
    let start = before.rfind(|character: char| !character.is_ascii_digit()).map_or(0, |last| last + 1);
    let minutes: u64 = before.get(start..)?.parse().ok()?;
    // Belvo's pause is ten minutes; a number above a day is not a wait.
    (minutes <= 24 * 60).then(|| Duration::from_secs(minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).unwrap()
    }

    fn no_reason() -> ErrorBody {
        ErrorBody::complete(b"[]".to_vec())
    }

    #[test]
    fn only_a_rejection_by_belvo_is_certain() {
        for code in [400, 401, 403, 404, 428, 429] {
            assert!(matches!(rejection(status(code), None, &no_reason()), SubmitError::Refused(_)), "{code}");
        }
        for code in [302, 408, 500, 502, 503, 504] {
            assert!(matches!(rejection(status(code), None, &no_reason()), SubmitError::Unknown(_)), "{code}");
        }
    }

    #[test]
    fn the_requested_wait_is_read_from_the_message() {
        let body = |message: &str| format!(r#"[{{"message":"{message}","code":"link_refreshed"}}]"#);
        let wait = |message: &str| requested_wait(body(message).as_bytes()).map(|wait| wait.as_secs());
        assert_eq!(wait("The link has already been refreshed. Please wait 7 minutes before trying again."), Some(420));
        assert_eq!(wait("Please wait 1 minute before trying again."), Some(60));
        for message in ["Please wait some minutes.", "é minutes", "", "wait 99999999999 minutes", "wait 5000 minutes"]
        {
            assert_eq!(wait(message), None, "{message}");
        }
        let cut_inside_a_letter = format!("Please wait 7 minutes. {}", "é".repeat(MAX_SEARCHED_BYTES));
        assert_eq!(wait(&cut_inside_a_letter), Some(420));
    }

    #[test]
    fn an_invalid_member_does_not_hide_the_request_id() {
        let read = |body: &[u8]| accepted(&Response { status: StatusCode::ACCEPTED, body: body.to_vec() });
        let id = "b5d0106ac9cc43d5b36199fe831f6bbe";
        for odd in ["null", "7", "1e999", r#""\ud800""#, "[[]]"] {
            let body = format!(r#"{{"message":{odd},"request_id":"{id}","status":{odd},"status":{odd}}}"#);
            assert_eq!(read(body.as_bytes()), Ok(Accepted::Pending(RequestId::parse(id).unwrap())), "{odd}");
        }
        let latin = [br#"{"message":"caf"#, &b"\xe9"[..], br#"","request_id":""#, id.as_bytes(), br#""}"#].concat();
        assert!(matches!(read(&latin), Ok(Accepted::Pending(_))));
        for body in [r#"{"request_id":7}"#, &format!(r#"["{id}"]"#), "", "<html>"] {
            let unknown = SubmitError::Unknown(Error::Malformed("not a request id"));
            assert_eq!(read(body.as_bytes()), Err(unknown), "{body}");
        }
    }
}
