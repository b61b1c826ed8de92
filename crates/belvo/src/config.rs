//! The configuration of the client: credentials and limits.

use std::num::NonZeroU32;
use std::time::Duration;

use secrecy::SecretString;

/// Credentials for HTTP Basic authentication at Belvo.
#[derive(Debug)]
pub struct Credentials {
    /// Belvo's "secret ID".
    pub secret_id: String,
    /// Belvo's "secret password".
    pub secret_password: SecretString,
}

/// Limits of requests, responses and connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The timeout for opening a connection.
    pub connect_timeout: Duration,
    /// The timeout for a response, from the first byte sent to the last byte read.
    pub response_timeout: Duration,
    /// The maximum size of a response body, in bytes.
    pub max_response_bytes: usize,
    /// The maximum number of immediate retries after a transient error.
    pub quick_retries: usize,
    /// The maximum number of requests in any 30 seconds.
    pub requests_per_30s: NonZeroU32,
    /// The maximum number of idle connections.
    pub max_idle_connections: usize,
    /// The maximum time that a connection stays idle before it is closed.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            // Belvo's own limit is five minutes. A page that takes longer than this is requested with a smaller page size.
            response_timeout: Duration::from_secs(25),
            // A page of 1,000 transactions, each with its account, is about 4 MB.
            max_response_bytes: 8 * 1024 * 1024,
            quick_retries: 2,
            // Belvo's edge rejects more than 80 from one address.
            requests_per_30s: NonZeroU32::new(72).unwrap_or(NonZeroU32::MIN),
            // More than the number of pages that a listing requests concurrently.
            max_idle_connections: 8,
            // Well below 60 seconds, after which proxies and load balancers begin to drop idle connections.
            idle_timeout: Duration::from_secs(15),
        }
    }
}
