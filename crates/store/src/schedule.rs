//! Due times: which link or request somebody has to look at, and when.
//!
//! They stand in the index `gsi2`, in sixteen shards, so that nobody reads the whole table. Whoever takes up a link first
//! moves its due time a little, conditionally: two runs at once do not both take it, and a run that dies leaves it due again
//! soon.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::schedule::{AccessMode, KnownLink, SyncedResource, refresh_rate};
use domain::{EpochMillis, LinkId, LinkStatus, ListedLink, RequestId, Resource};

use crate::attributes::{Item, n, number, s, text};
use crate::links::LinkState;
use crate::table::{call_failed, send_if_allowed};
use crate::update_expression::UpdateExpression;
use crate::{StoreError, Table, keys};

/// While a link's messages cannot be worked on, its status is asked for no more often.
const ASK_AGAIN_AFTER_MS: EpochMillis = 6 * 60 * 60 * 1_000;
/// How many shards the due times have.
pub const SHARDS: u8 = 16;

/// Something that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub what: DueItem,
    /// Since when.
    pub at: EpochMillis,
}

/// What can be due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueItem {
    /// A link may have to be listed.
    Link(LinkId),
    /// A request at Belvo has not been answered.
    Request(RequestId),
}

/// How a link that Belvo lists compares with what the table knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discovery {
    /// The table had never heard of it.
    pub is_new: bool,
    /// Belvo gives another status than the table has, and nobody asked for it lately: the webhook that said so was lost, or
    /// is on its way.
    pub has_other_status: bool,
}

/// Where discovery goes on in Belvo's list of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscoveryCursor {
    /// The page, counted from 1.
    pub page: u64,
    /// Links a page. None before Belvo's page size is known.
    pub page_size: Option<u32>,
    /// How many pages before this one Belvo did not give, one after the other.
    pub failed_pages: u32,
}

impl Table {
    /// What is due in a shard, the longest overdue first.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn due(&self, shard: u8, now: EpochMillis, at_most: i32) -> Result<Vec<Due>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name("gsi2")
            .key_condition_expression("gsi2pk = :shard AND gsi2sk <= :now")
            .expression_attribute_values(":shard", s(keys::shard(shard)))
            .expression_attribute_values(":now", s(keys::due(now)))
            .limit(at_most);
        let output = query.send().await.map_err(|error| call_failed(&error))?;
        Ok(output.items().iter().filter_map(Due::read).collect())
    }

    /// What a schedule has to know of a link. None when the table does not know the link, or will never store anything of
    /// it again.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn known_link(&self, link: &LinkId) -> Result<Option<KnownLink>, StoreError> {
        let Some(item) = self.link_item(link).await?.filter(|item| !is_final(item)) else { return Ok(None) };
        Ok(Some(known(&item, self.synced(link).await?)))
    }

    /// Moves a link's due time, if nobody else has moved it since it was `from`; without `to`, the link is not due any more.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn move_due(
        &self,
        link: &LinkId,
        from: EpochMillis,
        to: Option<EpochMillis>,
        overdue_since: Option<EpochMillis>,
    ) -> Result<bool, StoreError> {
        let expression = match to {
            Some(to) => UpdateExpression::default().set("gsi2sk", s(keys::due(to))),
            None => UpdateExpression::default().remove("gsi2pk").remove("gsi2sk"),
        };
        let expression = match overdue_since {
            Some(since) => expression.set("overdue_since", n(since)),
            None => expression,
        };
        let update = self.update(keys::link(link)).update_expression(expression.text());
        let (names, values) = expression.names_and_values();
        let update = update
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .condition_expression("gsi2sk = :from")
            .expression_attribute_values(":from", s(keys::due(from)));
        Ok(send_if_allowed(update).await?.is_some())
    }

    /// Makes what is due wait until `to`, if nobody has moved it meanwhile.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn postpone(&self, due: &Due, to: EpochMillis) -> Result<(), StoreError> {
        let key = match &due.what {
            DueItem::Link(link) => keys::link(link),
            DueItem::Request(request) => keys::request(request),
        };
        let update = self
            .update(key)
            .update_expression("SET gsi2sk = :to")
            .condition_expression("gsi2sk = :from")
            .expression_attribute_values(":to", s(keys::due(to)))
            .expression_attribute_values(":from", s(keys::due(due.at)));
        send_if_allowed(update).await?;
        Ok(())
    }

    /// Makes a link due at this time, unless it is due earlier.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn advance_due(&self, link: &LinkId, to: EpochMillis) -> Result<(), StoreError> {
        let update = self
            .update(keys::link(link))
            .update_expression("SET gsi2pk = :shard, gsi2sk = :to")
            .condition_expression(
                "attribute_exists(pk) AND (attribute_not_exists(gsi2sk) OR gsi2sk > :to) \
                 AND (attribute_not_exists(#status) OR NOT #status IN (:erased, :deleted))",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":shard", s(keys::reconcile_shard(link.as_str())))
            .expression_attribute_values(":to", s(keys::due(to)))
            .expression_attribute_values(":erased", s("erased"))
            .expression_attribute_values(":deleted", s("deleted"));
        send_if_allowed(update).await?;
        Ok(())
    }

    /// Takes down what Belvo says of a link, and makes it due when that is new.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn upsert_discovered(
        &self,
        listed: &ListedLink,
        due_at: EpochMillis,
        now: EpochMillis,
    ) -> Result<Discovery, StoreError> {
        let there = self.link_item(&listed.id).await?;
        let is_new = there.is_none();
        let there = there.unwrap_or_default();
        if is_final(&there) {
            return Ok(Discovery { is_new, has_other_status: false });
        }
        let known = LinkState::read(&there);
        // Belvo has it, so it is not gone (any more).
        let is_back = known.status == Some(LinkStatus::Gone);
        let status = if is_back { LinkStatus::Active } else { known.status.unwrap_or(LinkStatus::Active) };
        let consent = known.consent.map(|known| known.consent);
        let asked_lately = number(&there, "status_asked_at").is_some_and(|at| now < at + ASK_AGAIN_AFTER_MS);
        let has_other_status =
            !asked_lately && listed.access.is_some_and(|access| access.with_consent(consent) != status);
        let facts = facts(listed);
        let is_known = facts.iter().all(|(name, value)| there.get(*name) == value.as_ref())
            && (listed.external_id.is_none() || listed.external_id.as_deref() == text(&there, "external_id"));
        if is_known && !is_back && there.contains_key("known_since") {
            return Ok(Discovery { is_new, has_other_status });
        }
        let due_at = text(&there, "gsi2sk").and_then(|due| due.parse().ok()).map_or(due_at, |due| due_at.min(due));
        let mut expression = UpdateExpression::default()
            .set_if_absent("known_since", n(now))
            .set("gsi2pk", s(keys::reconcile_shard(listed.id.as_str())))
            .set("gsi2sk", s(keys::due(due_at)));
        let active = s(LinkStatus::Active.as_str());
        expression =
            if is_back { expression.set("status", active) } else { expression.set_if_absent("status", active) };
        for (name, value) in facts {
            expression = expression.set_or_remove(name, value);
        }
        if let Some(external_id) = &listed.external_id {
            expression = expression.of_customer(external_id, &listed.id);
        }
        self.update_unless(&listed.id, expression, &[LinkStatus::Erased, LinkStatus::Deleted]).await?;
        Ok(Discovery { is_new, has_other_status })
    }

    /// Notes that a link's status is going to be read back, so that nobody asks for it again for some hours.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn record_status_check(&self, link: &LinkId, now: EpochMillis) -> Result<(), StoreError> {
        let expression = UpdateExpression::default().set("status_asked_at", n(now));
        self.update_unless(link, expression, &[LinkStatus::Erased, LinkStatus::Deleted]).await
    }

    /// Where discovery goes on.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn discovery_cursor(&self) -> Result<DiscoveryCursor, StoreError> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(keys::discovery())).consistent_read(true);
        let item = get.send().await.map_err(|error| call_failed(&error))?.item.unwrap_or_default();
        let read = |name| number(&item, name);
        Ok(DiscoveryCursor {
            page: read("page").and_then(|page| page.try_into().ok()).unwrap_or(1),
            page_size: read("page_size").and_then(|size| size.try_into().ok()),
            failed_pages: read("failed_pages").and_then(|pages| pages.try_into().ok()).unwrap_or_default(),
        })
    }

    /// Stores where discovery is to go on.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn set_discovery_cursor(&self, place: DiscoveryCursor) -> Result<(), StoreError> {
        let expression = UpdateExpression::default()
            .set("page", n(place.page))
            .set_or_remove("page_size", place.page_size.map(n))
            .set("failed_pages", n(place.failed_pages));
        let update = self.update(keys::discovery()).update_expression(expression.text());
        let (names, values) = expression.names_and_values();
        let update = update.set_expression_attribute_names(Some(names)).set_expression_attribute_values(Some(values));
        update.send().await.map_err(|error| call_failed(&error))?;
        Ok(())
    }
}

