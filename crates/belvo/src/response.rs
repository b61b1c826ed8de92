//! Readers of responses: the body within bounds, or the error.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use crate::Error;
use crate::error_body::ErrorBody;

/// The number of bytes of an error response that are read. Its first bytes suffice to classify it.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Reads the body of a 200. Any other status is an error.
pub(crate) async fn read_ok_body(response: Response, limit: usize) -> Result<Vec<u8>, Error> {
    let (status, retry_after) = (response.status(), retry_after(&response));
    if status == StatusCode::OK {
        return read_body(response, limit).await;
    }
    Err(read_error_body(response).await.classify(status.as_u16(), retry_after))
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_body(mut response: Response, limit: usize) -> Result<Vec<u8>, Error> {
    let announced = response.content_length().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default();
    let mut body = Vec::with_capacity(announced.min(limit));
    while let Some(chunk) = response.chunk().await.map_err(|error| transport_error(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(Error::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads the body of an error response. Returns the beginning of a body that is too long or incomplete: status and first
/// bytes suffice to classify it.
pub(crate) async fn read_error_body(mut response: Response) -> ErrorBody {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_declared_html = content_type.trim_start().to_ascii_lowercase().starts_with("text/html");
    let mut body = ErrorBody { is_declared_html, ..ErrorBody::default() };
    while let Ok(chunk) = response.chunk().await {
        let Some(chunk) = chunk else {
            body.is_complete = true;
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

/// Classifies a transport error. The text omits the URL, which contains ids.
pub(crate) fn transport_error(error: &reqwest::Error) -> Error {
    if error.is_connect() {
        return Error::Unreachable("connection failed".to_owned());
    }
    if error.is_timeout() && !is_network_error(error) {
        return Error::TimedOut;
    }
    Error::Unreachable("connection lost".to_owned())
}

/// Returns `true` if the operating system reports the error. The connection is then dead, and the response not merely slow.
fn is_network_error(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|cause| cause.raw_os_error().is_some())
}

/// Returns `Retry-After` in seconds. Belvo documents neither form of the header; a date is ignored.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_operating_system_means_a_dead_connection() {
        #[derive(Debug, thiserror::Error)]
        #[error("a request")]
        struct Request(#[source] std::io::Error);

        let etimedout = 110;
        assert!(is_network_error(&Request(std::io::Error::from_raw_os_error(etimedout))));
        assert!(!is_network_error(&Request(std::io::ErrorKind::TimedOut.into())));
    }
}
