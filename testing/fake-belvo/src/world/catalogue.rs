//! The table of resources.
//!
//! A resource is data: its path, its filters as columns, and a function that writes an object. The same code lists, pages, filters,
//! loads and announces all of them, so a new resource is an entry in [`CATALOGUE`].

use std::collections::{BTreeMap, HashMap};

pub(crate) use super::columns::{Cell, Column, EXACT, INTERVAL, Kind, ONE_OF, Read};
use crate::{
    json::Object,
    schema::Body,
    world::{
        Link, Place,
        resources::{
            accounts, banking, consents, employment, enrichment, fiscal, institutions, links, shaped, transactions,
        },
    },
};

/// Every resource; a resource's number is its position. Append only: the numbers are part of the ids.
pub(crate) static CATALOGUE: [&Resource; 27] = [
    &links::LINKS,
    &institutions::INSTITUTIONS,
    &accounts::ACCOUNTS,
    &transactions::TRANSACTIONS,
    &consents::CONSENTS,
    &banking::OWNERS,
    &banking::BILLS,
    &banking::INVESTMENTS,
    &banking::INVESTMENT_TRANSACTIONS,
    &banking::BALANCES,
    &banking::EXCHANGES,
    &employment::EMPLOYMENTS,
    &employment::COLOMBIAN_EMPLOYMENTS,
    &employment::EMPLOYMENT_RECORDS,
    &employment::EMPLOYMENT_METRICS,
    &employment::CURRENT_EMPLOYMENTS,
    &enrichment::INCOMES,
    &enrichment::RECURRING_EXPENSES,
    &enrichment::RISK_INSIGHTS,
    &fiscal::INVOICES,
    &fiscal::CHILEAN_INVOICES,
    &fiscal::TAX_RETURNS,
    &fiscal::TAX_STATUS,
    &fiscal::CHILEAN_TAX_STATUS,
    &fiscal::TAX_COMPLIANCE_STATUS,
    &fiscal::TAX_RETENTIONS,
    &fiscal::FINANCIAL_STATEMENTS,
];

/// The values of `fetch_resources`, as documented by Belvo.
pub(crate) const FETCHABLE: [&str; 20] = [
    "ACCOUNTS",
    "TRANSACTIONS",
    "OWNERS",
    "BILLS",
    "INVESTMENTS",
    "INVESTMENT_TRANSACTIONS",
    "EXCHANGES",
    "INCOMES",
    "RECURRING_EXPENSES",
    "RISK_INSIGHTS",
    "EMPLOYMENTS",
    "EMPLOYMENT_RECORDS",
    "CURRENT_EMPLOYMENTS",
    "EMPLOYMENT_METRICS",
    "FINANCIAL_STATEMENTS",
    "INVOICES",
    "TAX_COMPLIANCE_STATUS",
    "TAX_RETENTIONS",
    "TAX_RETURNS",
    "TAX_STATUS",
];

/// Embedded accounts that were written already, by link number, row and variant.
pub(crate) type Written = HashMap<(u64, usize, usize), String>;

/// One resource.
pub(crate) struct Resource {
    pub(crate) number: usize,
    /// Belvo's name for it in webhooks and in `fetch_resources`.
    pub(crate) webhook_type: &'static str,
    /// The path below `/api/`.
    pub(crate) path: &'static str,
    pub(crate) holding: Holding,
    /// The country whose links have it, in place of the resource of the same type without a country.
    pub(crate) country: Option<&'static str>,
    /// The required query parameter of its list.
    pub(crate) required: Option<&'static str>,
    /// Whether `fields` and `omit` are in the schema of lists, and of single objects.
    pub(crate) projected: (bool, bool),
    pub(crate) columns: &'static [Column],
    /// Whether each object belongs to one of the link's accounts.
    pub(crate) in_account: bool,
    pub(crate) retrieval: Retrieval,
    /// How its objects are generated from a shape.
    pub(crate) drawn: Option<Drawn>,
    pub(crate) id: fn(Place<'_>) -> String,
    pub(crate) write: fn(Place<'_>, &mut Object<'_>, &mut Written),
    pub(crate) announced: Option<Announced>,
}

/// How an object is generated from a shape.
#[derive(Clone, Copy)]
pub(crate) struct Drawn {
    /// The shape's name.
    pub(crate) shape: fn(Place<'_>) -> &'static str,
    /// Returns a value that the shape does not determine, as JSON text.
    pub(crate) special: fn(Place<'_>, &str) -> Option<String>,
}

/// Whether and how `POST` retrieves the resource from the institution.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Retrieval {
    /// `POST` is not supported.
    Never,
    /// Synchronous only; `X-Belvo-Request-Mode` is ignored.
    Synchronous(Body),
    /// Synchronous, or asynchronous on request.
    Asynchronous(Body),
}

/// The number of objects of a link, by webhook type.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    pub(crate) named: BTreeMap<String, usize>,
    /// The number for all other types.
    pub(crate) usual: usize,
}

impl Sizes {
    pub(crate) fn of(&self, webhook_type: &str) -> usize {
        self.named.get(webhook_type).copied().unwrap_or(self.usual)
    }
}

/// Where the objects of a resource are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holding {
    /// The objects are the links themselves.
    Links,
    /// In the tables of each link.
    PerLink,
    /// In a table that belongs to no link.
    Shared,
}

