//! What belvo-sync knows of a resource: how it is listed, fetched and kept. The rows are in `catalogue.rs`.

use crate::catalogue::CATALOGUE;

/// How one resource is listed, fetched and kept: a row of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    /// Belvo's `webhook_type`; also the prefix of the record's sort key.
    pub webhook_type: &'static str,
    /// The country whose links have this list, where Belvo has a list for each of several countries.
    pub country: Option<Country>,
    /// The list endpoint, with its slashes; an object stands at `{path}{id}/`. Every list filters by `link`.
    pub path: &'static str,
    /// The member of a webhook's `data` that says how many objects there are.
    pub total: &'static str,
    /// The member that says how many objects are new, if what is new is listed by itself, with `created_at__gte`. That is
    /// done where lists are long; others are listed whole, and with them what changed without a webhook, as balances do.
    pub new: Option<&'static str>,
    /// Does the list take `id__in`?
    pub filters_by_id: bool,
    /// The range filter for the days that an inflow or outflow webhook announces, if the list takes it and `type`.
    pub flow_range: Option<&'static str>,
    /// The member that the days announced by a webhook refer to. Records of an account are found in its order.
    pub date: Option<&'static str>,
    /// Each object embeds its whole account; the record keeps the account's id in its place.
    pub embeds_account: bool,
    /// Huge members (documents in Base64) that Belvo is asked to leave out, with `omit`.
    pub omit: &'static [&'static str],
}

/// A country with a list of its own for some resource.
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
    /// The row of a `webhook_type`; none for what is no resource (`LINK`, `CONSENT`) or is not known. Where countries have
    /// lists of their own, see [`Resource::at`].
    #[must_use]
    pub fn of_webhook_type(webhook_type: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|resource| resource.webhook_type == webhook_type)
    }

    /// The row of the accounts, which other resources embed.
    #[must_use]
    pub fn accounts() -> &'static Self {
        &CATALOGUE[0]
    }

    /// Every row, those for single countries included.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        CATALOGUE.iter()
    }

    /// Does it depend on the link's institution which list has its objects?
    #[must_use]
    pub fn depends_on_country(&self) -> bool {
        self.country.is_some() || self.of_its_type().any(|row| row.country.is_some())
    }

    /// The row for the links of an institution: its country's own, or else the first of the type.
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
    /// The country in an institution's name. A link gives nothing but that name (`ofmockbank_br_retail`,
    /// `sat_mx_fiscal`), in which Belvo writes the country before the kind.
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
