//! The content of the webhook secret, and the `Authorization` headers that it allows.
//!
//! The webhook function compares requests with these headers; the command line prints them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::SecretString;
use serde::Deserialize;

use crate::SecretText;
use crate::secret::SecretError;

/// The content of the webhook secret: `{"token": ...}`, `{"username": ..., "password": ...}`, or both.
#[derive(Debug, Clone, Deserialize)]
pub struct WebhookCredentials {
    /// Allows `Authorization: Bearer <token>`.
    pub token: Option<SecretText>,
    /// With the password, allows `Authorization: Basic <base64>`.
    pub username: Option<SecretText>,
    /// See `username`.
    pub password: Option<SecretText>,
}

/// A scheme of HTTP authentication that Belvo can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// A token.
    Bearer,
    /// A user name and a password.
    Basic,
}

/// The value of an `Authorization` header.
#[derive(Debug, Clone)]
pub struct Authorization {
    /// The scheme.
    pub scheme: Scheme,
    /// The text after the scheme and a blank.
    pub credentials: SecretText,
}

impl WebhookCredentials {
    /// Parses the text of the secret.
    ///
    /// # Errors
    /// [`SecretError::Malformed`] if it is not JSON of this form.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        serde_json::from_str(text).map_err(|_| SecretError::Malformed)
    }

    /// Returns the headers that the secret allows, at least one.
    ///
    /// # Errors
    /// [`SecretError::Malformed`] if there is none. An empty token or password allows no header, nor does a token with control
    /// characters.
    pub fn authorizations(&self) -> Result<Vec<Authorization>, SecretError> {
        let is_usable = |text: &&SecretText| !text.expose().is_empty() && !text.expose().contains(char::is_control);
        let token = self.token.as_ref().filter(is_usable).cloned();
        let bearer = token.map(|credentials| Authorization { scheme: Scheme::Bearer, credentials });
        let password = self.password.as_ref().filter(|password| !password.expose().is_empty());
        let basic = self.username.as_ref().zip(password).map(|(username, password)| {
            let pair = SecretString::from(format!("{}:{}", username.expose(), password.expose()));
            let credentials = BASE64_STANDARD.encode(secrecy::ExposeSecret::expose_secret(&pair)).into();
            Authorization { scheme: Scheme::Basic, credentials }
        });
        let allowed: Vec<_> = bearer.into_iter().chain(basic).collect();
        if allowed.is_empty() { Err(SecretError::Malformed) } else { Ok(allowed) }
    }
}

impl Scheme {
    /// Returns the usual spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Basic => "Basic",
        }
    }

    /// Returns the scheme of this name, which is case-insensitive (RFC 9110, section 11.1).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Bearer, Self::Basic].into_iter().find(|scheme| scheme.as_str().eq_ignore_ascii_case(name))
    }
}

impl Authorization {
    /// Returns the value of the header: scheme and credentials.
    #[must_use]
    pub fn value(&self) -> SecretString {
        format!("{} {}", self.scheme.as_str(), self.credentials.expose()).into()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn values(secret: &str) -> Result<Vec<String>, SecretError> {
        let allowed = WebhookCredentials::parse(secret)?.authorizations()?;
        Ok(allowed.iter().map(|allowed| allowed.value().expose_secret().to_owned()).collect())
    }

    #[test]
    fn a_token_means_bearer_and_a_user_with_a_password_means_basic() {
        assert_eq!(values(r#"{"token":"t0k3n"}"#).unwrap(), ["Bearer t0k3n"]);
        assert_eq!(values(r#"{"username":"belvo","password":"p:w"}"#).unwrap(), ["Basic YmVsdm86cDp3"]);
        let both = r#"{"token":"t","username":"belvo","password":"p:w"}"#;
        assert_eq!(values(both).unwrap(), ["Bearer t", "Basic YmVsdm86cDp3"]);
    }

    #[test]
    fn white_space_that_was_pasted_along_is_no_part_of_the_header() {
        assert_eq!(values(r#"{"token":"abc\n"}"#).unwrap(), ["Bearer abc"]);
        assert_eq!(values(r#"{"username":" belvo\t","password":"p:w\r\n"}"#).unwrap(), ["Basic YmVsdm86cDp3"]);
    }

    #[test]
    fn what_no_header_can_hold_allows_nothing() {
        for secret in [
            "{}",
            "token",
            r#"{"token":""}"#,
            r#"{"token":" \n"}"#,
            r#"{"token":"a\nb"}"#,
            r#"{"username":"belvo","password":" "}"#,
            r#"{"password":"p"}"#,
        ] {
            assert!(values(secret).is_err(), "{secret}");
        }
    }

    #[test]
    fn credentials_do_not_print() {
        let credentials = WebhookCredentials::parse(r#"{"token":"CANARY"}"#).unwrap();
        assert!(!format!("{credentials:?} {:?}", credentials.authorizations()).contains("CANARY"));
    }
}
