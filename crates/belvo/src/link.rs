//! A link at Belvo.

use domain::{EpochMillis, moment_micros};

use crate::Error;
use crate::members::{decoded, external_id, members, text};

/// The members of a link that are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Belvo's status: `valid`, `invalid`, `unconfirmed`, `token_required`.
    pub status: Option<String>,
    /// The institution's name.
    pub institution: Option<String>,
    /// The id that the customer assigned.
    pub external_id: Option<String>,
    /// The time of Belvo's last access to the institution, in ISO 8601.
    pub last_accessed_at: Option<String>,
}

impl Link {
    /// Reads a link. A member with an undocumented type counts as absent.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Error> {
        let body = decoded(body);
        let [status, institution, id, last_accessed_at] =
            members(&body, ["status", "institution", "external_id", "last_accessed_at"])
                .ok_or(Error::Malformed("not a link"))?;
        let institution = text(institution).filter(|name| is_name(name));
        let last_accessed_at = text(last_accessed_at);
        Ok(Self { status: text(status), institution, external_id: external_id(id), last_accessed_at })
    }

    /// Returns the time of Belvo's last access to the institution, or `None` if it is missing or malformed.
    #[must_use]
    pub fn accessed_at(&self) -> Option<EpochMillis> {
        self.last_accessed_at.as_deref().and_then(moment_micros).map(|micros| micros / 1_000)
    }
}

/// Returns `true` if the text has the form of Belvo's institution names. Only such names are stored.
fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=128).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_of_a_link_are_ignored() {
        let body = br#"{"id":"l","institution":"sat_mx_fiscal","status":"valid","new":[1.10],"external_id":"u"}"#;
        let text = |text: &str| Some(text.to_owned());
        let link = Link {
            status: text("valid"),
            institution: text("sat_mx_fiscal"),
            external_id: text("u"),
            last_accessed_at: None,
        };
        assert_eq!(Link::read(body), Ok(link));
        assert_eq!(
            Link::read(b"{}"),
            Ok(Link { status: None, institution: None, external_id: None, last_accessed_at: None })
        );
        for body in ["[]", r#"["valid","sat_mx_fiscal"]"#, r#"{"status":"valid""#, "<html>"] {
            assert_eq!(Link::read(body.as_bytes()), Err(Error::Malformed("not a link")), "{body}");
        }
    }

    #[test]
    fn an_invalid_member_counts_as_absent() {
        let absent = Link { status: None, institution: None, external_id: None, last_accessed_at: None };
        for odd in ["12345", "1e999", "true", "null", "[null]", r#"{"name":"x"}"#, r#""\ud800""#, r#""""#] {
            let body =
                format!(r#"{{"id":7,"status":"valid","external_id":{odd},"institution":{odd},"last_accessed_at":7}}"#);
            let valid = Link { status: Some("valid".to_owned()), ..absent.clone() };
            assert_eq!(Link::read(body.as_bytes()), Ok(valid), "{odd}");
        }
        for body in [r#"{"status":null}"#, r#"{"status":{}}"#, r#"{"status":"valid","status":"invalid"}"#] {
            assert_eq!(Link::read(body.as_bytes()), Ok(absent.clone()), "{body}");
        }
        let latin = b"{\"external_id\":\"caf\xe9\",\"status\":\"valid\"}";
        assert_eq!(
            Link::read(latin),
            Ok(Link { status: Some("valid".to_owned()), ..absent }),
            "a replaced character makes the external id unusable"
        );
    }

    #[test]
    fn the_last_access_is_read_with_and_without_a_time_zone() {
        let accessed_at =
            |time: &str| Link::read(format!(r#"{{"last_accessed_at":{time}}}"#).as_bytes()).unwrap().accessed_at();
        assert_eq!(accessed_at(r#""2023-11-14T22:13:20.001Z""#), Some(1_700_000_000_001));
        assert_eq!(accessed_at(r#""2023-11-14T22:13:20""#), Some(1_700_000_000_000));
        assert_eq!((accessed_at("null"), accessed_at(r#""never""#)), (None, None));
    }

    #[test]
    fn an_invalid_institution_name_counts_as_absent() {
        let body = br#"{"institution":"Banco do Brasil, S.A.","status":"valid"}"#;
        assert_eq!(Link::read(body).unwrap().institution, None);
    }
}
