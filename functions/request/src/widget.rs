//! The options of a widget token. Belvo has four widgets, and each requires another body:
//!
//! | widget | recognized by | source |
//! |---|---|---|
//! | hosted, Brazil's open finance | `widget.openfinance_feature` | OpenAPI description of 2026-04-23, `POST /api/token/` |
//! | hosted, the others | `widget` | the same |
//! | update mode | `link_id` | page on the Connect widget's update mode |
//! | without a `widget` object | neither | page on asynchronous workflows, also for `external_id` |
//!
//! The function adds required options that the caller left out.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::input::{Id, InvalidInput, Names, body, field_types, text_like, wrong};

/// The scopes of a new link. Belvo accepts each of these lists only exactly as it is.
const SCOPES: &str = "read_institutions,write_links";
/// The scopes of a new link in Brazil's open finance.
const OPEN_FINANCE_SCOPES: &str =
    "read_institutions,write_links,read_consents,write_consents,write_consent_callback,delete_consents";
/// The scopes of the update mode.
const UPDATE_SCOPES: &str = "read_institutions,write_links,read_links";
/// Belvo's default for how long it keeps data. The hosted widgets require the option.
const USUAL_STALE_IN: &str = "365d";
/// Maximum size in bytes of the `widget` object as JSON. Belvo documents no limit.
const MAX_WIDGET_BYTES: usize = 64 * 1024;
/// Maximum size in bytes of a text option. Belvo documents no limit.
const MAX_TEXT_BYTES: usize = 256;

/// The fields of the action, which have Belvo's names. `tests/template/contract.json` lists those that are written out.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WidgetToken {
    link_id: Option<Id>,
    fetch_resources: Option<Names>,
    #[serde(rename = "widget")]
    widget: Option<Widget>,
    #[serde(rename = "scopes")]
    scopes: Option<Scopes>,
    #[serde(rename = "stale_in")]
    stale_in: Option<StaleIn>,
    #[serde(rename = "external_id")]
    external_id: Option<ExternalId>,
    #[serde(rename = "credentials_storage")]
    credentials_storage: Option<Storage>,
}

field_types! {
    #[derive(Serialize)] Scopes(String), |value| text_like(value, "must be words with commas between them", is_scopes);
    #[derive(Serialize)] StaleIn(String), |value| text_like(value, "must be 1 to 3 digits and d, such as 90d", is_days);
    #[derive(Serialize)] ExternalId(String), |value| text_like(value, "must have 1 to 256 bytes", is_short);
    #[derive(Serialize)] Storage(String), |value| text_like(value, "must be store, nostore, or 1 to 3 digits and d", |text| {
        matches!(text, "store" | "nostore") || is_days(text)
    });
    #[derive(Serialize)] Widget(Value), |value| match value {
        value if !value.is_object() => Err("must be an object"),
        value if value.to_string().len() > MAX_WIDGET_BYTES => Err("must have at most 64 KiB"),
        value => Ok(value),
    };
}

impl WidgetToken {
    /// Returns the options of the token.
    pub(crate) fn options(mut self) -> Result<Map<String, Value>, InvalidInput> {
        let is_update = self.link_id.is_some();
        if !is_update && self.fetch_resources.is_none() {
            return Err(wrong("fetch_resources", "is required, but with a link_id"));
        }
        self.scopes.get_or_insert_with(|| Scopes(usual_scopes(self.widget.as_ref(), is_update).to_owned()));
        self.stale_in = self.stale_in.or_else(|| self.widget.as_ref().map(|_| StaleIn(USUAL_STALE_IN.to_owned())));
        let mut options = body(&self);
        if self.widget.is_none() && !is_update {
            options.insert("fetch_historical".to_owned(), true.into());
        }
        Ok(options)
    }
}

fn usual_scopes(widget: Option<&Widget>, is_update: bool) -> &'static str {
    let is_open_finance = widget.is_some_and(|Widget(widget)| widget.get("openfinance_feature").is_some());
    match (is_open_finance, is_update) {
        (true, _) => OPEN_FINANCE_SCOPES,
        (false, true) => UPDATE_SCOPES,
        (false, false) => SCOPES,
    }
}

fn is_days(text: &str) -> bool {
    text.strip_suffix('d').is_some_and(|days| (1..=3).contains(&days.len()) && days.bytes().all(|b| b.is_ascii_digit()))
}

fn is_scopes(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    is_short(text) && text.split(',').all(is_word)
}

fn is_short(text: &str) -> bool {
    (1..=MAX_TEXT_BYTES).contains(&text.len())
}