impl DueItem {
    /// The id of the link, and of the request: one of the two.
    #[must_use]
    pub fn ids(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Link(link) => (Some(link.as_str()), None),
            Self::Request(request) => (None, Some(request.as_str())),
        }
    }
}

impl Due {
    fn read(item: &Item) -> Option<Self> {
        let pk = text(item, "pk")?;
        let link = pk.strip_prefix("LINK#").and_then(|id| LinkId::parse(id).ok()).map(DueItem::Link);
        let request = || pk.strip_prefix("REQUEST#").and_then(|id| RequestId::parse(id).ok()).map(DueItem::Request);
        Some(Self { what: link.or_else(request)?, at: text(item, "gsi2sk")?.parse().ok()? })
    }
}

/// Nothing is stored any more of a link that ended so.
fn is_final(item: &Item) -> bool {
    LinkState::read(item).status.is_some_and(LinkStatus::is_final)
}

fn known(item: &Item, synced: Vec<SyncedResource>) -> KnownLink {
    let fetched = item.get("fetch_resources").and_then(|list| list.as_l().ok());
    let resource = |word: &AttributeValue| Resource::of_webhook_type(word.as_s().ok()?);
    KnownLink {
        access_mode: text(item, "access_mode").and_then(AccessMode::parse),
        refresh_rate: text(item, "refresh_rate").and_then(refresh_rate),
        fetch_resources: fetched.into_iter().flatten().filter_map(resource).collect(),
        known_since: number(item, "known_since").unwrap_or_default(),
        last_event_at: number(item, "last_event_at"),
        overdue_since: number(item, "overdue_since"),
        is_lost: text(item, "status") == Some(LinkStatus::Gone.as_str()),
        synced,
    }
}

/// What a schedule needs of what Belvo says; an attribute without a value is to go.
fn facts(listed: &ListedLink) -> [(&'static str, Option<AttributeValue>); 3] {
    let resources = || AttributeValue::L(listed.fetch_resources.iter().map(s).collect());
    [
        ("access_mode", listed.access_mode.as_ref().map(s)),
        ("refresh_rate", listed.refresh_rate.as_ref().map(s)),
        ("fetch_resources", (!listed.fetch_resources.is_empty()).then(resources)),
    ]
}
