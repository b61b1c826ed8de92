//! The bodies of `POST` on a resource.

use serde_json::{Map, Value};

use super::{
    Kind::{Flag, Text, Texts},
    Member, Shape,
};

const LINK: Member = ("link", Text);
const SAVE: Member = ("save_data", Flag);
const TOKEN: Member = ("token", Text);
const FROM: Member = ("date_from", Text);
const TO: Member = ("date_to", Text);
const TYPE: Member = ("type", Text);
const PDF: Member = ("attach_pdf", Flag);
const XML: Member = ("attach_xml", Flag);

/// Only the link.
pub(crate) static PLAIN: Shape = shape(&[LINK], &[SAVE]);
/// The institution may want a token.
pub(crate) static WITH_TOKEN: Shape = shape(&[LINK], &[SAVE, TOKEN]);
/// May be limited to some days.
pub(crate) static WITH_DAYS: Shape = shape(&[LINK], &[SAVE, FROM, TO]);
/// May bring documents.
pub(crate) static WITH_PDF: Shape = shape(&[LINK], &[SAVE, PDF]);
pub(crate) static BALANCES: Shape = shape(&[LINK], &[SAVE, ("account_id", Text)]);
pub(crate) static TRANSACTIONS: Shape = shape(&[LINK, FROM, TO], &[SAVE, TOKEN, ("account", Text)]);
pub(crate) static EMPLOYMENT_METRICS: Shape = shape(&[LINK], &[SAVE, ("reference_date", Text)]);
pub(crate) static INCOMES: Shape =
    shape(&[LINK], &[SAVE, TOKEN, FROM, TO, ("allowed_income_types", Texts), ("minimum_confidence_level", Text)]);
pub(crate) static RECURRING_EXPENSES: Shape = shape(&[LINK], &[SAVE, TOKEN, FROM, TO]);
pub(crate) static INVOICES: Shape = shape(&[LINK, FROM, TO, TYPE], &[SAVE, XML]);
pub(crate) static CHILEAN_INVOICES: Shape = shape(&[LINK, FROM, TO], &[SAVE, TYPE]);
pub(crate) static TAX_RETENTIONS: Shape = shape(&[LINK, FROM, TO, TYPE], &[SAVE, XML]);

static MONTHLY_TAX_RETURNS: Shape = shape(&[LINK, TYPE, FROM, TO], &[SAVE, PDF]);
static YEARLY_TAX_RETURNS: Shape = shape(&[LINK, TYPE, ("year_from", Text), ("year_to", Text)], &[SAVE, PDF]);

/// By month or by year.
pub(crate) fn tax_returns(body: &Map<String, Value>) -> &'static Shape {
    let yearly = body.get("type").and_then(Value::as_str) == Some("yearly");
    if yearly { &YEARLY_TAX_RETURNS } else { &MONTHLY_TAX_RETURNS }
}

const fn shape(required: &'static [Member], optional: &'static [Member]) -> Shape {
    Shape { required, optional }
}
