//! The optional list of source addresses.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// Addresses and networks. An empty list allows every address.
#[derive(Debug, Default)]
pub(crate) struct AllowedSources(Vec<IpNet>);

impl AllowedSources {
    /// Returns `true` if the list allows a request from this address. A non-empty list rejects a malformed address.
    pub(crate) fn allow(&self, source_ip: Option<String>) -> bool {
        let address = source_ip.and_then(|text| text.parse::<IpAddr>().ok());
        self.0.is_empty() || address.is_some_and(|address| self.0.iter().any(|net| net.contains(&address)))
    }
}

impl FromStr for AllowedSources {
    type Err = ipnet::AddrParseError;

    /// Reads `3.130.254.46,18.220.61.0/24`.
    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let network = |text: &str| text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse());
        let texts = list.split(',').map(str::trim).filter(|text| !text.is_empty());
        texts.map(network).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &str, source: Option<&str>) -> bool {
        list.parse::<AllowedSources>().unwrap().allow(source.map(str::to_owned))
    }

    #[test]
    fn without_a_list_every_source_may_pass() {
        assert!(allows("", Some("203.0.113.9")) && allows("", None));
    }

    #[test]
    fn with_a_list_only_its_addresses_and_networks_may_pass() {
        let list = "3.130.254.46, 18.220.0.0/16";
        assert!(allows(list, Some("3.130.254.46")) && allows(list, Some("18.220.61.186")));
        assert!(!allows(list, Some("3.130.254.47")) && !allows(list, Some("nonsense")) && !allows(list, None));
    }

    #[test]
    fn a_typing_error_is_no_open_door() {
        assert!("3.130.254.46;18.220.61.186".parse::<AllowedSources>().is_err());
    }
}
