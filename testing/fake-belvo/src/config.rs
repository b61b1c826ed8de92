//! What can be set when the server starts, and what can be changed while it runs.

use std::{collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

/// How a server starts. `Config::default()` listens on a free local port, with the documented links and no webhook URL.
#[derive(Clone)]
pub struct Config {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The user name of HTTP Basic.
    pub secret_id: String,
    /// The password of HTTP Basic.
    pub secret_password: String,
    /// Where webhooks go.
    pub webhook: WebhookConfig,
    /// What the control API can change later; a reset returns to these.
    pub settings: Settings,
    /// All data is drawn from it: the same seed makes the same data.
    pub seed: u64,
    /// Whether the links of Belvo's documented examples are there from the start.
    pub preload: bool,
}

/// Where webhooks go and how patiently.
#[derive(Clone)]
pub struct WebhookConfig {
    /// Nothing is sent without a URL.
    pub url: Option<String>,
    /// The whole value of the `Authorization` header, such as `Bearer x`.
    pub authorization: Option<String>,
    /// The n-th repeat waits n times as long.
    pub retry_interval: Duration,
    /// An answer that takes longer is a failure; Belvo waits five seconds.
    pub timeout: Duration,
}

/// What can be changed while the server runs. Zero means off.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What `id` and `id__in` do on resources whose schema lacks them (transactions).
    pub id_in: IdIn,
    /// The order of every list.
    pub order: Order,
    /// Pages are never larger, whatever `page_size` asks for; no error says so.
    pub page_size_cap: usize,
    /// A larger `page_size` is answered with 408.
    pub max_page_size_before_408: usize,
    /// Lists still show deleted objects for so long.
    pub stale_reads_ms: u64,
    /// More requests in 30 seconds get an HTML 403; Belvo's edge allows 80.
    pub edge_limit_per_30s: usize,
    /// How long each resource of a new link takes to load.
    pub load_delay_ms: u64,
    /// How many accounts such a link has.
    pub load_accounts: usize,
    /// How many transactions such a link has.
    pub load_transactions: usize,
    /// How many objects of other resources such a link has, by webhook type; 3 of each that is not named.
    pub load_resources: BTreeMap<String, usize>,
    /// How many new objects a `POST` on a resource brings, unless it is the first.
    pub retrieve_adds: usize,
    /// A link is not refreshed again sooner; Belvo's is ten minutes.
    pub refresh_cooldown_ms: u64,
    /// How long an hour of a `refresh_rate` lasts: an hour of real time is 3600000. Off, nothing is refreshed on schedule.
    pub hour_ms: u64,
    /// More links are not deleted in a minute while the client waits; Belvo's limit is 5.
    pub delete_limit_per_min: usize,
    /// What the lists of a link that is not there (any more) say.
    pub unknown_link: UnknownLink,
}

/// The order of a list. Belvo documents none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// By id, as in the answers that Belvo has published: a new object moves rows on pages that a client has read.
    Id,
    /// By creation: new objects are the last ones.
    Creation,
}

/// What `id` and `id__in` do where Belvo's documentation uses them and its schema lacks them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdIn {
    /// They filter.
    Allowed,
    /// The firewall answers with an HTML 403.
    Refused,
    /// The API answers 400 with an error array.
    BadRequest,
    /// They filter nothing: everything is returned.
    Ignored,
}

/// What a list says that is asked for a link that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownLink {
    /// 400 `does_not_exist` about the field `link`, as Belvo's page on errors says.
    DoesNotExist,
    /// Nothing: a filter that matches no object.
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
