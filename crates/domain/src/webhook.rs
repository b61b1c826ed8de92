//! Parsing of Belvo's webhooks.
//!
//! The parser requires a type, a code and a valid link id if there is one. It keeps unknown members, types and codes. An
//! optional member of an unexpected JSON type counts as absent, but is kept.

use serde::Serialize;
use serde::ser::SerializeMap;
use serde_json::value::RawValue;

use crate::json::is_null;
use crate::{Fields, LinkId, RequestId, Resource};

/// The maximum length of a webhook type, code or external id, in bytes. Belvo's longest code has 58.
const MAX_WORD_BYTES: usize = 256;

/// The members with the webhook's type: the usual one, and that of Belvo's direct debit.
const TYPE: [&str; 2] = ["webhook_type", "eventType"];
/// The members with the webhook's code: the usual one, and that of Belvo's direct debit.
const CODE: [&str; 2] = ["webhook_code", "eventCode"];
/// The members that [`Webhook`] reads, except `data`. A cut webhook keeps all of them.
const ENVELOPE: [&str; 9] =
    [TYPE[0], TYPE[1], CODE[0], CODE[1], LINK_ID, REQUEST_ID, EXTERNAL_ID, WEBHOOK_ID, PROCESS_TYPE];
const LINK_ID: &str = "link_id";
const REQUEST_ID: &str = "request_id";
const EXTERNAL_ID: &str = "external_id";
const WEBHOOK_ID: &str = "webhook_id";
const PROCESS_TYPE: &str = "process_type";

/// The types that may be logged in addition to those of the catalogue, see [`Webhook::loggable_kind`].
const OTHER_TYPES: [&str; 2] = ["LINK", "CONSENT"];
/// The codes that may be logged. Source: Belvo's documentation.
const CODES: [&str; 27] = [
    "historical_update",
    "new_accounts_available",
    "new_transactions_available",
    "new_transactions_updated",
    "new_owners_available",
    "new_bills_available",
    "new_investments_available",
    "new_investment_transactions_available",
    "new_employments_available",
    "new_tax_returns_available",
    "new_invoices_available",
    "transactions_updated",
    "transactions_deleted",
    "employment_changes",
    "initial_inflow_update",
    "initial_outflow_update",
    "historical_inflow_update",
    "historical_outflow_update",
    "invalid_credentials",
    "token_required",
    "link_deleted",
    "openfinance_consent_about_to_expire",
    "openfinance_consent_expired",
    "openfinance_consent_expiration_changed",
    "openfinance_consent_with_unrecoverable_resources",
    "openfinance_consent_with_temporarily_unavailable_resources",
    "consent_expired",
];

/// A webhook with a valid envelope. Its `Debug` form shows no content but the link id.
#[derive(Clone)]
pub struct Webhook {
    webhook_type: String,
    webhook_code: String,
    link_id: Option<LinkId>,
    request_id: Option<String>,
    external_id: Option<String>,
    /// Every member as Belvo sent it, including those above.
    members: Vec<(String, Box<RawValue>)>,
}

/// The error that [`Webhook::parse`] returns for an invalid body.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidWebhook {
    /// Belvo's request id, if the body has a valid one.
    pub request_id: Option<String>,
    /// The errors; at least one.
    pub errors: Vec<FieldError>,
}

/// An error in a body. It does not repeat input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// A word for programs, as in Belvo's errors: `parse_error`, `required`, `invalid`.
    pub code: &'static str,
    /// A sentence for people.
    pub message: &'static str,
    /// The invalid member. `None` if the body as a whole is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
}

impl FieldError {
    fn about(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }
}

impl Webhook {
    /// Parses a body. Also accepts `eventType` and `eventCode`, the names of type and code in Belvo's direct debit.
    ///
    /// # Errors
    /// [`InvalidWebhook`] if the body is not a JSON object, if `webhook_type` or `webhook_code` is missing, empty or longer
    /// than 256 bytes, or if `link_id` is not absent, null or a valid id.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidWebhook> {
        let (fields, read) = Fields::read(body);
        let request_id = usable_request_id(&fields);
        if read.is_err() {
            return Err(InvalidWebhook { request_id, errors: vec![not_an_object()] });
        }

        let named = |[name, of_direct_debit]: [&'static str; 2]| {
            let sent = if fields.get(name).is_none() { of_direct_debit } else { name };
            word(&fields, sent).map_err(|error| error.about(name))
        };

