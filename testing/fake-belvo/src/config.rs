//! The configuration at start, and the settings that can be changed while the server runs.

use std::{collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

/// The configuration of a server. `Config::default()` listens on a free local port, with the documented links and no webhook URL.
#[derive(Clone)]
pub struct Config {
    /// The address to listen on; port 0 picks a free port.
    pub listen: SocketAddr,
    /// The user name for HTTP Basic authentication.
    pub secret_id: String,
    /// The password for HTTP Basic authentication.
    pub secret_password: String,
    /// Destination and retries of webhooks.
    pub webhook: WebhookConfig,
    /// The initial settings. A reset restores them.
    pub settings: Settings,
    /// The seed of all generated data: the same seed makes the same data.
    pub seed: u64,
    /// Whether the links of the examples in Belvo's documentation exist from the start.
    pub preload: bool,
}

/// Destination, retries and timeout of webhooks.
#[derive(Clone)]
pub struct WebhookConfig {
    /// The URL of the receiver. Without it, nothing is sent.
    pub url: Option<String>,
    /// The whole value of the `Authorization` header, such as `Bearer x`.
    pub authorization: Option<String>,
    /// The retry interval: the n-th retry waits n intervals.
    pub retry_interval: Duration,
    /// The timeout of an attempt; Belvo's is five seconds.
    pub timeout: Duration,
}

/// Settings that can be changed while the server runs. Zero switches a setting off.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The effect of `id` and `id__in` on resources whose schema lacks them (transactions).
    pub id_in: IdIn,
    /// The order of every list.
    pub order: Order,
    /// The maximum page size. A larger `page_size` is reduced to it without an error.
    pub page_size_cap: usize,
    /// The largest `page_size` that does not fail with 408.
    pub max_page_size_before_408: usize,
    /// The time for which lists still show deleted objects.
    pub stale_reads_ms: u64,
    /// The maximum number of requests in 30 seconds; further ones get an HTML 403. Belvo's limit is 80.
    pub edge_limit_per_30s: usize,
    /// The time that each resource of a new link takes to load.
    pub load_delay_ms: u64,
    /// The number of accounts of such a link.
    pub load_accounts: usize,
    /// The number of transactions of such a link.
    pub load_transactions: usize,
    /// The number of objects of each other resource, by webhook type; 3 where none is given.
    pub load_resources: BTreeMap<String, usize>,
    /// The number of objects that each `POST` on a resource after the first one adds.
    pub retrieve_adds: usize,
    /// The minimum time between two refreshes of a link; Belvo's is ten minutes.
    pub refresh_cooldown_ms: u64,
    /// The length of an hour of a `refresh_rate`: 3600000 is real time. Zero disables scheduled refreshes.
    pub hour_ms: u64,
    /// The maximum number of synchronous link deletions in a minute; Belvo's is 5.
    pub delete_limit_per_min: usize,
    /// The response to a list of a link that does not exist.
    pub unknown_link: UnknownLink,
}

/// The order of a list. Belvo documents none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// By id, as in the responses that Belvo has published. A new object can move rows on pages that a client has read.
    Id,
    /// By time of creation: new objects come last.
    Creation,
}

/// The effect of `id` and `id__in` where Belvo's documentation uses them and its schema lacks them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdIn {
    /// They filter.
    Allowed,
    /// The firewall responds with an HTML 403.
    Refused,
    /// The API responds with 400 and an error array.
    BadRequest,
    /// They are ignored: the list is not filtered.
    Ignored,
}

/// The response to a list of a link that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownLink {
    /// 400 `does_not_exist` on the field `link`, as documented on Belvo's page on errors.
    DoesNotExist,
    /// An empty list, as for a filter that matches no object.
    Empty,
    /// 404.
    NotFound,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            secret_id: "secret-id".into(),
            secret_password: "secret-password".into(),
            webhook: WebhookConfig::default(),
            settings: Settings::default(),
            seed: 1,
            preload: true,
        }
    }
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self { url: None, authorization: None, retry_interval: Duration::from_secs(1), timeout: Duration::from_secs(5) }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            id_in: IdIn::Allowed,
            order: Order::Id,
            page_size_cap: 0,
            max_page_size_before_408: 0,
            stale_reads_ms: 0,
            edge_limit_per_30s: 0,
            load_delay_ms: 300,
            load_accounts: 3,
            load_transactions: 120,
            load_resources: BTreeMap::new(),
            retrieve_adds: 2,
            refresh_cooldown_ms: 600_000,
            hour_ms: 0,
            delete_limit_per_min: 5,
            unknown_link: UnknownLink::DoesNotExist,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("secret_id", &"[redacted]")
            .field("secret_password", &"[redacted]")
            .field("webhook", &self.webhook)
            .field("settings", &self.settings)
            .field("seed", &self.seed)
            .field("preload", &self.preload)
            .finish()
    }
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig")
            .field("url", &self.url)
            .field("authorization", &self.authorization.as_ref().map(|_| "[redacted]"))
            .field("retry_interval", &self.retry_interval)
            .field("timeout", &self.timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let config = Config {
            secret_password: "hunter2".into(),
            webhook: WebhookConfig { authorization: Some("Bearer hunter2".into()), ..WebhookConfig::default() },
            ..Config::default()
        };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
