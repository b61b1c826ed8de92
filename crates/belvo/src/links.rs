//! Belvo's list of links, with the refresh rate of each.

use domain::{LinkId, LinkStatus, ListedLink, moment_micros};
use serde_json::value::RawValue;

use crate::members::{elements, external_id, members, text};
use crate::{Client, Error, Page};

/// The number of links per page: Belvo's maximum.
const PAGE_SIZE: u32 = 1_000;
/// The minimum page size after Belvo sent fewer links than requested. It bounds the number of requests.
const MIN_PAGE_SIZE: u32 = 10;
/// The maximum length of a value such as `access_mode`, in bytes. Longer ones count as absent.
const MAX_WORD_BYTES: usize = 64;
/// The maximum number of entries of `fetch_resources` that are read.
const MAX_RESOURCES: usize = 64;
/// The members of a listed link that are read.
const MEMBERS: [&str; 7] =
    ["id", "status", "external_id", "access_mode", "refresh_rate", "fetch_resources", "created_at"];

/// A position in the list: page number, counted from 1, and page size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinksPage {
    number: u64,
    size: u32,
}

/// A page of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Links {
    /// The links with a usable id.
    pub links: Vec<ListedLink>,
    /// The number of links without a usable id.
    pub unreadable: usize,
    /// Whether another page follows.
    pub has_next: bool,
}

impl Client {
    /// Returns a page of the links that Belvo has for these credentials.
    ///
    /// # Errors
    /// [`Error`]; past the last page [`Error::NotFound`].
    pub async fn links(&self, page: LinksPage) -> Result<Links, Error> {
        let mut url = self.url("/api/links/")?;
        let (size, number) = (page.size.to_string(), page.number.to_string());
        url.query_pairs_mut().append_pair("page_size", &size).append_pair("page", &number);
        let page = self.page_at(url).await?;
        Ok(Links::read(&page))
    }
}

impl LinksPage {
    /// The first page of the list.
    pub const FIRST: Self = Self { number: 1, size: PAGE_SIZE };

    /// Returns the page with this number and size. Values outside of Belvo's bounds are clamped.
    #[must_use]
    pub fn new(number: u64, size: u32) -> Self {
        Self { number: number.max(1), size: size.clamp(1, PAGE_SIZE) }
    }

    /// Returns the page number, counted from 1.
    #[must_use]
    pub fn number(self) -> u64 {
        self.number
    }

    /// Returns the page size.
    #[must_use]
    pub fn size(self) -> u32 {
        self.size
    }

    /// Returns `true` for the first page of the list.
    #[must_use]
    pub fn is_first(self) -> bool {
        self.number == 1
    }

    /// Returns the following page, of the same size.
    #[must_use]
    pub fn behind(self) -> Self {
        Self { number: self.number.saturating_add(1), ..self }
    }

    /// Returns the page that follows, after this one had `count` links.
    ///
    /// A page with fewer links than requested, although another follows, shows that Belvo caps the page size. Later requests
    /// use that size, so that a later change of Belvo's cap does not move the position. Links may repeat; none is skipped.
    fn after_links(self, count: usize) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let size = if count == 0 { self.size } else { count.max(MIN_PAGE_SIZE).min(self.size) };
        Self { size, ..self.behind() }
    }
}

impl Links {
    pub(crate) fn read(page: &Page) -> Self {
        let links: Vec<_> = page.objects.iter().filter_map(|raw| link(raw)).collect();
        let unreadable = page.objects.len() - links.len();
        Self { links, unreadable, has_next: page.has_next }
    }

    /// Returns the page that follows, or `None` after the last.
    #[must_use]
    pub fn next(&self, this: LinksPage) -> Option<LinksPage> {
        self.has_next.then(|| this.after_links(self.links.len() + self.unreadable))
    }
}

/// Reads a listed link. Only a usable id is required; any other invalid member counts as absent.
fn link(raw: &RawValue) -> Option<ListedLink> {
    let [id, status, external, access_mode, refresh_rate, resources, created_at] = members(raw.get(), MEMBERS)?;
    let words = elements(resources).into_iter().filter_map(|resource| word(Some(resource)));
    Some(ListedLink {
        id: LinkId::parse(&text(id)?).ok()?,
        access: text(status).as_deref().and_then(LinkStatus::from_belvo),
        external_id: external_id(external),
        access_mode: word(access_mode),
        refresh_rate: word(refresh_rate),
        fetch_resources: words.take(MAX_RESOURCES).collect(),
        created_at: text(created_at).as_deref().and_then(moment_micros).map(|micros| micros / 1_000),
    })
}