        let (webhook_type, webhook_code) = (named(TYPE), named(CODE));
        let link_id = link_id(&fields);
        match (webhook_type, webhook_code, link_id) {
            (Ok(webhook_type), Ok(webhook_code), Ok(link_id)) => Ok(Self {
                webhook_type,
                webhook_code,
                link_id,
                request_id,
                external_id: word(&fields, EXTERNAL_ID).ok(),
                members: fields.iter().map(|(name, raw)| (name.to_owned(), raw.to_owned())).collect(),
            }),
            (webhook_type, webhook_code, link_id) => {
                let errors = [webhook_type.err(), webhook_code.err(), link_id.err()].into_iter().flatten().collect();
                Err(InvalidWebhook { request_id, errors })
            }
        }
    }

    /// Returns the type, in Belvo's spelling: `TRANSACTIONS`, `LINK` ...
    #[must_use]
    pub fn webhook_type(&self) -> &str {
        &self.webhook_type
    }

    /// Returns the code: `historical_update`, `transactions_deleted` ...
    #[must_use]
    pub fn webhook_code(&self) -> &str {
        &self.webhook_code
    }

    /// Returns type and code for logs and metrics.
    ///
    /// Words that Belvo does not document become `other`, because a sender can choose any text.
    #[must_use]
    pub fn loggable_kind(&self) -> (&'static str, &'static str) {
        let types = Resource::all().map(|row| row.webhook_type).chain(OTHER_TYPES);
        (known_word(&self.webhook_type, types), known_word(&self.webhook_code, CODES.into_iter()))
    }

    /// Returns the id of the link. Webhooks of payments have none.
    #[must_use]
    pub fn link_id(&self) -> Option<&LinkId> {
        self.link_id.as_ref()
    }

    /// Returns Belvo's request id, in its original spelling.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns the customer's id of the link. Do not log it: it may be personal data.
    #[must_use]
    pub fn external_id(&self) -> Option<&str> {
        self.external_id.as_deref()
    }

    /// Returns the id of the webhook, if it is a string of at most 256 bytes.
    #[must_use]
    pub fn webhook_id(&self) -> Option<String> {
        self.short_text(WEBHOOK_ID)
    }

    /// Returns `process_type` (`historical_update` or `recurrent_update`), if it is a string of at most 256 bytes.
    #[must_use]
    pub fn process_type(&self) -> Option<String> {
        self.short_text(PROCESS_TYPE)
    }

    /// Returns the members of `data`. They are empty if it is absent or not an object.
    #[must_use]
    pub fn data(&self) -> Fields<'_> {
        match self.member("data").map(|raw| Fields::read(raw.get().as_bytes())) {
            Some((fields, Ok(()))) => fields,
            _ => Fields::default(),
        }
    }

    /// Returns `data` as Belvo sent it.
    #[must_use]
    pub fn raw_data(&self) -> Option<&RawValue> {
        self.member("data")
    }

    /// Returns the webhook with another `data`, or without `data`.
    #[must_use]
    pub(crate) fn with_data(&self, data: Option<Box<RawValue>>) -> Self {
        let mut members: Vec<_> = self.members.iter().filter(|(name, _)| name != "data").cloned().collect();
        members.extend(data.map(|raw| ("data".to_owned(), raw)));
        Self { members, ..self.clone() }
    }

    /// Returns the webhook with only the members of the envelope that have at most `max_bytes`.
    ///
    /// Every member that the parser accepted is shorter than 2 KiB. With that bound, the result parses to the same values.
    #[must_use]
    pub(crate) fn envelope_only(&self, max_bytes: usize) -> Self {
        let kept =
            |(name, raw): &&(String, Box<RawValue>)| ENVELOPE.contains(&name.as_str()) && raw.get().len() <= max_bytes;
        Self { members: self.members.iter().filter(kept).cloned().collect(), ..self.clone() }
    }

    fn member(&self, name: &str) -> Option<&RawValue> {
        self.members.iter().rev().find(|(key, _)| key == name).map(|(_, raw)| raw.as_ref())
    }

    fn short_text(&self, name: &str) -> Option<String> {
        self.member(name).and_then(crate::json::text).filter(|text| text.len() <= MAX_WORD_BYTES).map(Into::into)
    }
}

impl Serialize for Webhook {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len()))?;
        self.members.iter().try_for_each(|(name, raw)| map.serialize_entry(name, raw))?;
        map.end()
    }
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("link_id", &self.link_id).finish_non_exhaustive()
    }
}

fn known_word(word: &str, mut known: impl Iterator<Item = &'static str>) -> &'static str {
    known.find(|known| *known == word).unwrap_or("other")
}

fn not_an_object() -> FieldError {
    FieldError { code: "parse_error", message: "The body is not a JSON object.", field: None }
}

fn word(fields: &Fields<'_>, name: &'static str) -> Result<String, FieldError> {
    let field = Some(name);
    let Some(raw) = fields.get(name).filter(|raw| !is_null(raw)) else {
        return Err(FieldError { code: "required", message: "This field is required.", field });
    };
    crate::json::text(raw).filter(|text| (1..=MAX_WORD_BYTES).contains(&text.len())).map(Into::into).ok_or(FieldError {
        code: "invalid",
        message: "This field must be text of 1 to 256 bytes.",
        field,
    })
}

fn link_id(fields: &Fields<'_>) -> Result<Option<LinkId>, FieldError> {
    let Some(raw) = fields.get(LINK_ID).filter(|raw| !is_null(raw)) else {
        return Ok(None);
    };
    let id = crate::json::text(raw).and_then(|text| LinkId::parse(&text).ok());
    id.map(Some).ok_or(FieldError {
        code: "invalid",
        message: "This field must be 1 to 128 characters of A-Z, a-z, 0-9, _ and -.",
        field: Some(LINK_ID),
    })
}

/// Returns Belvo's request id, if it is a valid id. The webhook function's response repeats it, so it must be harmless.
fn usable_request_id(fields: &Fields<'_>) -> Option<String> {
    let text = fields.text(REQUEST_ID)?;
    RequestId::parse(&text).is_ok().then(|| text.into_owned())
}

#[cfg(test)]
mod tests;
