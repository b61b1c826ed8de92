//! Error responses of Belvo: their body and its classification.

use std::time::Duration;

use serde_json::value::RawValue;

use crate::Error;
use crate::members::{decoded, members, text};

/// Belvo's codes for a link that is unusable until its user acts.
const LINK_CODES: [&str; 6] =
    ["invalid_link", "unconfirmed_link", "login_error", "session_expired", "token_required", "activation_required"];

/// The body of an error response, possibly incomplete.
#[derive(Debug, Default)]
pub(crate) struct ErrorBody {
    pub(crate) bytes: Vec<u8>,
    /// Whether the body was read to its end. Only a complete body confirms that an object does not exist.
    pub(crate) is_complete: bool,
    /// Whether the `Content-Type` is HTML.
    pub(crate) is_declared_html: bool,
}

/// An element of the array of errors that Belvo sends.
struct Reason {
    code: String,
    /// The request parameter that the error concerns.
    field: Option<String>,
}

impl ErrorBody {
    /// Returns a body that was read to its end.
    pub(crate) fn complete(bytes: Vec<u8>) -> Self {
        Self { bytes, is_complete: true, is_declared_html: false }
    }

    /// Classifies the response with this body.
    pub(crate) fn classify(&self, status: u16, retry_after: Option<Duration>) -> Error {
        let reason = self.first_reason();
        let code = reason.as_ref().map_or("", |reason| reason.code.as_str());
        match status {
            401 if code == "consent_without_accounts" => Error::LinkRefused { code: safe_code(code) },
            401 => Error::Unauthorized,
            403 if self.is_html() => Error::RefusedByEdge,
            404 => Error::NotFound { confirmed: self.confirms_not_found() },
            408 => Error::TimedOut,
            428 => Error::LinkRefused { code: safe_code(code) },
            429 => Error::RateLimited { retry_after },
            400 if code == "too_many_sessions" => Error::RateLimited { retry_after },
            400 if LINK_CODES.contains(&code) => Error::LinkRefused { code: safe_code(code) },
            400 if reason.as_ref().is_some_and(Reason::is_unknown_link) => Error::NotFound { confirmed: false },
            400..=499 => Error::Refused { status, code: safe_code(code) },
            500..=599 => Error::Unavailable(status),
            _ => Error::Malformed("unexpected status"),
        }
    }

    /// Returns `true` if Belvo's edge sent the body. The first bytes decide, and `Content-Type` only if they do not: a page
    /// may begin with more white space than is read.
    fn is_html(&self) -> bool {
        let bytes = self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes);
        match bytes.trim_ascii_start().first() {
            Some(b'<') => true,
            Some(b'[' | b'{') => false,
            _ => self.is_declared_html,
        }
    }

    /// Returns the first error of the array. The rest of the body may be missing.
    fn first_reason(&self) -> Option<Reason> {
        let body = decoded(&self.bytes);
        let errors = body.trim_ascii_start().strip_prefix('[')?;
        let first = serde_json::Deserializer::from_str(errors).into_iter::<&RawValue>().next()?.ok()?;
        Reason::read(first)
    }

    /// Returns `true` if Belvo itself reports that the object does not exist. Data is deleted because of it: an incomplete
    /// or damaged body confirms nothing.
    fn confirms_not_found(&self) -> bool {
        let reasons: Vec<&RawValue> =
            if self.is_complete { serde_json::from_slice(&self.bytes).unwrap_or_default() } else { Vec::new() };
        reasons.first().and_then(|first| Reason::read(first)).is_some_and(|reason| reason.code == "not_found")
    }
}

impl Reason {
    /// Reads an error of the array. Only the code is required.
    fn read(reason: &RawValue) -> Option<Self> {
        let [code, field] = members(reason.get(), ["code", "field"])?;
        Some(Self { code: text(code)?, field: text(field) })
    }

    /// Returns `true` if Belvo does not know the link of a list. It is the value of a filter, so the status is 400, not 404.
    fn is_unknown_link(&self) -> bool {
        self.code == "does_not_exist" && self.field.as_deref().is_none_or(|field| field == "link")
    }
}

