//! What can go wrong at Belvo, named by what the caller does next.

use std::time::Duration;

use serde_json::value::RawValue;

use crate::members::{decoded, members, text};

/// Words of Belvo's that say that the link itself cannot be used until the user acts.
const LINK_CODES: [&str; 6] =
    ["invalid_link", "unconfirmed_link", "login_error", "session_expired", "token_required", "activation_required"];

/// An answer that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No answer, or one that broke off. Passes.
    #[error("Belvo cannot be reached: {0}")]
    Unreachable(String),
    /// 5xx. Passes.
    #[error("Belvo answered {0}")]
    Unavailable(u16),
    /// 429, or `too_many_sessions`. Passes, but only when left alone.
    #[error("Belvo asks for fewer requests")]
    RateLimited {
        /// How long to wait, if Belvo said.
        retry_after: Option<Duration>,
    },
    /// 403 from Belvo's edge, in HTML: more than 80 requests in 30 seconds from one address, or a query that its
    /// firewall does not know. The first passes, the second does not.
    #[error("Belvo's edge refused the request")]
    RefusedByEdge,
    /// 408, or we waited too long. The same question for less may be answered.
    #[error("Belvo took too long")]
    TimedOut,
    /// The answer is larger than we read. The same question for less may be answered.
    #[error("Belvo's answer is larger than {0} bytes")]
    TooLarge(usize),
    /// 401. Passes only when the credentials are read again or replaced.
    #[error("Belvo refused our credentials")]
    Unauthorized,
    /// 404, or 400 for a link that Belvo does not know. Without a reason from Belvo itself it may come from anything on
    /// the way.
    #[error("Belvo does not have it")]
    NotFound {
        /// Did Belvo say so with a 404 and its code `not_found`? A 400 confirms nothing: it is about a filter's value, and
        /// nothing is deleted for it.
        confirmed: bool,
    },
    /// The link cannot be used until the user acts: 428, or one of Belvo's words for it. Does not pass by itself.
    #[error("Belvo cannot use the link: {code}")]
    LinkRefused {
        /// Belvo's word.
        code: String,
    },
    /// Any other 4xx. Somebody has to look.
    #[error("Belvo answered {status}: {code}")]
    Refused {
        /// The status.
        status: u16,
        /// Belvo's word, `other` where it has none.
        code: String,
    },
    /// The answer is not what Belvo's documentation says. Somebody has to look.
    #[error("Belvo's answer cannot be understood: {0}")]
    Malformed(&'static str),
}

/// When is it worth asking again?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Within a second, a few times.
    Immediately,
    /// After the message has waited in the queue.
    Later,
    /// Not before something else happened: there will be a webhook.
    Never,
}

/// The body of an answer that is no success, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct ErrorBody {
    pub(crate) bytes: Vec<u8>,
    /// Whether these are all its bytes. Only then does it confirm anything.
    pub(crate) is_whole: bool,
    /// Whether `Content-Type` says HTML.
    pub(crate) is_declared_html: bool,
}

/// One of the errors that Belvo sends as an array.
struct Reason {
    code: String,
    /// The parameter that it is about.
    field: Option<String>,
}

impl ErrorBody {
    /// A body that was read to its end.
    pub(crate) fn whole(bytes: Vec<u8>) -> Self {
        Self { bytes, is_whole: true, is_declared_html: false }
    }

    /// Does it come from the edge in front of Belvo? Its first bytes say so, else `Content-Type`: a page may begin with
    /// more white space than is read.
    fn is_html(&self) -> bool {
        let bytes = self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes);
        match bytes.trim_ascii_start().first() {
            Some(b'<') => true,
            Some(b'[' | b'{') => false,
            _ => self.is_declared_html,
        }
    }

    /// The first error of the array. What follows it may be missing.
    fn first_reason(&self) -> Option<Reason> {
        let body = decoded(&self.bytes);
        let errors = body.trim_ascii_start().strip_prefix('[')?;
        let first = serde_json::Deserializer::from_str(errors).into_iter::<&RawValue>().next()?.ok()?;
        Reason::read(first)
    }

    /// Does Belvo itself say that there is no such thing? Objects are deleted on the strength of this: a body that is cut
    /// off or damaged says nothing.
    fn confirms_not_found(&self) -> bool {
        let reasons: Vec<&RawValue> =
            if self.is_whole { serde_json::from_slice(&self.bytes).unwrap_or_default() } else { Vec::new() };
        reasons.first().and_then(|first| Reason::read(first)).is_some_and(|reason| reason.code == "not_found")
    }
}

