//! Reading a response: its body, within bounds, or the error that it is.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use crate::Error;
use crate::error::ErrorBody;

/// How much of an error page is read. It says what it has to say in its first bytes; what follows is dropped.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Reads the body of a 200. Anything else is an error.
pub(crate) async fn body_of_ok(response: Response, limit: usize) -> Result<Vec<u8>, Error> {
    let (status, retry_after) = (response.status(), retry_after(&response));
    if status == StatusCode::OK {
        return read_body(response, limit).await;
    }
    Err(Error::of_answer(status.as_u16(), retry_after, &read_error_body(response).await))
}

pub(crate) async fn read_body(mut response: Response, limit: usize) -> Result<Vec<u8>, Error> {
    let announced = response.content_length().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default();
    let mut body = Vec::with_capacity(announced.min(limit));
    while let Some(chunk) = response.chunk().await.map_err(|error| of_transport(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(Error::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads the body of an answer that is no success. One that is too long, or that breaks off, counts as far as it came:
/// status and first bytes say what is to be done.
pub(crate) async fn read_error_body(mut response: Response) -> ErrorBody {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_declared_html = content_type.trim_start().to_ascii_lowercase().starts_with("text/html");
    let mut body = ErrorBody { is_declared_html, ..ErrorBody::default() };
    while let Ok(chunk) = response.chunk().await {
        let Some(chunk) = chunk else {
            body.is_whole = true;
            break;
        };
        let room = MAX_ERROR_BYTES - body.bytes.len();
        body.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            break;
        }
    }
    body
}

/// Names the fault without the URL, which holds ids.
pub(crate) fn of_transport(error: &reqwest::Error) -> Error {
    if error.is_connect() {
        return Error::Unreachable("no connection".to_owned());
    }
    if error.is_timeout() && !is_of_the_network(error) {
        return Error::TimedOut;
    }
    Error::Unreachable("the connection broke off".to_owned())
}

/// Does the operating system say so? Then the other end acknowledges nothing: a dead connection, and no slow answer.
fn is_of_the_network(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|cause| cause.raw_os_error().is_some())
}

/// `Retry-After` in seconds. Its other form, a date, is not worth a parser: Belvo documents neither.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_the_network_gave_up_is_dead_and_not_slow() {
        #[derive(Debug, thiserror::Error)]
        #[error("a request")]
        struct Request(#[source] std::io::Error);

        let etimedout = 110;
        assert!(is_of_the_network(&Request(std::io::Error::from_raw_os_error(etimedout))));
        assert!(!is_of_the_network(&Request(std::io::ErrorKind::TimedOut.into())));
    }
}