/// Returns the code if it is safe to log: 1 to 64 of `a-z` and `_`. Otherwise returns `other`.
fn safe_code(code: &str) -> String {
    let is_safe = (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_safe { code.to_owned() } else { "other".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> Error {
        ErrorBody::complete(body.into()).classify(status, None)
    }

    fn array(code: &str) -> String {
        format!(r#"[{{"request_id":"b5d0","message":"CANARY","code":"{code}"}}]"#)
    }

    #[test]
    fn each_documented_response_has_its_error() {
        for (status, code, expected) in [
            (401, "authentication_failed", Error::Unauthorized),
            (401, "consent_without_accounts", Error::LinkRefused { code: "consent_without_accounts".to_owned() }),
            (404, "not_found", Error::NotFound { confirmed: true }),
            (408, "request_timeout", Error::TimedOut),
            (400, "too_many_sessions", Error::RateLimited { retry_after: None }),
            (400, "login_error", Error::LinkRefused { code: "login_error".to_owned() }),
            (428, "token_required", Error::LinkRefused { code: "token_required".to_owned() }),
            (400, "invalid", Error::Refused { status: 400, code: "invalid".to_owned() }),
            (403, "permission_denied", Error::Refused { status: 403, code: "permission_denied".to_owned() }),
            (500, "unexpected_error", Error::Unavailable(500)),
        ] {
            assert_eq!(error(status, &array(code)), expected);
        }
    }

    #[test]
    fn html_is_a_response_of_the_edge() {
        let html = "\n<html><body>403 Forbidden</body></html>";
        assert_eq!(error(403, html), Error::RefusedByEdge);
        assert_eq!(error(404, html), Error::NotFound { confirmed: false });
        assert_eq!(error(502, html), Error::Unavailable(502));
        assert_eq!(error(302, ""), Error::Malformed("unexpected status"));
    }

    #[test]
    fn error_texts_contain_only_codes_of_belvo() {
        for code in ["login_error", "CANARY", "canary canary", ""] {
            let text = format!("{:?} {0}", error(400, &array(code)));
            assert!(!text.to_uppercase().contains("CANARY"), "{text}");
        }
    }

    #[test]
    fn only_a_well_formed_reason_confirms_not_found() {
        for body in [r#"[["not_found"]]"#, r#"{"code":"not_found"}"#, r#"[{"code":"not_found","code":"not_found"}]"#] {
            assert_eq!(error(404, body), Error::NotFound { confirmed: false }, "{body}");
        }
    }

    #[test]
    fn a_list_of_an_unknown_link_is_an_unconfirmed_not_found() {
        let of_field = |field: &str| format!(r#"[{{"code":"does_not_exist","field":{field},"message":"CANARY"}}]"#);
        for body in [array("does_not_exist"), of_field(r#""link""#), of_field("null"), of_field("7")] {
            assert_eq!(error(400, &body), Error::NotFound { confirmed: false }, "{body}");
        }
        let refused = Error::Refused { status: 400, code: "does_not_exist".to_owned() };
        assert_eq!(error(400, &of_field(r#""account""#)), refused);
    }

    #[test]
    fn an_invalid_member_of_a_reason_does_not_hide_its_code() {
        for odd in ["7", "null", "[]", "{}", r#""\ud800""#, "1e999"] {
            let body = format!(r#"[{{"request_id":{odd},"message":{odd},"field":{odd},"code":"login_error"}},{odd}]"#);
            assert_eq!(error(400, &body), Error::LinkRefused { code: "login_error".to_owned() }, "{odd}");
            let body = format!(r#"[{{"code":{odd}}}]"#);
            assert_eq!(error(400, &body), Error::Refused { status: 400, code: "other".to_owned() }, "{odd}");
        }
        let latin = ErrorBody::complete(b"[{\"message\":\"caf\xe9\",\"code\":\"too_many_sessions\"}]".to_vec());
        assert_eq!(latin.classify(400, None), Error::RateLimited { retry_after: None });
    }

    #[test]
    fn an_incomplete_body_is_classified_by_its_beginning_but_confirms_nothing() {
        let cut = |bytes: &str| ErrorBody { bytes: bytes.into(), is_complete: false, is_declared_html: false };
        let read = |status, bytes: &str| cut(bytes).classify(status, None);
        assert_eq!(read(403, "<html><head>"), Error::RefusedByEdge);
        let login_error = Error::LinkRefused { code: "login_error".to_owned() };
        assert_eq!(read(400, r#"[{"code":"login_error"},{"mess"#), login_error);
        assert_eq!(read(404, r#"[{"code":"not_found"}]  "#), Error::NotFound { confirmed: false });
        assert_eq!(read(400, r#"[{"code":"login_er"#), Error::Refused { status: 400, code: "other".to_owned() });
    }

    #[test]
    fn the_content_type_decides_only_if_the_first_bytes_do_not() {
        let html = |bytes: &str| {
            let body = ErrorBody { bytes: bytes.into(), is_complete: true, is_declared_html: true };
            body.classify(403, None)
        };
        assert_eq!(html(""), Error::RefusedByEdge);
        assert_eq!(html(&" ".repeat(1_000)), Error::RefusedByEdge);
        let permission = Error::Refused { status: 403, code: "permission_denied".to_owned() };
        assert_eq!(html(&array("permission_denied")), permission);
        assert_eq!(error(403, "\u{feff}<html>"), Error::RefusedByEdge);
    }
}
