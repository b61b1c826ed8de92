//! The HTTP request, read from an event of API Gateway's HTTP API (payload format 2.0).
//!
//! **Guarantee.** Any URL, header or body of a sender becomes a [`Request`]. Only an event that is not of an HTTP API is an error,
//! and no sender can cause that.
//!
//! **Mechanism.** Six members of the event are read independently. A malformed member counts as absent. The conversion of
//! `lambda_http` is not used: it panics at an invalid URL or invalid base64, and rejects the whole event for one malformed
//! header. API Gateway would respond with 502, and the alarm for failed invocations would fire.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The parts of an HTTP request that the function uses.
pub struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The source address that API Gateway saw. Not from a header, which the sender controls.
    pub(crate) source_ip: Option<String>,
    /// The `Authorization` header.
    pub(crate) authorization: Option<String>,
    /// The bytes of the body. Empty if the body is malformed: then it is no webhook either.
    pub(crate) body: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    request_context: RequestContext<'a>,
    raw_path: Option<&'a RawValue>,
    headers: Option<&'a RawValue>,
    body: Option<&'a RawValue>,
    is_base64_encoded: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RequestContext<'a> {
    #[serde(borrow)]
    http: Http<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    #[serde(borrow)]
    method: &'a RawValue,
    source_ip: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = Event::deserialize(deserializer)?;
        let http = event.request_context.http;
        Ok(Self {
            method: text(http.method).unwrap_or_default(),
            path: event.raw_path.and_then(text).unwrap_or_default(),
            source_ip: http.source_ip.and_then(text),
            authorization: event.headers.and_then(authorization),
            body: event.body.and_then(text).and_then(|body| bytes(body, event.is_base64_encoded)).unwrap_or_default(),
        })
    }
}

/// Shows nothing of what was sent.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// Returns the content of a JSON string, or `None` for another value or for text that is not Unicode.
fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn authorization(headers: &RawValue) -> Option<String> {
    serde_json::from_str::<Authorization<'_>>(headers.get()).ok()?.0.and_then(text)
}

/// The value of the header. The names and values of other headers need not be Unicode.
struct Authorization<'a>(Option<&'a RawValue>);

impl<'de> Deserialize<'de> for Authorization<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Headers;

        impl<'de> Visitor<'de> for Headers {
            type Value = Authorization<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut headers: A) -> Result<Self::Value, A::Error> {
                let mut found = Authorization(None);
                while let Some((name, value)) = headers.next_entry::<&RawValue, &RawValue>()? {
                    if text(name).is_some_and(|name| name.eq_ignore_ascii_case("authorization")) {
                        found = Authorization(Some(value));
                    }
                }
                Ok(found)
            }
        }

        deserializer.deserialize_map(Headers)
    }
}

fn bytes(body: String, is_base64_encoded: Option<&RawValue>) -> Option<Vec<u8>> {
    if is_base64_encoded.is_some_and(|raw| raw.get() == "true") {
        BASE64_STANDARD.decode(body).ok()
    } else {
        Some(body.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(event: &serde_json::Value) -> Request {
        serde_json::from_str(&event.to_string()).unwrap()
    }

    #[test]
    fn what_is_lacking_counts_as_absent() {
        let request = read(&json!({ "requestContext": { "http": { "method": "POST" } } }));
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", ""));
        assert_eq!((request.source_ip, request.authorization, request.body), (None, None, Vec::new()));
    }

    #[test]
    fn the_name_of_a_header_has_no_case() {
        let event =
            |name: &str| json!({ "requestContext": { "http": { "method": "POST" } }, "headers": { name: "x" } });
        for name in ["authorization", "Authorization", "AUTHORIZATION"] {
            assert_eq!(read(&event(name)).authorization.as_deref(), Some("x"), "{name}");
        }
        assert_eq!(read(&event("x-authorization")).authorization, None);
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_a_request_and_the_header_and_the_body_are_in_it(
            text: String, query: String, host: String, name: String, body: String, bytes: Vec<u8>, is_base64: bool
        ) {
            prop_assume!(!name.eq_ignore_ascii_case("authorization"));
            let sent = if is_base64 { BASE64_STANDARD.encode(&bytes) } else { body.clone() };
            let request = read(&json!({
                "rawPath": text, "rawQueryString": query, "cookies": [text], "queryStringParameters": { query.as_str(): text },
                "headers": { name.clone(): text, "host": host, "x-forwarded-proto": text, "authorization": text },
                "requestContext": { "domainName": host, "stage": host, "http": { "method": text, "sourceIp": host } },
                "body": sent, "isBase64Encoded": is_base64
            }));
            prop_assert_eq!(request.authorization, Some(text));
            prop_assert_eq!(request.body, if is_base64 { bytes } else { body.into_bytes() });
        }
    }
}
