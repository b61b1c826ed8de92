//! The asynchronous retrievals: one row for each endpoint that accepts `X-Belvo-Request-Mode: async`.
//!
//! Source: Belvo's OpenAPI description of 2026-04-23; for financial statements, Belvo's page on asynchronous workflows.
//! Some parameters are missing on purpose. `token` is a credential of the bank. With `save_data: false` there would be nothing to
//! fetch. `attach_xml` and `attach_pdf` add documents, which are not stored.

use domain::LinkId;
use serde_json::{Map, Value};

use crate::input::{Input, InvalidInput, required, wrong};

/// An endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Retrieval {
    /// Belvo's `webhook_type` of the resource.
    pub(crate) resource: &'static str,
    /// The country, if Belvo has the resource for several. The first row of a resource is the default.
    country: Option<&'static str>,
    pub(crate) path: &'static str,
    parameters: &'static [Parameter],
}

#[derive(Debug, PartialEq, Eq)]
struct Parameter {
    name: &'static str,
    kind: Kind,
    is_required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Day,
    Direction,
    Id,
}

const fn needs(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, is_required: true }
}

const fn may_have(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, is_required: false }
}

const DAYS: [Parameter; 2] = [may_have("date_from", Kind::Day), may_have("date_to", Kind::Day)];

const RETRIEVALS: [Retrieval; 8] = [
    Retrieval {
        resource: "TRANSACTIONS",
        country: None,
        path: "/api/transactions/",
        parameters: &[needs("date_from", Kind::Day), needs("date_to", Kind::Day), may_have("account", Kind::Id)],
    },
    Retrieval {
        resource: "INVOICES",
        country: Some("MX"),
        path: "/api/invoices/",
        parameters: &[needs("date_from", Kind::Day), needs("date_to", Kind::Day), needs("type", Kind::Direction)],
    },
    Retrieval {
        resource: "INVOICES",
        country: Some("CL"),
        path: "/api/cl/invoices/",
        parameters: &[needs("date_from", Kind::Day), needs("date_to", Kind::Day), may_have("type", Kind::Direction)],
    },
    Retrieval { resource: "EMPLOYMENTS", country: None, path: "/api/br/employments/", parameters: &DAYS },
    Retrieval { resource: "EMPLOYMENT_RECORDS", country: None, path: "/api/employment-records/", parameters: &[] },
    Retrieval { resource: "FINANCIAL_STATEMENTS", country: None, path: "/api/financial-statements/", parameters: &[] },
    Retrieval { resource: "INVESTMENTS", country: None, path: "/api/br/investments/", parameters: &[] },
    Retrieval {
        resource: "INVESTMENT_TRANSACTIONS",
        country: None,
        path: "/api/br/investment-transactions/",
        parameters: &DAYS,
    },
];

impl Retrieval {
    /// Takes `resource` and `country` from an input and returns their row.
    pub(crate) fn take(input: &mut Input) -> Result<&'static Self, InvalidInput> {
        let resource = required("resource", input.text("resource")?)?;
        let of_resource = || RETRIEVALS.iter().filter(|row| row.resource == resource);
        let first = of_resource().next();
        let first = first.ok_or(wrong("resource", "is none that Belvo retrieves asynchronously"))?;
        if first.country.is_none() {
            return Ok(first);
        }
        let Some(country) = input.text("country")? else { return Ok(first) };
        let row = of_resource().find(|row| row.country == Some(country.as_str()));
        row.ok_or(wrong("country", "must be one that Belvo has this resource for: CL or MX"))
    }

    /// Takes the parameters from an input and returns the body for Belvo.
    pub(crate) fn parameters(&self, link: &LinkId, input: &mut Input) -> Result<Map<String, Value>, InvalidInput> {
        let mut body = Map::from_iter([("link".to_owned(), link.as_str().into())]);
        for Parameter { name, kind, is_required } in self.parameters {
            let value = kind.take(name, input)?;
            if *is_required && value.is_none() {
                return Err(wrong(name, "is required"));
            }
            body.extend(value.map(|value| ((*name).to_owned(), Value::String(value))));
        }
        // `YYYY-MM-DD` compares as text.
        if let (Some(from), Some(to)) = (day(&body, "date_from"), day(&body, "date_to"))
            && from > to
        {
            return Err(wrong("date_to", "must not be before date_from"));
        }
        Ok(body)
    }
}

fn day<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

impl Kind {
    fn take(self, name: &'static str, input: &mut Input) -> Result<Option<String>, InvalidInput> {
        match self {
            Self::Day => Ok(input.day(name)?.map(|day| day.to_string())),
            Self::Id => Ok(input.object_id(name)?.map(|id| id.as_str().to_owned())),
            Self::Direction => {
                input.text_like(name, "must be INFLOW or OUTFLOW", |text| matches!(text, "INFLOW" | "OUTFLOW"))
            }
        }
    }
}
