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

use serde_json::{Map, Value};

use crate::input::{Input, InvalidInput, wrong};

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

/// Takes the options of a token from an input and returns them with Belvo's names.
pub(crate) fn options(input: &mut Input) -> Result<Map<String, Value>, InvalidInput> {
    let link = input.optional_link_id()?;
    let fetch_resources = input.names("fetch_resources")?;
    if link.is_none() && fetch_resources.is_empty() {
        return Err(wrong("fetch_resources", "is required, but with a link_id"));
    }
    let widget = widget(input)?;
    let scopes = input.text_like("scopes", "must be words with commas between them", is_scopes)?;
    let stale_in = input.text_like("stale_in", "must be 1 to 3 digits and d, such as 90d", is_days)?;
    let is_update = link.is_some();
    let texts = [
        ("external_id", input.text_like("external_id", "must have 1 to 256 bytes", is_short)?),
        ("stale_in", stale_in.or_else(|| widget.as_ref().map(|_| USUAL_STALE_IN.to_owned()))),
        ("credentials_storage", input.text_like("credentials_storage", STORAGE, is_storage)?),
        ("link_id", link.map(|link| link.as_str().to_owned())),
        ("scopes", Some(scopes.unwrap_or_else(|| usual_scopes(widget.as_ref(), is_update).to_owned()))),
    ];
    let mut options: Map<String, Value> =
        texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))).collect();
    if !fetch_resources.is_empty() {
        options.insert("fetch_resources".to_owned(), fetch_resources.into());
    }
    if widget.is_none() && !is_update {
        options.insert("fetch_historical".to_owned(), true.into());
    }
    options.extend(widget.map(|widget| ("widget".to_owned(), widget)));
    Ok(options)
}

fn widget(input: &mut Input) -> Result<Option<Value>, InvalidInput> {
    match input.any("widget") {
        Some(widget) if !widget.is_object() => Err(wrong("widget", "must be an object")),
        Some(widget) if widget.to_string().len() > MAX_WIDGET_BYTES => Err(wrong("widget", "must have at most 64 KiB")),
        widget => Ok(widget),
    }
}

fn usual_scopes(widget: Option<&Value>, is_update: bool) -> &'static str {
    let is_open_finance = widget.is_some_and(|widget| widget.get("openfinance_feature").is_some());
    match (is_open_finance, is_update) {
        (true, _) => OPEN_FINANCE_SCOPES,
        (false, true) => UPDATE_SCOPES,
        (false, false) => SCOPES,
    }
}

const STORAGE: &str = "must be store, nostore, or 1 to 3 digits and d";

fn is_storage(text: &str) -> bool {
    matches!(text, "store" | "nostore") || is_days(text)
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
