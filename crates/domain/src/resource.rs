//! The type of the catalogue's rows. `catalogue.rs` has the rows, and finds them.

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

impl Country {
    /// Returns the country in an institution's name, such as `ofmockbank_br_retail` or `sat_mx_fiscal`.
    ///
    /// Belvo writes the country before the kind. A link has no other member that tells its country.
    pub(crate) fn of_institution(name: &str) -> Option<Self> {
        name.rsplit('_').find_map(|part| match part {
            "br" => Some(Self::Brazil),
            "cl" => Some(Self::Chile),
            "co" => Some(Self::Colombia),
            _ => None,
        })
    }
}
