//! Widget tokens: issued by `POST /api/token/`, redeemed by the widget.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::ids::{fresh_hex, fresh_uuid};

/// The validity of a token, as Belvo's.
const VALID_FOR: Duration = Duration::from_mins(10);
/// The maximum number of tokens. When it is reached, all are dropped.
const MAX_TOKENS: usize = 10_000;

/// The link that a token creates or updates.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// The existing link to update; a new one if absent.
    pub(crate) link_id: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) recurrent: bool,
    pub(crate) fetch_resources: Vec<String>,
}

/// The unused tokens.
#[derive(Default)]
pub(crate) struct Tokens {
    grants: HashMap<String, (Grant, Instant)>,
}

impl Tokens {
    /// Issues an access token.
    pub(crate) fn issue(&mut self, grant: Grant) -> String {
        self.grants.retain(|_, (_, issued)| issued.elapsed() < VALID_FOR);
        if self.grants.len() >= MAX_TOKENS {
            self.grants.clear();
        }
        let access = token("access");
        self.grants.insert(access.clone(), (grant, Instant::now()));
        access
    }

    /// Redeems a token, which works once.
    pub(crate) fn redeem(&mut self, access: &str) -> Option<Grant> {
        self.grants.remove(access).filter(|(_, issued)| issued.elapsed() < VALID_FOR).map(|(grant, _)| grant)
    }
}

/// Returns a random token in the form of a JSON web token.
pub(crate) fn token(kind: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS512","typ":"JWT"}"#);
    let payload = URL_SAFE_NO_PAD.encode(format!(r#"{{"token_type":"{kind}","jti":"{}"}}"#, fresh_hex()));
    format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(fresh_uuid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_works_once() {
        let mut tokens = Tokens::default();
        let access =
            tokens.issue(Grant { link_id: None, external_id: None, recurrent: true, fetch_resources: Vec::new() });
        assert!(tokens.redeem(&access).is_some());
        assert!(tokens.redeem(&access).is_none());
    }
}
