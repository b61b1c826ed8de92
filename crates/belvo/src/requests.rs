//! Starting work at Belvo: requests that change something there.
//!
//! **Guarantee.** Each is sent once. Belvo counts such requests against monthly limits and answers repeated ones with
//! duplicates, so nothing here or below tries again, whatever happened. **Mechanism.** No quick retries, none by the
//! HTTP library, and errors that tell apart what Belvo certainly did not do ([`SubmitError::Refused`]) from what it may
//! have done ([`SubmitError::Unknown`]).

use std::time::Duration;

use domain::{LinkId, RequestId};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::error::ErrorBody;
use crate::members::{decoded, members, text};
use crate::response::{of_transport, read_body, read_error_body, retry_after};
use crate::{Client, Error};

/// With this header Belvo answers at once and does the work later. The value is case-sensitive: with another spelling
/// it does the work while one waits.
const REQUEST_MODE: (&str, &str) = ("X-Belvo-Request-Mode", "async");
/// How much of a refusal is searched for a waiting time.
const MAX_SEARCHED_BYTES: usize = 4 * 1024;

/// What Belvo said of work that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// 202: a webhook with this request id says when it is done.
    Pending(RequestId),
    /// Another success: it was done while we waited, and no webhook is promised.
    Completed,
}

/// Why there is no work under way, as far as we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Belvo refused, or nothing reached it: nothing was done, and the same may be asked again.
    #[error(transparent)]
    Refused(Error),
    /// The link was refreshed minutes ago. Passes.
    #[error("the link was refreshed already")]
    RefreshedAlready {
        /// How long to wait, if Belvo said.
        wait: Option<Duration>,
    },
    /// The request left, and no answer says what became of it. Whoever repeats it risks having it done twice.
    #[error("it is not known whether Belvo took the request: {0}")]
    Unknown(Error),
}

struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

impl Client {
    /// Asks Belvo to retrieve a resource from the institution, asynchronously. The path is the resource's list.
    ///
    /// # Errors
    /// [`SubmitError`]
    pub async fn retrieve(&self, path: &str, parameters: &Map<String, Value>) -> Result<Accepted, SubmitError> {
        taken(&self.send_once(Method::POST, path, true, Some(parameters)).await?)
    }

    /// Asks Belvo to load a link's history again, all of it or some resources.
    ///
    /// # Errors
    /// [`SubmitError`]
    pub async fn refresh_link(&self, link: &LinkId, fetch_resources: &[String]) -> Result<Accepted, SubmitError> {
        let mut parameters = Map::new();
        if !fetch_resources.is_empty() {
            parameters.insert("fetch_resources".to_owned(), fetch_resources.into());
        }
        taken(&self.send_once(Method::POST, &format!("/api/links/{link}/refresh/"), false, Some(&parameters)).await?)
    }

    /// Asks Belvo to delete a link and all its data, asynchronously. Nothing brings them back.
    ///
    /// # Errors
    /// [`SubmitError`]
    pub async fn delete_link(&self, link: &LinkId) -> Result<Accepted, SubmitError> {
        taken(&self.send_once(Method::DELETE, &format!("/api/links/{link}/"), true, None).await?)
    }

    /// Gets an access token for the Connect widget. Belvo wants the credentials in the body too.
    ///
    /// # Errors
    /// [`SubmitError`]
    pub async fn widget_token(&self, options: &Map<String, Value>) -> Result<SecretString, SubmitError> {
        let credentials = self.credentials();
        let mut body = options.clone();
        body.insert("id".to_owned(), credentials.secret_id.as_str().into());
        body.insert("password".to_owned(), credentials.secret_password.expose_secret().into());
        let answer = self.send_once(Method::POST, "/api/token/", false, Some(&body)).await?;
        let token = text_member(&answer.body, "access").map(SecretString::from);
        token.ok_or(SubmitError::Unknown(Error::Malformed("not a token")))
    }

