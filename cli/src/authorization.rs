//! The header that Belvo's dashboard has to send.

use clap::Args;
use runtime::WebhookCredentials;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::error::{Error, failed};
use crate::output::Output;
use crate::stack::Stack;

/// What to print of the header.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Print {
    /// Prints the value alone. It is what Belvo's dashboard takes: it adds the header's name itself.
    #[arg(long)]
    value: bool,
}

/// A header that the webhook function accepts.
#[derive(Debug)]
pub(crate) struct Header(SecretString);

impl Header {
    /// The header that the credentials mean: the token's, when there are both.
    pub(crate) fn of(credentials: &WebhookCredentials) -> Result<Self, Error> {
        let allowed = credentials.authorizations().map_err(|_| Error::SecretMalformed)?;
        let first = allowed.first().ok_or(Error::SecretMalformed)?;
        Ok(Self(first.value()))
    }

    /// The value, which Belvo's dashboard takes.
    pub(crate) fn value(&self) -> &str {
        self.0.expose_secret()
    }

    /// Name and value, as `curl -H` takes them.
    pub(crate) fn line(&self) -> String {
        format!("Authorization: {}", self.value())
    }

    /// The same for programs. `authorization` is the value, too; it was there first.
    pub(crate) fn object(&self) -> Value {
        json!({ "authorization": self.value(), "header": "Authorization", "value": self.value() })
    }
}

/// The webhook secret's version in force.
pub(crate) async fn current(stack: &Stack) -> Result<WebhookCredentials, Error> {
    let read = stack.secrets.get_secret_value().secret_id(stack.output("WebhookSecretArn")?);
    let output = read.send().await.map_err(failed("Secrets Manager"))?;
    WebhookCredentials::parse(output.secret_string().unwrap_or_default()).map_err(|_| Error::SecretMalformed)
}

/// Prints the header as it is in force.
pub(crate) async fn print(stack: &Stack, output: &Output, print: Print) -> Result<(), Error> {
    let header = Header::of(&current(stack).await?)?;
    let url = stack.output("WebhookUrl")?;
    let (hint, words) = shown(&header, url, print);
    let mut object = header.object();
    object["url"] = url.into();
    output.hint(&hint);
    output.result(&words, &object);
    Ok(())
}

/// What to do with it, and what to print.
fn shown(header: &Header, url: &str, print: Print) -> (String, String) {
    let hint = format!("In Belvo's dashboard, for the webhook {url}, paste the value of the header Authorization:");
    if print.value {
        (hint, header.value().to_owned())
    } else {
        let value = "what follows \"Authorization: \", without the name. authorization-header --value prints it alone.";
        (format!("{hint}\n{value}"), header.line())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(secret: &str) -> Option<String> {
        Header::of(&WebhookCredentials::parse(secret).unwrap()).ok().map(|header| header.value().to_owned())
    }

    #[test]
    fn the_header_is_the_one_that_the_webhook_function_compares_with() {
        assert_eq!(header(r#"{"token":"t0k3n"}"#).as_deref(), Some("Bearer t0k3n"));
        assert_eq!(header(r#"{"username":"belvo","password":"p:w"}"#).as_deref(), Some("Basic YmVsdm86cDp3"));
        assert_eq!(header(r#"{"token":"t","username":"belvo","password":"p:w"}"#).as_deref(), Some("Bearer t"));
        assert_eq!(header(r#"{"token":""}"#), None);
        assert_eq!(header("{}"), None);
    }

    #[test]
    fn the_value_to_paste_is_named_and_is_printed_alone_on_demand() {
        let header = Header("Bearer t0k3n".to_owned().into());
        let (hint, words) = shown(&header, "https://hook", Print { value: true });
        assert_eq!(words, "Bearer t0k3n");
        assert!(hint.contains("https://hook") && hint.contains("value"), "{hint}");
        let (hint, words) = shown(&header, "https://hook", Print { value: false });
        assert_eq!(words, "Authorization: Bearer t0k3n");
        assert!(hint.contains("value") && hint.contains("--value"), "{hint}");
        let named = json!({ "authorization": "Bearer t0k3n", "header": "Authorization", "value": "Bearer t0k3n" });
        assert_eq!(header.object(), named);
    }
}