/// Reads a short text such as a status. Any other value counts as absent.
fn word(value: Option<&RawValue>) -> Option<String> {
    text(value).filter(|text| (1..=MAX_WORD_BYTES).contains(&text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_without_a_usable_id_is_counted_and_the_others_are_read() {
        let objects = [
            r#"{"id":"l-1","external_id":null,"access_mode":"recurrent","refresh_rate":"24h","new":1.10,
                "fetch_resources":["ACCOUNTS"],"created_at":"2022-02-09T08:45:50.406032Z"}"#,
            r#"{"id":"a/b"}"#,
            r#"{"id":"l-2","status":"token_required"}"#,
        ];
        let objects = objects.map(|json| serde_json::from_str(json).unwrap()).into();
        let links = Links::read(&Page { count: Some(3), has_next: true, has_foreign_next: false, objects });
        assert_eq!((links.unreadable, links.has_next, links.links.len()), (1, true, 2));
        let first = &links.links[0];
        assert_eq!((first.refresh_rate.as_deref(), first.created_at), (Some("24h"), Some(1_644_396_350_406)));
        assert_eq!(first.fetch_resources, ["ACCOUNTS"]);
        assert_eq!((&links.links[1].access_mode, &links.links[1].fetch_resources), (&None, &Vec::new()));
        assert_eq!((first.access, links.links[1].access), (None, Some(LinkStatus::TokenRequired)));
    }

    #[test]
    fn an_invalid_optional_member_counts_as_absent() {
        for odd in ["12345", "24.5", "true", "null", "[null]", r#"{"name":"x"}"#, r#""\ud800""#, r#""""#] {
            let json = format!(
                r#"{{"id":"l-1","status":{odd},"external_id":{odd},"access_mode":{odd},"refresh_rate":{odd},
                    "institution":{{"name":"x"}},"fetch_resources":{odd},"created_at":{odd},"created_at":{odd}}}"#
            );
            let found = link(&serde_json::from_str::<Box<RawValue>>(&json).unwrap()).expect(odd);
            let is_bare = found.access.is_none() && found.external_id.is_none() && found.access_mode.is_none();
            assert!(is_bare && found.refresh_rate.is_none() && found.created_at.is_none(), "{odd}");
            assert_eq!((found.id.as_str(), found.fetch_resources.len()), ("l-1", 0), "{odd}");
        }
    }

    #[test]
    fn only_invalid_resources_are_skipped() {
        let json = r#"{"id":"l-1","fetch_resources":[null,"ACCOUNTS",7,["OWNERS"],"TRANSACTIONS"]}"#;
        let found = link(&serde_json::from_str::<Box<RawValue>>(json).unwrap()).unwrap();
        assert_eq!(found.fetch_resources, ["ACCOUNTS", "TRANSACTIONS"]);
    }

    #[test]
    fn a_link_with_an_invalid_id_is_counted_as_unreadable() {
        for id in ["7", "null", "[]", r#""""#, r#""a","id":"b""#] {
            let object = serde_json::from_str::<Box<RawValue>>(&format!(r#"{{"id":{id}}}"#)).unwrap();
            assert!(link(&object).is_none(), "{id}");
        }
    }

    /// Returns the links that are read from a list whose page size Belvo caps.
    fn read_with_caps(links: usize, cap: impl Fn(u64) -> u32) -> Vec<usize> {
        let mut found = Vec::new();
        let mut page = Some(LinksPage::FIRST);
        while let Some(this) = page {
            let size = this.size().min(cap(this.number())) as usize;
            let begin = (usize::try_from(this.number()).unwrap() - 1) * size;
            let given = begin.min(links)..(begin + size).min(links);
            let objects =
                given.clone().map(|n| serde_json::from_str(&format!(r#"{{"id":"l-{n}"}}"#)).unwrap()).collect();
            found.extend(given.clone());
            let page_read =
                Page { count: Some(links as u64), has_next: given.end < links, has_foreign_next: false, objects };
            page = Links::read(&page_read).next(this);
        }
        found
    }

    #[test]
    fn a_page_size_that_belvo_caps_skips_no_link() {
        assert_eq!(read_with_caps(450, |_| 100), (0..450).collect::<Vec<_>>());
        assert_eq!(read_with_caps(35, |_| 7).len(), 35, "below the minimum page size");
        let lifted = |number| if number < 3 { 100 } else { 1_000 };
        assert_eq!(read_with_caps(450, lifted), (0..450).collect::<Vec<_>>());
        let mut lowered = read_with_caps(450, |number| if number < 3 { 100 } else { 30 });
        lowered.sort_unstable();
        lowered.dedup();
        assert_eq!(lowered, (0..450).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_page_before_another_is_skipped_and_keeps_the_page_size() {
        let empty = Links { links: Vec::new(), unreadable: 0, has_next: true };
        assert_eq!(empty.next(LinksPage::new(2, 100)), Some(LinksPage::new(3, 100)));
        assert_eq!(Links { has_next: false, ..empty }.next(LinksPage::FIRST), None);
    }
}