    /// Sends a request exactly once. Gives any 2xx.
    async fn send_once(
        &self,
        method: Method,
        path: &str,
        is_async: bool,
        body: Option<&Map<String, Value>>,
    ) -> Result<Answer, SubmitError> {
        let result = self.send(method, path, is_async, body).await;
        let answered = result.as_ref().map_err(SubmitError::error);
        self.answered.note(&answered);
        if matches!(answered, Err(Error::RefusedByEdge)) {
            self.slow_down();
        }
        result
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        is_async: bool,
        body: Option<&Map<String, Value>>,
    ) -> Result<Answer, SubmitError> {
        let mut request = self.request(&self.pool(), method, self.url(path).map_err(SubmitError::Refused)?);
        if is_async {
            request = request.header(REQUEST_MODE.0, REQUEST_MODE.1);
        }
        if let Some(body) = body {
            // A map of JSON values cannot fail to be written.
            let body = serde_json::to_vec(body).unwrap_or_default();
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        self.acquire_permit().await;
        let response = request.send().await.map_err(|error| not_sent(&error))?;
        let (status, retry_after) = (response.status(), retry_after(&response));
        if status.is_success() {
            let body = read_body(response, self.limits.max_response_bytes).await.map_err(SubmitError::Unknown)?;
            return Ok(Answer { status, body });
        }
        Err(refused(status, retry_after, &read_error_body(response).await))
    }
}

impl SubmitError {
    /// How Belvo answered, if it did.
    fn error(&self) -> Error {
        match self {
            Self::Refused(error) | Self::Unknown(error) => error.clone(),
            Self::RefreshedAlready { .. } => Error::Refused { status: 409, code: "link_refreshed".to_owned() },
        }
    }
}

/// A connection that never stood carried nothing. After that, anything may have arrived.
fn not_sent(error: &reqwest::Error) -> SubmitError {
    let fault = of_transport(error);
    if error.is_connect() || error.is_builder() { SubmitError::Refused(fault) } else { SubmitError::Unknown(fault) }
}

/// Belvo does nothing after a 4xx but a 408: there it had begun, and ran out of time.
fn refused(status: StatusCode, retry_after: Option<Duration>, body: &ErrorBody) -> SubmitError {
    let error = Error::of_answer(status.as_u16(), retry_after, body);
    if matches!(&error, Error::Refused { status: 409, code } if code == "link_refreshed") {
        return SubmitError::RefreshedAlready { wait: retry_after.or_else(|| waiting_time(&body.bytes)) };
    }
    let is_certain = status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT;
    if is_certain { SubmitError::Refused(error) } else { SubmitError::Unknown(error) }
}

fn taken(answer: &Answer) -> Result<Accepted, SubmitError> {
    if answer.status != StatusCode::ACCEPTED {
        return Ok(Accepted::Completed);
    }
    let id = text_member(&answer.body, "request_id").and_then(|id| RequestId::parse(&id).ok());
    id.map(Accepted::Pending).ok_or(SubmitError::Unknown(Error::Malformed("not a request id")))
}

/// Reads one member of an answer. The others may be of any type.
fn text_member(body: &[u8], name: &str) -> Option<String> {
    members(&decoded(body), [name]).and_then(|[value]| text(value))
}

/// Belvo says "Please wait X minutes before trying again." in the message of a refusal, and nowhere else. Nothing of the
/// text itself is kept.
pub(crate) fn waiting_time(body: &[u8]) -> Option<Duration> {
    let text = decoded(&body[..body.len().min(MAX_SEARCHED_BYTES)]);
    let (before, _) = text.split_once(" minute")?;
    let start = before.rfind(|character: char| !character.is_ascii_digit()).map_or(0, |last| last + 1);
    let minutes: u64 = before.get(start..)?.parse().ok()?;
    // Belvo's pause is ten minutes; whatever is far beyond is not a waiting time.
    (minutes <= 24 * 60).then(|| Duration::from_secs(minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).unwrap()
    }

    fn no_reason() -> ErrorBody {
        ErrorBody::whole(b"[]".to_vec())
    }

    #[test]
    fn only_a_refusal_of_belvos_is_certain() {
        for code in [400, 401, 403, 404, 428, 429] {
            assert!(matches!(refused(status(code), None, &no_reason()), SubmitError::Refused(_)), "{code}");
        }
        for code in [302, 408, 500, 502, 503, 504] {
            assert!(matches!(refused(status(code), None, &no_reason()), SubmitError::Unknown(_)), "{code}");
        }
    }

    #[test]
    fn the_waiting_time_is_read_where_belvo_says_it() {
        let body = |message: &str| format!(r#"[{{"message":"{message}","code":"link_refreshed"}}]"#);
        let wait = |message: &str| waiting_time(body(message).as_bytes()).map(|wait| wait.as_secs());
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
    fn an_odd_member_beside_the_request_id_does_not_hide_that_belvo_took_the_request() {
        let answer = |body: &[u8]| taken(&Answer { status: StatusCode::ACCEPTED, body: body.to_vec() });
        let id = "b5d0106ac9cc43d5b36199fe831f6bbe";
        for odd in ["null", "7", "1e999", r#""\ud800""#, "[[]]"] {
            let body = format!(r#"{{"message":{odd},"request_id":"{id}","status":{odd},"status":{odd}}}"#);
            assert_eq!(answer(body.as_bytes()), Ok(Accepted::Pending(RequestId::parse(id).unwrap())), "{odd}");
        }
        let latin = [br#"{"message":"caf"#, &b"\xe9"[..], br#"","request_id":""#, id.as_bytes(), br#""}"#].concat();
        assert!(matches!(answer(&latin), Ok(Accepted::Pending(_))));
        for body in [r#"{"request_id":7}"#, &format!(r#"["{id}"]"#), "", "<html>"] {
            let unknown = SubmitError::Unknown(Error::Malformed("not a request id"));
            assert_eq!(answer(body.as_bytes()), Err(unknown), "{body}");
        }
    }
}
