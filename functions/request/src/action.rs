//! The actions, parsed from the input.

use belvo::{Accepted, Client, SubmitError};
use domain::{LinkId, Resource, sha256_hex};
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::{Map, Value, json};

use crate::input::{Fields, Id, InvalidInput, Link, Names, wrong};
use crate::retrievals::Retrieval;
use crate::widget::WidgetToken;

/// An action.
#[derive(Debug)]
pub(crate) enum Action {
    /// Changes something at Belvo.
    Order(Order),
    /// Requests a token for the Connect widget, with these options.
    WidgetToken(Map<String, Value>),
    /// Lists these resources of the link again, or all that are synced.
    Resync { link: LinkId, resources: Vec<&'static Resource> },
}

/// Work for Belvo that is sent at most once.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) link: LinkId,
    pub(crate) work: Work,
    /// The caller's idempotency key.
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Work {
    Retrieve { retrieval: &'static Retrieval, parameters: Map<String, Value> },
    RefreshLink { fetch_resources: Vec<String> },
    DeleteLink,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshLink {
    link_id: Link,
    #[serde(default)]
    fetch_resources: Names,
    idempotency_key: Option<Id>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteLink {
    link_id: Link,
    idempotency_key: Option<Id>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resync {
    link_id: Link,
    #[serde(default)]
    resources: Names,
}

impl Action {
    /// Parses an input.
    pub(crate) fn parse(input: Value) -> Result<Self, InvalidInput> {
        let mut fields = Fields::of(input)?;
        let action = fields.take("action")?.ok_or(InvalidInput::missing_field("action"))?;
        match action.as_str() {
            "retrieve" => {
                let (retrieval, retrieve) = Retrieval::parse(fields)?;
                let work = Work::Retrieve { retrieval, parameters: retrieval.parameters(&retrieve)? };
                Ok(Self::order(retrieve.link_id, work, retrieve.idempotency_key))
            }
            "refresh_link" => {
                let RefreshLink { link_id, fetch_resources, idempotency_key } = fields.parse()?;
                Ok(Self::order(link_id, Work::RefreshLink { fetch_resources: fetch_resources.0 }, idempotency_key))
            }
            "delete_link" => {
                let DeleteLink { link_id, idempotency_key } = fields.parse()?;
                Ok(Self::order(link_id, Work::DeleteLink, idempotency_key))
            }
            "widget_token" => Ok(Self::WidgetToken(fields.parse::<WidgetToken>()?.options()?)),
            "resync" => {
                let Resync { link_id, resources } = fields.parse()?;
                let problem = "must name resources that this release syncs";
                let known = |name: &String| Resource::of_webhook_type(name).ok_or(wrong("resources", problem));
                let resources = resources.0.iter().map(known).collect::<Result<_, _>>()?;
                Ok(Self::Resync { link: link_id.0, resources })
            }
            _ => Err(wrong("action", "must be retrieve, widget_token, refresh_link, delete_link or resync")),
        }
    }

    fn order(Link(link): Link, work: Work, key: Option<Id>) -> Self {
        Self::Order(Order { link, work, idempotency_key: key.map(|key| key.0) })
    }

    /// Returns the value of `action` in the input.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Order(order) => order.work.name(),
            Self::WidgetToken(_) => "widget_token",
            Self::Resync { .. } => "resync",
        }
    }

    pub(crate) fn link(&self) -> Option<&LinkId> {
        match self {
            Self::Order(Order { link, .. }) | Self::Resync { link, .. } => Some(link),
            Self::WidgetToken(_) => None,
        }
    }
}

impl Order {
    /// Sends the order in a single attempt.
    pub(crate) async fn send(&self, belvo: &Client) -> Result<Accepted, SubmitError> {
        match &self.work {
            Work::Retrieve { retrieval, parameters } => belvo.retrieve(retrieval.path, parameters).await,
            Work::RefreshLink { fetch_resources } => belvo.refresh_link(&self.link, fetch_resources).await,
            Work::DeleteLink => belvo.delete_link(&self.link).await,
        }
    }

    /// Returns a hash that is equal for equal orders.
    pub(crate) fn fingerprint(&self) -> String {
        let path = if let Work::Retrieve { retrieval, .. } = &self.work { retrieval.path } else { "" };
        let order = json!([self.work.name(), self.link.as_str(), path, self.work.parameters()]);
        sha256_hex(order.to_string().as_bytes())
    }
}

impl Work {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Retrieve { .. } => "retrieve",
            Self::RefreshLink { .. } => "refresh_link",
            Self::DeleteLink => "delete_link",
        }
    }

    /// Returns the resource that a retrieval fetches.
    pub(crate) fn resource(&self) -> Option<&'static str> {
        if let Self::Retrieve { retrieval, .. } = self { Some(retrieval.resource) } else { None }
    }

    /// Returns the resources for which a webhook must arrive before the request is complete.
    pub(crate) fn awaited(&self) -> &[String] {
        match self {
            Self::RefreshLink { fetch_resources } => fetch_resources,
            Self::Retrieve { .. } | Self::DeleteLink => &[],
        }
    }

    /// Returns the parameters that Belvo receives.
    pub(crate) fn parameters(&self) -> Value {
        match self {
            Self::Retrieve { parameters, .. } => Value::Object(parameters.clone()),
            Self::RefreshLink { fetch_resources: names } if !names.is_empty() => json!({"fetch_resources": names}),
            Self::RefreshLink { .. } | Self::DeleteLink => json!({}),
        }
    }
}