/// The webhooks about a resource.
pub(crate) struct Announced {
    /// The webhooks after the first load: codes and `data`, as JSON text, for the present objects.
    pub(crate) historical: fn(&Link) -> Vec<(&'static str, String)>,
    /// The code and the `data` for a number of new objects.
    pub(crate) new: (&'static str, fn(usize) -> String),
    /// Whether Belvo announces the ids of changed and of deleted objects.
    pub(crate) ids: bool,
}

impl Resource {
    /// Returns `true` if links of this country have the resource.
    pub(crate) fn serves(&self, country: &str) -> bool {
        let special = |other: &&Resource| other.webhook_type == self.webhook_type && other.country == Some(country);
        match self.country {
            Some(own) => own == country,
            None => !CATALOGUE.iter().any(special),
        }
    }

    /// Returns the resource of the same webhook type in this country.
    pub(crate) fn in_country(&'static self, country: &str) -> &'static Resource {
        let fits = |other: &&Resource| other.webhook_type == self.webhook_type && other.serves(country);
        CATALOGUE.into_iter().find(fits).unwrap_or(self)
    }

    /// Writes one object, with the members that the control API replaced.
    pub(crate) fn write_object(&self, place: Place<'_>, object: &mut Object<'_>, written: &mut Written) {
        self.write_copy(place, 0, object, written);
    }

    /// Returns one object as JSON text, with all of its members.
    pub(crate) fn to_json(&self, place: Place<'_>, written: &mut Written) -> String {
        let mut out = String::new();
        Object::write(&mut out, None, |object| self.write_object(place, object, written));
        out
    }

    /// Writes one of several copies of an object.
    pub(crate) fn write_copy(&self, place: Place<'_>, copy: usize, object: &mut Object<'_>, written: &mut Written) {
        match place.replaced(copy) {
            Some(members) => object.replace(members, |object| self.write_drawn(place, object, written)),
            None => self.write_drawn(place, object, written),
        }
    }

    /// Writes a generated object: a typical one or, for a wild link, one that covers everything that the schema allows.
    fn write_drawn(&self, place: Place<'_>, object: &mut Object<'_>, written: &mut Written) {
        match self.shape(place).filter(|_| place.link.wild) {
            Some(shape) => shaped::write_wild(self, shape, place, object, written),
            None => (self.write)(place, object, written),
        }
    }

    /// Returns the name of the shape of an object.
    fn shape(&self, place: Place<'_>) -> Option<&'static str> {
        match self.webhook_type {
            "ACCOUNTS" => Some("accounts"),
            "TRANSACTIONS" => Some("transactions"),
            _ => self.drawn.map(|drawn| (drawn.shape)(place)),
        }
    }

    /// Returns the column and the operator of a query parameter.
    pub(crate) fn filter(&self, parameter: &str) -> Option<(&'static Column, &'static str)> {
        self.columns.iter().find_map(|column| {
            let rest = parameter.strip_prefix(column.name)?;
            let operator =
                if rest.is_empty() { rest } else { rest.strip_prefix("__").filter(|rest| !rest.is_empty())? };
            column.operators.iter().find(|known| **known == operator).map(|known| (column, *known))
        })
    }

    /// Returns `true` if Belvo's schema has the query parameter of the list.
    pub(crate) fn knows(&self, parameter: &str) -> bool {
        match parameter {
            "page" | "page_size" => true,
            "fields" | "omit" => self.projected.0,
            _ => self.filter(parameter).is_some(),
        }
    }
}

/// Returns the resource at a path such as `transactions` or `br/balances`.
pub(crate) fn by_path(path: &str) -> Option<&'static Resource> {
    CATALOGUE.into_iter().find(|resource| resource.path == path)
}

/// Returns the resource of a webhook type, case-insensitive, or of a path.
pub(crate) fn by_name(name: &str) -> Option<&'static Resource> {
    CATALOGUE.into_iter().find(|resource| resource.webhook_type.eq_ignore_ascii_case(name) || resource.path == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resources_number_is_its_position() {
        for (position, resource) in CATALOGUE.iter().enumerate() {
            assert_eq!(resource.number, position, "{}", resource.path);
        }
    }

    #[test]
    fn a_parameter_is_a_column_and_one_of_its_operators() {
        let transactions = by_path("transactions").unwrap();
        for known in
            ["link", "value_date__range", "account__balance__current__gte", "credit_card_data__bill_name__in", "page"]
        {
            assert!(transactions.knows(known), "{known}");
        }
        for unknown in ["limit", "value_date__in", "credit_card_data__bill_name", "link__", "types", "category"] {
            assert!(!transactions.knows(unknown), "{unknown}");
        }
    }
}
