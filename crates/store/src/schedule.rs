//! Due times: which link or request the reconcile function has to look at, and when.
//!
//! Due times are in the index `gsi2`, in sixteen shards, so the reconcile function does not read the whole table. A run that
//! takes a link first moves its due time a little, in a conditional update. So two concurrent runs never take the same link,
//! and a link whose run dies is soon due again.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::schedule::{AccessMode, KnownLink, SyncedResource, refresh_rate};
use domain::{EpochMillis, LinkId, LinkStatus, RequestId, Resource};

use crate::attributes::{Item, n, number, s, text};
use crate::error::{StoreError, call_failed};
use crate::keys;
use crate::link_state::LinkState;
use crate::table::{Table, update_if_allowed};
use crate::update_expression::UpdateExpression;

/// The number of shards in `gsi2`.
pub const SHARDS: u8 = 16;

/// An entry of the schedule that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The link or request.
    pub what: DueItem,
    /// The due time.
    pub at: EpochMillis,
}

/// A link or a request that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueItem {
    /// A link. It may need a listing.
    Link(LinkId),
    /// A request. Belvo has sent no webhook for it.
    Request(RequestId),
}

impl Table {
    /// Returns at most `at_most` entries of a shard that are due, the earliest due time first.
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

    /// Returns what a schedule needs of a link. `None` if the table does not have the link, or if the link was deleted or
    /// erased.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn known_link(&self, link: &LinkId) -> Result<Option<KnownLink>, StoreError> {
        let Some(item) = self.link_item(link).await?.filter(|item| !is_final(item)) else { return Ok(None) };
        Ok(Some(known_link(&item, self.sync_schedule(link).await?)))
    }

    /// Moves a link's due time from `from` to `to`. Without `to`, the link is not due any more. Returns `false` if the due time
    /// is not `from`: another run has moved it.
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
        let mut expression = match to {
            Some(to) => UpdateExpression::default().set("gsi2sk", s(keys::due(to))),
            None => UpdateExpression::default().remove_due(),
        };
        if let Some(since) = overdue_since {
            expression = expression.set("overdue_since", n(since));
        }
        let expression = expression.condition("gsi2sk = :from").value(":from", s(keys::due(from)));
        Ok(update_if_allowed(expression.apply_to(self.update(keys::link(link)))).await?.is_some())
    }

    /// Postpones an entry until `to`, unless another run has moved it.
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
        update_if_allowed(update).await?;
        Ok(())
    }

    /// Makes a link due at `to`, unless it is due earlier.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn advance_due(&self, link: &LinkId, to: EpochMillis) -> Result<(), StoreError> {
        let expression = UpdateExpression::default()
            .set_due(link, to)
            .condition("attribute_exists(pk)")
            .condition("(attribute_not_exists(#gsi2sk) OR #gsi2sk > :gsi2sk)");
        self.update_link_unless(link, expression, &[LinkStatus::Erased, LinkStatus::Deleted]).await
    }
}

impl DueItem {
    /// Returns the id of the link, or the id of the request. Exactly one of them is present.
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

fn is_final(item: &Item) -> bool {
    LinkState::read(item).status.is_some_and(LinkStatus::is_final)
}

fn known_link(item: &Item, synced: Vec<SyncedResource>) -> KnownLink {
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