impl Reason {
    /// Reads a reason; only its code is demanded.
    fn read(reason: &RawValue) -> Option<Self> {
        let [code, field] = members(reason.get(), ["code", "field"])?;
        Some(Self { code: text(code)?, field: text(field) })
    }

    /// Does Belvo refuse a list because it does not know the link? It says so of a filter's value with a 400, not a 404.
    fn is_unknown_link(&self) -> bool {
        self.code == "does_not_exist" && self.field.as_deref().is_none_or(|field| field == "link")
    }
}

impl Error {
    /// When is it worth asking again? Being told that we ask too often is no reason to ask at once.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unreachable(_) | Self::Unavailable(_) => Retry::Immediately,
            Self::LinkRefused { .. } => Retry::Never,
            Self::RateLimited { .. }
            | Self::RefusedByEdge
            | Self::TimedOut
            | Self::TooLarge(_)
            | Self::Unauthorized
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::Malformed(_) => Retry::Later,
        }
    }

    /// May the same question for less be answered?
    #[must_use]
    pub fn asks_for_less(&self) -> bool {
        matches!(self, Self::TimedOut | Self::TooLarge(_))
    }

    /// May another page of the same list be answered? Not when Belvo refuses whoever asks, whatever is asked for.
    #[must_use]
    pub fn concerns_one_page(&self) -> bool {
        !matches!(self, Self::Unauthorized | Self::RateLimited { .. } | Self::RefusedByEdge)
    }

    /// A short word for logs, metrics and the table.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "belvo_unreachable",
            Self::Unavailable(_) => "belvo_unavailable",
            Self::RateLimited { .. } => "belvo_rate_limited",
            Self::RefusedByEdge => "belvo_refused_by_edge",
            Self::TimedOut => "belvo_timed_out",
            Self::TooLarge(_) => "belvo_too_large",
            Self::Unauthorized => "belvo_unauthorized",
            Self::NotFound { .. } => "belvo_not_found",
            Self::LinkRefused { .. } => "belvo_link_refused",
            Self::Refused { .. } => "belvo_refused",
            Self::Malformed(_) => "belvo_malformed",
        }
    }

    /// Reads an answer that is no success.
    pub(crate) fn of_answer(status: u16, retry_after: Option<Duration>, body: &ErrorBody) -> Self {
        let reason = body.first_reason();
        let code = reason.as_ref().map_or("", |reason| reason.code.as_str());
        match status {
            401 if code == "consent_without_accounts" => Self::LinkRefused { code: word(code) },
            401 => Self::Unauthorized,
            403 if body.is_html() => Self::RefusedByEdge,
            404 => Self::NotFound { confirmed: body.confirms_not_found() },
            408 => Self::TimedOut,
            428 => Self::LinkRefused { code: word(code) },
            429 => Self::RateLimited { retry_after },
            400 if code == "too_many_sessions" => Self::RateLimited { retry_after },
            400 if LINK_CODES.contains(&code) => Self::LinkRefused { code: word(code) },
            400 if reason.as_ref().is_some_and(Reason::is_unknown_link) => Self::NotFound { confirmed: false },
            400..=499 => Self::Refused { status, code: word(code) },
            500..=599 => Self::Unavailable(status),
            _ => Self::Malformed("an unexpected status"),
        }
    }
}

