//! The actions, parsed from the input.

use belvo::{Accepted, Client, SubmitError};
use domain::{LinkId, Resource, sha256_hex};
use serde_json::{Map, Value, json};

use crate::input::{Input, InvalidInput, required, wrong};
use crate::retrievals::Retrieval;
use crate::widget;

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

impl Action {
    /// Parses an input.
    pub(crate) fn parse(input: Value) -> Result<Self, InvalidInput> {
        let mut input = Input::read(input)?;
        let action = match required("action", input.text("action")?)?.as_str() {
            "retrieve" => retrieve(&mut input)?,
            "refresh_link" => refresh_link(&mut input)?,
            "delete_link" => Self::Order(Order {
                link: input.link_id()?,
                work: Work::DeleteLink,
                idempotency_key: input.idempotency_key()?,
            }),
            "widget_token" => Self::WidgetToken(widget::options(&mut input)?),
            "resync" => resync(&mut input)?,
            _ => {
                return Err(wrong("action", "must be retrieve, widget_token, refresh_link, delete_link or resync"));
            }
        };
        input.end()?;
        Ok(action)
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
        let path = match &self.work {
            Work::Retrieve { retrieval, .. } => retrieval.path,
            Work::RefreshLink { .. } | Work::DeleteLink => "",
        };
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
        match self {
            Self::Retrieve { retrieval, .. } => Some(retrieval.resource),
            Self::RefreshLink { .. } | Self::DeleteLink => None,
        }
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
            Self::RefreshLink { fetch_resources } if fetch_resources.is_empty() => json!({}),
            Self::RefreshLink { fetch_resources } => json!({"fetch_resources": fetch_resources}),
            Self::DeleteLink => json!({}),
        }
    }
}

fn retrieve(input: &mut Input) -> Result<Action, InvalidInput> {
    let link = input.link_id()?;
    let retrieval = Retrieval::take(input)?;
    let parameters = retrieval.parameters(&link, input)?;
    let work = Work::Retrieve { retrieval, parameters };
    Ok(Action::Order(Order { link, work, idempotency_key: input.idempotency_key()? }))
}

fn refresh_link(input: &mut Input) -> Result<Action, InvalidInput> {
    let link = input.link_id()?;
    let work = Work::RefreshLink { fetch_resources: input.names("fetch_resources")? };
    Ok(Action::Order(Order { link, work, idempotency_key: input.idempotency_key()? }))
}

fn resync(input: &mut Input) -> Result<Action, InvalidInput> {
    let link = input.link_id()?;
    let known = |name: &String| {
        Resource::of_webhook_type(name).ok_or(wrong("resources", "must name resources that this release syncs"))
    };
    let resources = input.names("resources")?.iter().map(known).collect::<Result<_, _>>()?;
    Ok(Action::Resync { link, resources })
}
