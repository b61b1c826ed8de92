//! Widget tokens: what `POST /api/token/` gives out and the widget uses up.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::ids::{fresh_hex, fresh_uuid};

/// As long as Belvo's are valid.
const VALID_FOR: Duration = Duration::from_mins(10);
/// With more than this at once, the server forgets them all.
const MAX_TOKENS: usize = 10_000;

/// What the link of a token will be like.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// This link again, not a new one.
    pub(crate) link_id: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) recurrent: bool,
    pub(crate) fetch_resources: Vec<String>,
}

/// The tokens that were not used yet.
#[derive(Default)]
pub(crate) struct Tokens {
    grants: HashMap<String, (Grant, Instant)>,
}

impl Tokens {
    /// A new access token.
    pub(crate) fn issue(&mut self, grant: Grant) -> String {
        self.grants.retain(|_, (_, issued)| issued.elapsed() < VALID_FOR);
        if self.grants.len() >= MAX_TOKENS {
            self.grants.clear();
        }
        let access = token("access");
        self.grants.insert(access.clone(), (grant, Instant::now()));
        access
    }

    /// A token works once.
    pub(crate) fn redeem(&mut self, access: &str) -> Option<Grant> {
        self.grants.remove(access).filter(|(_, issued)| issued.elapsed() < VALID_FOR).map(|(grant, _)| grant)
    }
}

/// Looks like a JSON web token and is random.
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
