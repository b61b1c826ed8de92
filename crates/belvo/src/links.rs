//! Belvo's list of links: which there are, and how often Belvo refreshes them.

use domain::{LinkId, LinkStatus, ListedLink, moment_micros};
use serde_json::value::RawValue;

use crate::members::{elements, members, text};
use crate::{Client, Error, Page};

/// Links a page; Belvo's largest.
const PAGE_SIZE: u32 = 1_000;
/// Fewer links a page are not asked for, however few came: the list would take too many requests.
const SMALLEST_PAGE_SIZE: u32 = 10;
/// Longer words of Belvo's are not kept.
const MAX_WORD: usize = 64;
/// More resources than this of one link are not kept.
const MAX_RESOURCES: usize = 64;
/// A longer external id is not kept; Belvo's own limit is far below.
const MAX_EXTERNAL_ID: usize = 512;
/// The members of a link that are read.
const MEMBERS: [&str; 7] =
    ["id", "status", "external_id", "access_mode", "refresh_rate", "fetch_resources", "created_at"];

/// A place in the list: the page with this number, counted from 1, of pages of this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinksPage {
    number: u64,
    size: u32,
}

/// One page of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Links {
    /// The links that can be read.
    pub links: Vec<ListedLink>,
    /// How many cannot: their ids are none that we could store under.
    pub unreadable: usize,
    /// Does another page follow?
    pub has_next: bool,
}

impl Client {
    /// One page of all links that Belvo has for these credentials.
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
    /// The beginning of the list.
    pub const FIRST: Self = Self { number: 1, size: PAGE_SIZE };

    /// The page with this number, of pages of this size. Numbers and sizes that Belvo does not know become the nearest one.
    #[must_use]
    pub fn new(number: u64, size: u32) -> Self {
        Self { number: number.max(1), size: size.clamp(1, PAGE_SIZE) }
    }

    /// The page's number, counted from 1.
    #[must_use]
    pub fn number(self) -> u64 {
        self.number
    }

    /// How many links are asked for.
    #[must_use]
    pub fn size(self) -> u32 {
        self.size
    }

    /// Does the list begin here?
    #[must_use]
    pub fn is_first(self) -> bool {
        self.number == 1
    }

    /// The page behind this one, whatever this one holds.
    #[must_use]
    pub fn behind(self) -> Self {
        Self { number: self.number.saturating_add(1), ..self }
    }

    /// The page behind this one, after it gave so many links.
    ///
    /// Fewer than were asked for, though another page follows, means that Belvo's pages are smaller. From then on pages of
    /// that size are asked for, so that no later change of Belvo's limit moves the place. What was read may come again; no
    /// link is left out.
    fn behind_links(self, given: usize) -> Self {
        let given = u32::try_from(given).unwrap_or(u32::MAX);
        let size = if given == 0 { self.size } else { given.max(SMALLEST_PAGE_SIZE).min(self.size) };
        Self { size, ..self.behind() }
    }
}

impl Links {
    pub(crate) fn read(page: &Page) -> Self {
        let links: Vec<_> = page.objects.iter().filter_map(|raw| link(raw)).collect();
        let unreadable = page.objects.len() - links.len();
        Self { links, unreadable, has_next: page.has_next }
    }

    /// The page behind this one, if Belvo says that another follows.
    #[must_use]
    pub fn next(&self, this: LinksPage) -> Option<LinksPage> {
        self.has_next.then(|| this.behind_links(self.links.len() + self.unreadable))
    }
}

/// Reads a link of the list. Only an id that can be stored is demanded; any other member that is odd counts as absent.
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

fn word(value: Option<&RawValue>) -> Option<String> {
    text(value).filter(|text| (1..=MAX_WORD).contains(&text.len()))
}

/// Reads an external id. One with U+FFFD is not what the customer wrote: something on the way replaced it.
pub(crate) fn external_id(value: Option<&RawValue>) -> Option<String> {
    text(value).filter(|id| (1..=MAX_EXTERNAL_ID).contains(&id.len()) && !id.contains('\u{fffd}'))
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
    fn an_odd_optional_member_counts_as_absent_and_the_link_is_found() {
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
    fn of_several_resources_only_the_odd_ones_are_left_out() {
        let json = r#"{"id":"l-1","fetch_resources":[null,"ACCOUNTS",7,["OWNERS"],"TRANSACTIONS"]}"#;
        let found = link(&serde_json::from_str::<Box<RawValue>>(json).unwrap()).unwrap();
        assert_eq!(found.fetch_resources, ["ACCOUNTS", "TRANSACTIONS"]);
    }

    #[test]
    fn a_link_whose_id_is_odd_is_counted_as_unreadable() {
        for id in ["7", "null", "[]", r#""""#, r#""a","id":"b""#] {
            let object = serde_json::from_str::<Box<RawValue>>(&format!(r#"{{"id":{id}}}"#)).unwrap();
            assert!(link(&object).is_none(), "{id}");
        }
    }

    /// The links of the list that are read when Belvo gives no more than so many a page.
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
    fn a_page_size_that_belvo_caps_loses_no_link() {
        assert_eq!(read_with_caps(450, |_| 100), (0..450).collect::<Vec<_>>());
        assert_eq!(read_with_caps(35, |_| 7).len(), 35, "fewer than are asked for at least");
        let lifted = |number| if number < 3 { 100 } else { 1_000 };
        assert_eq!(read_with_caps(450, lifted), (0..450).collect::<Vec<_>>());
        let mut lowered = read_with_caps(450, |number| if number < 3 { 100 } else { 30 });
        lowered.sort_unstable();
        lowered.dedup();
        assert_eq!(lowered, (0..450).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_page_before_another_is_passed_over_and_changes_no_size() {
        let empty = Links { links: Vec::new(), unreadable: 0, has_next: true };
        assert_eq!(empty.next(LinksPage::new(2, 100)), Some(LinksPage::new(3, 100)));
        assert_eq!(Links { has_next: false, ..empty }.next(LinksPage::FIRST), None);
    }
}
