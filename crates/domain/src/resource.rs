//! The type of the catalogue's rows. The rows themselves are in `catalogue.rs`.

use crate::catalogue::CATALOGUE;

/// A row of the catalogue: how belvo-sync lists, fetches and stores a resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    /// Belvo's `webhook_type`, and the prefix of the sort key of its records.
    pub webhook_type: &'static str,
    /// The country whose links use this list, if Belvo has separate lists by country.
    pub country: Option<Country>,
    /// The path of the list endpoint, with leading and trailing slash. The path of an object is `{path}{id}/`. Every list
    /// takes the filter `link`.
    pub path: &'static str,
    /// The member of a webhook's `data` with the number of all objects.
    pub total: &'static str,
    /// The member of a webhook's `data` with the number of new objects, if new objects are listed with the filter
    /// `created_at__gte`.
    ///
    /// Only resources with long lists set it. The others are listed whole. Such a listing also finds objects that changed
    /// without a webhook, such as balances.
    pub new: Option<&'static str>,
    /// Whether the list takes the filter `id__in`.
    pub filters_by_id: bool,
    /// The name of the range filter for the days of an inflow or outflow webhook, if the list takes it and `type`.
    pub flow_range: Option<&'static str>,
    /// The member to which the announced days refer. The table's index by account is sorted by it.
    pub date: Option<&'static str>,
    /// Whether each object embeds its account. The record has the account's id instead.
    pub embeds_account: bool,
    /// Members that requests exclude with `omit`: documents in Base64, which can be very large.
    pub omit: &'static [&'static str],
}

/// A country for which Belvo has a separate list of some resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Country {
    /// `br`
    Brazil,
    /// `cl`
    Chile,
    /// `co`
    Colombia,
}

impl Resource {
    /// Returns the first row of a `webhook_type`, or `None` if the type is unknown or not a resource (`LINK`, `CONSENT`).
    /// [`Resource::at`] returns the row for a country.
    #[must_use]
    pub fn of_webhook_type(webhook_type: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|resource| resource.webhook_type == webhook_type)
    }

    /// Returns the row of the accounts, which other resources embed.
    #[must_use]
    pub fn accounts() -> &'static Self {
        &CATALOGUE[0]
    }

    /// Returns every row, including those of single countries.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        CATALOGUE.iter()
    }

    /// Returns `true` if the link's institution determines which list has the objects.
    #[must_use]
    pub fn depends_on_country(&self) -> bool {
        self.country.is_some() || self.of_its_type().any(|row| row.country.is_some())
    }

    /// Returns the row for the links of an institution: that of its country, or else the first of the type.
    #[must_use]
    pub fn at(&'static self, institution: &str) -> &'static Self {
        let country = Country::of_institution(institution);
        let own = self.of_its_type().find(|row| country.is_some() && row.country == country);
        own.or_else(|| self.of_its_type().next()).unwrap_or(self)
    }

    fn of_its_type(&self) -> impl Iterator<Item = &'static Self> {
        CATALOGUE.iter().filter(|row| row.webhook_type == self.webhook_type)
    }
}

impl Country {
    /// Returns the country in an institution's name, such as `ofmockbank_br_retail` or `sat_mx_fiscal`.
    ///
    /// Belvo writes the country before the kind. A link has no other member that tells its country.
    fn of_institution(name: &str) -> Option<Self> {
        name.rsplit('_').find_map(|part| match part {
            "br" => Some(Self::Brazil),
            "cl" => Some(Self::Chile),
            "co" => Some(Self::Colombia),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn row(webhook_type: &str) -> &'static Resource {
        Resource::of_webhook_type(webhook_type).unwrap()
    }

    #[test]
    fn there_are_twenty_one_resources_and_each_row_is_a_belvo_list_of_its_own() {
        let types: HashSet<_> = Resource::all().map(|row| row.webhook_type).collect();
        let paths: HashSet<_> = Resource::all().map(|row| row.path).collect();
        assert_eq!((types.len(), paths.len()), (21, Resource::all().count()));
        for row in Resource::all() {
            assert!(row.path.starts_with("/api/") && row.path.ends_with('/'), "{}", row.path);
            assert!(!row.webhook_type.is_empty() && !row.total.is_empty(), "{}", row.path);
            assert!(row.flow_range.is_none() || row.date.is_some(), "a range of which days? {}", row.path);
        }
        assert_eq!(Resource::accounts().webhook_type, "ACCOUNTS");
        assert_eq!((Resource::of_webhook_type("LINK"), Resource::of_webhook_type("CONSENT")), (None, None));
    }

    #[test]
    fn the_rows_of_one_type_differ_in_their_lists_and_not_in_what_a_webhook_means() {
        for row in Resource::all() {
            let first = Resource::of_webhook_type(row.webhook_type).unwrap();
            assert_eq!((row.total, row.new, row.embeds_account), (first.total, first.new, first.embeds_account));
            assert_eq!(row.depends_on_country(), row.of_its_type().count() > 1, "{}", row.path);
        }
    }

    #[test]
    fn the_institution_decides_which_countrys_list_is_read() {
        for (webhook_type, institution, path) in [
            ("INVOICES", "sat_mx_fiscal", "/api/invoices/"),
            ("INVOICES", "sii_cl_fiscal", "/api/cl/invoices/"),
            ("TAX_STATUS", "sii_cl_fiscal", "/api/cl/tax-status/"),
            ("EMPLOYMENTS", "inss_br_employment", "/api/br/employments/"),
            ("EMPLOYMENTS", "pila_co_employment", "/api/co/employments/"),
            ("EMPLOYMENTS", "somewhere_else", "/api/br/employments/"),
            ("ACCOUNTS", "erebor_br_retail", "/api/accounts/"),
            ("INVOICES", "co_cl_fiscal", "/api/cl/invoices/"),
            ("INVOICES", "sii_br_fiscal", "/api/invoices/"),
        ] {
            assert_eq!(row(webhook_type).at(institution).path, path, "{webhook_type} at {institution}");
        }
        assert!(std::ptr::eq(row("INVOICES").at("sii_cl_fiscal").at("sat_mx_fiscal"), row("INVOICES")));
    }

    #[test]
    fn only_transactions_are_found_by_account_and_day() {
        let indexed = |row: &&Resource| row.embeds_account && row.date.is_some();
        let types: Vec<_> = Resource::all().filter(indexed).map(|row| row.webhook_type).collect();
        assert_eq!(types, ["TRANSACTIONS"], "applications rely on what is in the index");
    }
}
