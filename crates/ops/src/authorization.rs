//! The header that Belvo's dashboard has to send.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::json;

use crate::output::Output;
use crate::stack::Stack;
use crate::trouble::{Trouble, failed};

/// The webhook secret: a token, or a user name and a password.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    pub(crate) token: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
}

impl Credentials {
    /// The whole value of the header.
    pub(crate) fn header(&self) -> Result<String, Trouble> {
        match self {
            Self { token: Some(token), .. } if !token.is_empty() => Ok(format!("Bearer {token}")),
            Self { username: Some(user), password: Some(password), .. } if !password.is_empty() => {
                Ok(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
            }
            _ => Err(Trouble::SecretMalformed),
        }
    }

    /// The webhook secret's version in force.
    pub(crate) async fn current(stack: &Stack) -> Result<Self, Trouble> {
        let read = stack.secrets.get_secret_value().secret_id(stack.output("WebhookSecretArn")?);
        let output = read.send().await.map_err(failed("Secrets Manager"))?;
        serde_json::from_str(output.secret_string().unwrap_or_default()).map_err(|_| Trouble::SecretMalformed)
    }
}

/// Prints the header as it is in force.
pub(crate) async fn print(stack: &Stack, output: &Output) -> Result<(), Trouble> {
    let header = Credentials::current(stack).await?.header()?;
    let url = stack.output("WebhookUrl")?;
    output.hint(&format!("In Belvo's dashboard, for the webhook {url}:"));
    output.result(&format!("Authorization: {header}"), &json!({ "authorization": header, "url": url }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(secret: &str) -> Option<String> {
        serde_json::from_str::<Credentials>(secret).unwrap().header().ok()
    }

    #[test]
    fn the_header_is_the_one_that_the_webhook_function_compares_with() {
        assert_eq!(header(r#"{"token":"t0k3n"}"#).as_deref(), Some("Bearer t0k3n"));
        assert_eq!(header(r#"{"username":"belvo","password":"p:w"}"#).as_deref(), Some("Basic YmVsdm86cDp3"));
        assert_eq!(header(r#"{"token":""}"#), None);
        assert_eq!(header("{}"), None);
    }
}
