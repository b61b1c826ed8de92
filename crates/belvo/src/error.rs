//! The errors of requests to Belvo. Each variant tells the caller how to proceed.

use std::time::Duration;

/// An error of a read request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No response, or an incomplete one. Transient.
    #[error("Belvo cannot be reached: {0}")]
    Unreachable(String),
    /// 5xx. Transient.
    #[error("Belvo answered {0}")]
    Unavailable(u16),
    /// 429, or `too_many_sessions`. Transient; further requests prolong it.
    #[error("rate limited by Belvo")]
    RateLimited {
        /// The wait that Belvo asks for, if any.
        retry_after: Option<Duration>,
    },
    /// 403 from Belvo's edge, in HTML. Either one address sent more than 80 requests in 30 seconds, which is transient. Or
    /// the firewall does not know the query, which is permanent.
    #[error("Belvo's edge rejected the request")]
    RefusedByEdge,
    /// 408, or no complete response within the timeout. A smaller page may succeed.
    #[error("Belvo timed out")]
    TimedOut,
    /// The response exceeds the size limit. A smaller page may succeed.
    #[error("Belvo's response is larger than {0} bytes")]
    TooLarge(usize),
    /// 401. Permanent until the credentials are reloaded or replaced.
    #[error("Belvo rejected the credentials")]
    Unauthorized,
    /// 404, or 400 for a link that Belvo does not know. Unless confirmed, a proxy may have sent it.
    #[error("not found at Belvo")]
    NotFound {
        /// Whether Belvo sent a 404 with the code `not_found`. A 400 confirms nothing: it concerns the value of a filter,
        /// and no data is deleted because of it.
        confirmed: bool,
    },
    /// The link is unusable until its user acts: 428, or one of Belvo's codes for it. Permanent until then.
    #[error("Belvo cannot use the link: {code}")]
    LinkRefused {
        /// Belvo's code.
        code: String,
    },
    /// Any other 4xx. An operator has to investigate.
    #[error("Belvo answered {status}: {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Belvo's code, or `other` without one.
        code: String,
    },
    /// The response differs from Belvo's documentation. An operator has to investigate.
    #[error("malformed response from Belvo: {0}")]
    Malformed(&'static str),
}

/// When to retry a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Within a second, a few times.
    Immediately,
    /// After the visibility timeout of the message.
    Later,
    /// Not before a webhook announces a change.
    Never,
}

impl Error {
    /// Returns when to retry the request. A rate limit is never retried immediately.
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

    /// Returns `true` if another page of the list may succeed. Rejected credentials and rate limits concern every request.
    #[must_use]
    pub fn concerns_one_page(&self) -> bool {
        !matches!(self, Self::Unauthorized | Self::RateLimited { .. } | Self::RefusedByEdge)
    }

    /// Returns the name of the error for logs, metrics and the table.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_transient_errors_are_retried_immediately() {
        assert_eq!(Error::Unavailable(500).retry(), Retry::Immediately);
        assert_eq!(Error::RateLimited { retry_after: None }.retry(), Retry::Later);
        assert_eq!(Error::LinkRefused { code: "login_error".to_owned() }.retry(), Retry::Never);
    }
}
