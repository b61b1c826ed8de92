//! What a widget token is asked for with. Source: Belvo's OpenAPI description of 2026-04-23, `POST /api/token/`;
//! `external_id` and `link_id` (update mode) from its pages on the Connect widget.

use serde_json::{Map, Value};

use crate::input::{Input, InvalidInput, wrong};

/// What Belvo wants for every widget but that of Brazil's open finance.
const SCOPES: &str = "read_institutions,write_links";
/// And for that one.
const OPEN_FINANCE_SCOPES: &str =
    "read_institutions,write_links,read_consents,write_consents,write_consent_callback,delete_consents";
/// The widget's options are passed on as they are: branding, addresses, whose data.
const MAX_WIDGET_BYTES: usize = 64 * 1024;
const MAX_TEXT_BYTES: usize = 256;

/// The options of a token, as Belvo names them.
pub(crate) fn options(input: &mut Input) -> Result<Map<String, Value>, InvalidInput> {
    let link = input.optional_link_id()?;
    let fetch_resources = input.names("fetch_resources")?;
    if link.is_none() && fetch_resources.is_empty() {
        return Err(wrong("fetch_resources", "is required, but with a link_id"));
    }
    let widget = widget(input)?;
    let scopes = input.text_like("scopes", "must be words with commas between them", is_scopes)?;
    let texts = [
        ("external_id", input.text_like("external_id", "must have 1 to 256 bytes", is_short)?),
        ("stale_in", input.text_like("stale_in", "must be 1 to 3 digits and d, such as 90d", is_days)?),
        ("credentials_storage", input.text_like("credentials_storage", STORAGE, is_storage)?),
        ("link_id", link.map(|link| link.as_str().to_owned())),
        ("scopes", Some(scopes.unwrap_or_else(|| usual_scopes(widget.as_ref()).to_owned()))),
    ];
    let mut options: Map<String, Value> =
        texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))).collect();
    if !fetch_resources.is_empty() {
        options.insert("fetch_resources".to_owned(), fetch_resources.into());
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

/// Belvo wants one of two lists, and wants it exactly.
fn usual_scopes(widget: Option<&Value>) -> &'static str {
    let is_open_finance = widget.is_some_and(|widget| widget.get("openfinance_feature").is_some());
    if is_open_finance { OPEN_FINANCE_SCOPES } else { SCOPES }
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
