//! The command `authorization-header`: the header that Belvo has to send with webhooks.

use runtime::WebhookCredentials;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::error::Error;
use crate::output::Output;
use crate::stack::Stack;

/// The arguments of `authorization-header`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Arguments {
    /// Prints the value alone. Belvo's dashboard takes the value and adds the name of the header.
    #[arg(long)]
    value: bool,
}

/// An Authorization header that the webhook function accepts.
#[derive(Debug)]
pub(crate) struct Header(SecretString);

impl Header {
    /// Returns the header of the credentials: of the token if they have a token and a password.
    pub(crate) fn of(credentials: &WebhookCredentials) -> Result<Self, Error> {
        let accepted = credentials.authorizations().map_err(|_| Error::SecretMalformed)?;
        let first = accepted.first().ok_or(Error::SecretMalformed)?;
        Ok(Self(first.value()))
    }

    /// Returns the value, for Belvo's dashboard.
    pub(crate) fn value(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns name and value, for `curl -H`.
    pub(crate) fn line(&self) -> String {
        format!("Authorization: {}", self.value())
    }

    /// Returns the header as JSON. `authorization` and `value` are the same: `value` was added later.
    pub(crate) fn object(&self) -> Value {
        json!({ "authorization": self.value(), "header": "Authorization", "value": self.value() })
    }
}

/// Reads the current version of the webhook secret.
pub(crate) async fn current(stack: &Stack) -> Result<WebhookCredentials, Error> {
    let secret = stack.secret("WebhookSecretArn").await?;
    WebhookCredentials::parse(&secret).map_err(|_| Error::SecretMalformed)
}

/// Prints the current header.
pub(crate) async fn run(stack: &Stack, output: Output, arguments: Arguments) -> Result<(), Error> {
    let header = Header::of(&current(stack).await?)?;
    let url = stack.output("WebhookUrl")?;
    let (hint, text) = texts(&header, url, arguments);

    let mut object = header.object();
    object["url"] = url.into();
    output.hint(&hint);
    output.result(&text, &object);
    Ok(())
}

/// Returns the hint for the operator and the text to print.
fn texts(header: &Header, url: &str, arguments: Arguments) -> (String, String) {
    let hint = format!("In Belvo's dashboard, for the webhook {url}, paste the value of the header Authorization:");
    if arguments.value {
        return (hint, header.value().to_owned());
    }
    let which = "the part after \"Authorization: \". authorization-header --value prints the value alone.";
    (format!("{hint}\n{which}"), header.line())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(secret: &str) -> Option<String> {
        Header::of(&WebhookCredentials::parse(secret).unwrap()).ok().map(|header| header.value().to_owned())
    }

    #[test]
    fn the_header_is_the_one_that_the_webhook_function_accepts() {
        assert_eq!(header(r#"{"token":"t0k3n"}"#).as_deref(), Some("Bearer t0k3n"));
        assert_eq!(header(r#"{"username":"belvo","password":"p:w"}"#).as_deref(), Some("Basic YmVsdm86cDp3"));
        assert_eq!(header(r#"{"token":"t","username":"belvo","password":"p:w"}"#).as_deref(), Some("Bearer t"));
        assert_eq!(header(r#"{"token":""}"#), None);
        assert_eq!(header("{}"), None);
    }

    #[test]
    fn the_hint_names_the_value_and_value_prints_it_alone() {
        let header = Header("Bearer t0k3n".to_owned().into());
        let (hint, text) = texts(&header, "https://hook", Arguments { value: true });
        assert_eq!(text, "Bearer t0k3n");
        assert!(hint.contains("https://hook") && hint.contains("value"), "{hint}");
        let (hint, text) = texts(&header, "https://hook", Arguments { value: false });
        assert_eq!(text, "Authorization: Bearer t0k3n");
        assert!(hint.contains("value") && hint.contains("--value"), "{hint}");
        let named = json!({ "authorization": "Bearer t0k3n", "header": "Authorization", "value": "Bearer t0k3n" });
        assert_eq!(header.object(), named);
    }
}
