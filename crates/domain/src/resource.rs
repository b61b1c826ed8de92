//! The catalogue: one row for each resource that Belvo announces. Adding a resource is adding a row.

/// How one resource is listed, fetched and kept. Paths and filters: Belvo's OpenAPI 1.223.0.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    /// Belvo's `webhook_type`; also the prefix of the record's sort key.
    pub webhook_type: &'static str,
    /// The list endpoint, with its slashes; an object stands at `{path}{id}/`.
    pub path: &'static str,
    /// Does the list take `created_at__gte`? If so, what is new can be listed without the rest.
    pub filters_by_created_at: bool,
    /// Each object embeds its whole account; the record keeps the account's id in its place.
    pub embeds_account: bool,
    /// The member that a date range announced by a webhook refers to, and by which records are found in order.
    pub date: Option<&'static str>,
}

/// In the order of Belvo's documentation.
const CATALOGUE: [Resource; 2] = [
    Resource {
        webhook_type: "ACCOUNTS",
        path: "/api/accounts/",
        filters_by_created_at: false,
        embeds_account: false,
        date: None,
    },
    Resource {
        webhook_type: "TRANSACTIONS",
        path: "/api/transactions/",
        filters_by_created_at: true,
        embeds_account: true,
        date: Some("value_date"),
    },
];

impl Resource {
    /// The row of a `webhook_type`; none for what is no resource (`LINK`, `CONSENT`) or is not known.
    #[must_use]
    pub fn of_webhook_type(webhook_type: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|resource| resource.webhook_type == webhook_type)
    }

    /// The row of the accounts, which other resources embed.
    #[must_use]
    pub fn accounts() -> &'static Self {
        &CATALOGUE[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_type_and_is_a_belvo_list() {
        for resource in &CATALOGUE {
            assert_eq!(Resource::of_webhook_type(resource.webhook_type), Some(resource));
            assert!(resource.path.starts_with("/api/") && resource.path.ends_with('/'));
        }
        assert_eq!(Resource::accounts().webhook_type, "ACCOUNTS");
        assert_eq!(Resource::of_webhook_type("LINK"), None);
    }
}
