//! Object ids that encode the position of their object.
//!
//! An id holds the link's tag, the resource and the row, mixed by a bijection and formatted as a version 4 UUID, so a million
//! transactions need no table of ids. A lookup decodes the id and checks that the position encodes to the same id.

use crate::random::{mix, unmix};

/// The number of bits of the tag of a link.
pub(crate) const TAG_BITS: u32 = 28;
const RESOURCE_BITS: u32 = 6;
const INDEX_BITS: u32 = 64 - TAG_BITS - RESOURCE_BITS;
/// The maximum number of rows of a resource, bounded by the bits of the index.
pub(crate) const MAX_ROWS: usize = 1 << INDEX_BITS;

const FILL: u64 = 0x5bd1_e995_7b93_a1c7;

/// The position of an object: the link's tag, the resource's number in the catalogue, the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Locator {
    pub(crate) tag: u64,
    pub(crate) resource: usize,
    pub(crate) index: usize,
}

impl Locator {
    pub(crate) fn to_uuid(self) -> String {
        uuid_from(self.order())
    }

    /// Returns a number that orders positions as their ids order as text.
    pub(crate) fn order(self) -> u64 {
        let packed =
            (self.tag << (RESOURCE_BITS + INDEX_BITS)) | ((self.resource as u64) << INDEX_BITS) | self.index as u64;
        mix(packed)
    }

    /// Decodes an id. Returns `None` unless [`Locator::to_uuid`] creates it.
    pub(crate) fn parse(id: &str) -> Option<Self> {
        let packed = unmix(bits_of(id)?);
        let place = Self {
            tag: packed >> (RESOURCE_BITS + INDEX_BITS),
            resource: usize::try_from((packed >> INDEX_BITS) & ((1 << RESOURCE_BITS) - 1)).ok()?,
            index: usize::try_from(packed & ((1 << INDEX_BITS) - 1)).ok()?,
        };
        (place.to_uuid() == id).then_some(place)
    }
}

/// Formats 64 bits as a UUID.
pub(crate) fn uuid_from(bits: u64) -> String {
    let fill = mix(bits ^ FILL);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 32,
        (bits >> 16) & 0xffff,
        0x4000 | ((bits >> 4) & 0xfff),
        0x8000 | ((bits & 0xf) << 10) | (fill >> 54),
        fill & 0xffff_ffff_ffff
    )
}

/// Returns the 64 bits of a UUID of [`uuid_from`].
fn bits_of(id: &str) -> Option<u64> {
    let hex = |range| u64::from_str_radix(id.get(range)?, 16).ok();
    let (low, middle, high, clock) = (hex(0..8)?, hex(9..13)?, hex(14..18)?, hex(19..23)?);
    Some(low << 32 | middle << 16 | (high & 0xfff) << 4 | (clock >> 10) & 0xf)
}

/// Returns a random UUID.
pub(crate) fn fresh_uuid() -> String {
    uuid_from(fastrand::u64(..))
}

/// Returns a random id in Belvo's other style: 32 hexadecimal digits without dashes.
pub(crate) fn fresh_hex() -> String {
    fresh_uuid().replace('-', "")
}

/// Returns an id with dashes, as in webhooks. Belvo uses both styles for the same id.
pub(crate) fn dashed(id: &str) -> String {
    let plain = id.replace('-', "");
    let part = |range| plain.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), plain.get(20..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_place() {
        let place = Locator { tag: (1 << TAG_BITS) - 1, resource: 3, index: 999_999 };
        assert_eq!(Locator::parse(&place.to_uuid()), Some(place));
    }

    #[test]
    fn places_order_as_their_ids() {
        let mut places: Vec<_> = (0..1_000).map(|index| Locator { tag: 7, resource: 3, index }).collect();
        places.sort_by_key(|place| place.order());
        assert!(places.is_sorted_by_key(|place| place.to_uuid()));
    }

    #[test]
    fn an_id_looks_like_a_version_4_uuid() {
        let id = Locator { tag: 1, resource: 2, index: 3 }.to_uuid();
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]), "{id}");
    }

    #[test]
    fn an_id_has_two_styles() {
        let uuid = fresh_uuid();
        assert_eq!(dashed(&uuid.replace('-', "")), uuid);
        assert_eq!(dashed(&uuid), uuid);
    }

    #[test]
    fn an_id_that_nobody_made_leads_nowhere() {
        for id in [
            "",
            "nonsense",
            "7d0afe4c-373d-490c-90e4-06xx4cdd4a17",
            "0d3ffb69-f83b-456e-ad8e-208d0998d71d",
            "ééééééééééééééééééé",
        ] {
            assert_eq!(Locator::parse(id), None, "{id}");
        }
    }
}
