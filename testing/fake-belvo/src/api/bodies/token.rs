//! The bodies of `POST /api/token/`, one for each widget.
//!
//! Sources: Belvo's OpenAPI for the hosted widgets; its page on asynchronous workflows for a token without `widget`, for
//! `external_id` and for `fetch_historical`; its page on the widget's update mode for `link_id` and the scope `read_links`.

use serde_json::{Map, Value};

use crate::schema::{
    Kind::{Flag, Number, Object, Objects, Text, Texts},
    Member, Shape, value,
};

/// The schema and the scopes of the token of a widget.
pub(crate) struct Mode {
    pub(crate) shape: &'static Shape,
    /// The exact scopes that Belvo requires.
    pub(crate) scopes: &'static str,
}

const SCOPES: &str = "read_institutions,write_links";
const KEYS: [Member; 3] = [("id", Text), ("password", Text), ("scopes", Text)];
const HOSTED: [Member; 6] =
    [KEYS[0], KEYS[1], KEYS[2], ("fetch_resources", Texts), ("stale_in", Text), ("widget", Object(&HOSTED_WIDGET))];

static OPEN_FINANCE_TOKEN: Mode = Mode {
    shape: &Shape {
        required: &[HOSTED[0], HOSTED[1], HOSTED[2], HOSTED[3], HOSTED[4], ("widget", Object(&OPEN_FINANCE_WIDGET))],
        optional: &[("external_id", Text), ("fetch_historical", Flag)],
    },
    scopes: "read_institutions,write_links,read_consents,write_consents,write_consent_callback,delete_consents",
};
static HOSTED_TOKEN: Mode = Mode {
    shape: &Shape {
        required: &HOSTED,
        optional: &[("credentials_storage", Text), ("external_id", Text), ("fetch_historical", Flag)],
    },
    scopes: SCOPES,
};
static UPDATE_TOKEN: Mode = Mode {
    shape: &Shape { required: &[KEYS[0], KEYS[1], KEYS[2], ("link_id", Text)], optional: &[] },
    scopes: "read_institutions,write_links,read_links",
};
static PLAIN_TOKEN: Mode = Mode {
    shape: &Shape {
        required: &[KEYS[0], KEYS[1], KEYS[2], ("fetch_historical", Flag), ("fetch_resources", Texts)],
        optional: &[("credentials_storage", Text), ("external_id", Text), ("stale_in", Text)],
    },
    scopes: SCOPES,
};

/// Returns the widget that a token is requested for.
pub(crate) fn mode(body: &Map<String, Value>) -> &'static Mode {
    match value(body, "widget") {
        Some(widget) if widget.get("openfinance_feature").is_some() => &OPEN_FINANCE_TOKEN,
        Some(_) => &HOSTED_TOKEN,
        None if body.contains_key("link_id") => &UPDATE_TOKEN,
        None => &PLAIN_TOKEN,
    }
}

const COMPANY: [Member; 4] =
    [("company_icon", Text), ("company_logo", Text), ("company_name", Text), ("company_terms_url", Text)];
static CALLBACKS: Shape = Shape { required: &[("success", Text), ("exit", Text), ("event", Text)], optional: &[] };
static THEME: Shape = Shape { required: &[("css_key", Text), ("value", Text)], optional: &[] };
static HOSTED_WIDGET: Shape = Shape {
    required: &[("branding", Object(&BRANDING))],
    optional: &[("callback_urls", Object(&CALLBACKS)), ("theme", Objects(&THEME))],
};
static BRANDING: Shape = Shape {
    required: &COMPANY,
    optional: &[("company_terms_version", Text), ("overlay_background_color", Text), ("social_proof", Flag)],
};
static OPEN_FINANCE_WIDGET: Shape = Shape {
    required: &[
        ("openfinance_feature", Text),
        ("callback_urls", Object(&CALLBACKS)),
        ("branding", Object(&OPEN_FINANCE_BRANDING)),
        ("consent", Object(&CONSENT)),
    ],
    optional: &[("theme", Objects(&THEME))],
};
static OPEN_FINANCE_BRANDING: Shape = Shape {
    required: &COMPANY,
    optional: &[("overlay_background_color", Text), ("social_proof", Flag), ("show_belvo_middle_logo", Flag)],
};
static CONSENT: Shape = Shape {
    required: &[
        ("purpose", Text),
        ("terms_and_conditions_url", Text),
        ("permissions", Texts),
        ("identification_info", Objects(&PERSON)),
    ],
    optional: &[("default_consent_duration_days", Number)],
};
static PERSON: Shape = Shape { required: &[("type", Text), ("number", Text), ("name", Text)], optional: &[] };