/// Belvo's word, if it looks like one: it goes into logs.
fn word(code: &str) -> String {
    let is_word = (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_word { code.to_owned() } else { "other".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> Error {
        Error::of_answer(status, None, &ErrorBody::whole(body.into()))
    }

    fn array(code: &str) -> String {
        format!(r#"[{{"request_id":"b5d0","message":"CANARY","code":"{code}"}}]"#)
    }

    #[test]
    fn every_documented_answer_has_its_name() {
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
    fn html_from_the_edge_is_no_answer_of_belvos() {
        let html = "\n<html><body>403 Forbidden</body></html>";
        assert_eq!(error(403, html), Error::RefusedByEdge);
        assert_eq!(error(404, html), Error::NotFound { confirmed: false });
        assert_eq!(error(502, html), Error::Unavailable(502));
        assert_eq!(error(302, ""), Error::Malformed("an unexpected status"));
    }

    #[test]
    fn nothing_that_belvo_writes_reaches_an_error_text_but_its_codes() {
        for code in ["login_error", "CANARY", "canary canary", ""] {
            let text = format!("{:?} {0}", error(400, &array(code)));
            assert!(!text.to_uppercase().contains("CANARY"), "{text}");
        }
    }

    #[test]
    fn only_a_reason_that_says_so_once_confirms_that_there_is_nothing() {
        for body in [r#"[["not_found"]]"#, r#"{"code":"not_found"}"#, r#"[{"code":"not_found","code":"not_found"}]"#] {
            assert_eq!(error(404, body), Error::NotFound { confirmed: false }, "{body}");
        }
    }

    #[test]
    fn a_list_of_a_link_that_belvo_does_not_know_is_not_found_and_confirms_nothing() {
        let of_field = |field: &str| format!(r#"[{{"code":"does_not_exist","field":{field},"message":"CANARY"}}]"#);
        for body in [array("does_not_exist"), of_field(r#""link""#), of_field("null"), of_field("7")] {
            assert_eq!(error(400, &body), Error::NotFound { confirmed: false }, "{body}");
        }
        let refused = Error::Refused { status: 400, code: "does_not_exist".to_owned() };
        assert_eq!(error(400, &of_field(r#""account""#)), refused);
    }

    #[test]
    fn an_odd_member_of_a_reason_does_not_hide_its_code() {
        for odd in ["7", "null", "[]", "{}", r#""\ud800""#, "1e999"] {
            let body = format!(r#"[{{"request_id":{odd},"message":{odd},"field":{odd},"code":"login_error"}},{odd}]"#);
            assert_eq!(error(400, &body), Error::LinkRefused { code: "login_error".to_owned() }, "{odd}");
            let body = format!(r#"[{{"code":{odd}}}]"#);
            assert_eq!(error(400, &body), Error::Refused { status: 400, code: "other".to_owned() }, "{odd}");
        }
        let latin = ErrorBody::whole(b"[{\"message\":\"caf\xe9\",\"code\":\"too_many_sessions\"}]".to_vec());
        assert_eq!(Error::of_answer(400, None, &latin), Error::RateLimited { retry_after: None });
    }

    #[test]
    fn a_body_that_is_cut_off_still_says_what_its_beginning_says_but_confirms_nothing() {
        let cut = |bytes: &str| ErrorBody { bytes: bytes.into(), is_whole: false, is_declared_html: false };
        let read = |status, bytes: &str| Error::of_answer(status, None, &cut(bytes));
        assert_eq!(read(403, "<html><head>"), Error::RefusedByEdge);
        let login_error = Error::LinkRefused { code: "login_error".to_owned() };
        assert_eq!(read(400, r#"[{"code":"login_error"},{"mess"#), login_error);
        assert_eq!(read(404, r#"[{"code":"not_found"}]  "#), Error::NotFound { confirmed: false });
        assert_eq!(read(400, r#"[{"code":"login_er"#), Error::Refused { status: 400, code: "other".to_owned() });
    }

    #[test]
    fn the_content_type_decides_only_where_the_first_bytes_do_not() {
        let html = |bytes: &str| {
            let body = ErrorBody { bytes: bytes.into(), is_whole: true, is_declared_html: true };
            Error::of_answer(403, None, &body)
        };
        assert_eq!(html(""), Error::RefusedByEdge);
        assert_eq!(html(&" ".repeat(1_000)), Error::RefusedByEdge);
        let permission = Error::Refused { status: 403, code: "permission_denied".to_owned() };
        assert_eq!(html(&array("permission_denied")), permission);
        assert_eq!(error(403, "\u{feff}<html>"), Error::RefusedByEdge);
    }

    #[test]
    fn only_faults_that_pass_by_themselves_are_retried_at_once() {
        assert_eq!(Error::Unavailable(500).retry(), Retry::Immediately);
        assert_eq!(Error::RateLimited { retry_after: None }.retry(), Retry::Later);
        assert_eq!(Error::LinkRefused { code: "login_error".to_owned() }.retry(), Retry::Never);
    }
}
