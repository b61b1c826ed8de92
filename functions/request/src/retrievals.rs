//! The asynchronous retrievals: one row for each endpoint that accepts `X-Belvo-Request-Mode: async`.
//!
//! Source: Belvo's OpenAPI description of 2026-04-23; for financial statements, Belvo's page on asynchronous workflows.
//! Some parameters are missing on purpose. `token` is a credential of the bank. With `save_data: false` there would be nothing to
//! fetch. `attach_xml` and `attach_pdf` add documents, which are not stored.

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::input::{Date, Direction, Fields, Id, InvalidInput, Link, body, wrong};

/// The fields of all endpoints, besides those that choose one.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retrieve {
    #[serde(skip_serializing)]
    pub(crate) link_id: Link,
    date_from: Option<Date>,
    date_to: Option<Date>,
    account: Option<Id>,
    r#type: Option<Direction>,
    #[serde(skip_serializing)]
    pub(crate) idempotency_key: Option<Id>,
}

/// An endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Retrieval {
    /// Belvo's `webhook_type` of the resource.
    pub(crate) resource: &'static str,
    /// The country, if Belvo has the resource for several. The first row of a resource is the default.
    country: Option<&'static str>,
    pub(crate) path: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

const DAYS: &[&str] = &["date_from", "date_to"];

const RETRIEVALS: [Retrieval; 8] = [
    row("TRANSACTIONS", None, "/api/transactions/", DAYS, &["account"]),
    row("INVOICES", Some("MX"), "/api/invoices/", &["date_from", "date_to", "type"], &[]),
    row("INVOICES", Some("CL"), "/api/cl/invoices/", DAYS, &["type"]),
    row("EMPLOYMENTS", None, "/api/br/employments/", &[], DAYS),
    row("EMPLOYMENT_RECORDS", None, "/api/employment-records/", &[], &[]),
    row("FINANCIAL_STATEMENTS", None, "/api/financial-statements/", &[], &[]),
    row("INVESTMENTS", None, "/api/br/investments/", &[], &[]),
    row("INVESTMENT_TRANSACTIONS", None, "/api/br/investment-transactions/", &[], DAYS),
];

const fn row(
    resource: &'static str,
    country: Option<&'static str>,
    path: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
) -> Retrieval {
    Retrieval { resource, country, path, required, optional }
}

impl Retrieval {
    /// Parses the fields. `resource` and `country` choose the row, which says what else the action takes.
    pub(crate) fn parse(mut fields: Fields) -> Result<(&'static Self, Retrieve), InvalidInput> {
        let resource = fields.take("resource")?.ok_or(InvalidInput::missing_field("resource"))?;
        let mut rows = RETRIEVALS.iter().filter(|row| row.resource == resource);
        let mut row = rows.clone().next().ok_or(wrong("resource", "is none that Belvo retrieves asynchronously"))?;
        if row.country.is_some()
            && let Some(country) = fields.take("country")?
        {
            let of_country = rows.find(|row| row.country == Some(&country));
            row = of_country.ok_or(wrong("country", "must be one that Belvo has this resource for: CL or MX"))?;
        }

        let mut takes = vec!["link_id", "resource"];
        takes.extend(row.country.map(|_| "country"));
        takes.extend(row.required.iter().chain(row.optional));
        takes.push("idempotency_key");
        if fields.members.keys().any(|name| !takes.contains(&name.as_str())) {
            return Err(InvalidInput::UnknownField(takes));
        }
        Ok((row, fields.parse()?))
    }

    /// Returns the body for Belvo.
    pub(crate) fn parameters(&self, fields: &Retrieve) -> Result<Map<String, Value>, InvalidInput> {
        let mut body = body(fields);
        if let Some(missing) = self.required.iter().find(|name| !body.contains_key(**name)) {
            return Err(InvalidInput::missing_field(missing));
        }
        // `YYYY-MM-DD` compares as text.
        if let (Some(Date(from)), Some(Date(to))) = (&fields.date_from, &fields.date_to)
            && from > to
        {
            return Err(wrong("date_to", "must not be before date_from"));
        }
        body.insert("link".to_owned(), fields.link_id.0.as_str().into());
        Ok(body)
    }
}
