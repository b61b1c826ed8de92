//! Belvo's list of links: which there are, and how often Belvo refreshes them.

use domain::{LinkId, LinkStatus, ListedLink, moment_micros};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::page::object;
use crate::{Client, Error, Page};

/// Links a page; Belvo's largest.
const PAGE_SIZE: u32 = 1_000;
/// Longer words of Belvo's are not kept.
const MAX_WORD: usize = 64;
/// More resources than this of one link are not kept.
const MAX_RESOURCES: usize = 64;
/// A longer external id is not kept; Belvo's own limit is far below.
pub(crate) const MAX_EXTERNAL_ID: usize = 512;

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

#[derive(Deserialize)]
struct Object {
    id: String,
    status: Option<String>,
    external_id: Option<String>,
    access_mode: Option<String>,
    refresh_rate: Option<String>,
    fetch_resources: Option<Vec<String>>,
    created_at: Option<String>,
}

impl Client {
    /// One page of all links that Belvo has for these credentials, counted from 1.
    ///
    /// # Errors
    /// [`Error`]; past the last page [`Error::NotFound`].
    pub async fn links(&self, number: u64) -> Result<Links, Error> {
        let mut url = self.url("/api/links/")?;
        let page_size = PAGE_SIZE.to_string();
        url.query_pairs_mut().append_pair("page_size", &page_size).append_pair("page", &number.to_string());
        let page = self.page_at(url).await?;
        Ok(Links::read(&page))
    }
}

impl Links {
    pub(crate) fn read(page: &Page) -> Self {
        let links: Vec<_> = page.objects.iter().filter_map(|raw| link(raw)).collect();
        let unreadable = page.objects.len() - links.len();
        Self { links, unreadable, has_next: page.has_next }
    }
}

fn link(raw: &RawValue) -> Option<ListedLink> {
    let object: Object = object(raw.get().as_bytes())?;
    let word = |text: &String| (1..=MAX_WORD).contains(&text.len());
    let resources = object.fetch_resources.unwrap_or_default().into_iter().filter(word).take(MAX_RESOURCES);
    Some(ListedLink {
        id: LinkId::parse(&object.id).ok()?,
        access: object.status.as_deref().and_then(LinkStatus::of_belvo),
        external_id: object.external_id.filter(|id| (1..=MAX_EXTERNAL_ID).contains(&id.len())),
        access_mode: object.access_mode.filter(word),
        refresh_rate: object.refresh_rate.filter(word),
        fetch_resources: resources.collect(),
        created_at: object.created_at.as_deref().and_then(moment_micros).map(|micros| micros / 1_000),
    })
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
        let links = Links::read(&Page { count: Some(3), has_next: true, has_odd_next: false, objects });
        assert_eq!((links.unreadable, links.has_next, links.links.len()), (1, true, 2));
        let first = &links.links[0];
        assert_eq!((first.refresh_rate.as_deref(), first.created_at), (Some("24h"), Some(1_644_396_350_406)));
        assert_eq!(first.fetch_resources, ["ACCOUNTS"]);
        assert_eq!((&links.links[1].access_mode, &links.links[1].fetch_resources), (&None, &Vec::new()));
        assert_eq!((first.access, links.links[1].access), (None, Some(LinkStatus::TokenRequired)));
    }
}
