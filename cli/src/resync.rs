//! Listing again: one link, or all that Belvo has.
//!
//! A resync goes through the same queue and engine as a webhook, behind whatever of the link is waiting there. Doing it
//! twice is harmless. All links are taken from Belvo's own list, page by page, at a pace that leaves the queue room for
//! what comes in. Each page is named when it begins, and in the error that ends it: there it goes on. A page that Belvo does not
//! give holds back no other; what is missing is said at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use belvo::LinksPage;
use clap::Args;
use domain::{LinkId, ListedLink, Message, Resource, Source, now};
use serde_json::json;
use store::{StoreError, Table};

use crate::LinkArgument;
use crate::error::{Error, failed};
use crate::link_pages::{LinkPages, options};
use crate::output::Output;
use crate::stack::Stack;

/// What to list again.
#[derive(Debug, Args)]
pub(crate) struct Resync {
    /// These links.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    link_ids: Vec<LinkArgument>,
    /// Every link that Belvo has.
    #[arg(long)]
    all: bool,
    /// Only this resource, such as TRANSACTIONS; may be given more than once. Otherwise all that is synced of the link or that
    /// Belvo loads of it.
    #[arg(long = "resource", value_name = "RESOURCE", value_parser = resource)]
    resources: Vec<&'static Resource>,
    /// With --all: begin with this page of Belvo's list.
    #[arg(long, default_value_t = 1, requires = "all", value_parser = clap::value_parser!(u64).range(1..))]
    page: u64,
    /// With --page: its size, where a command that was broken off names one.
    #[arg(long, default_value_t = 1_000, requires = "all", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    page_size: u32,
    /// With --all: so many links a minute.
    #[arg(long, default_value_t = 60, requires = "all", value_parser = clap::value_parser!(u32).range(1..=6_000))]
    per_minute: u32,
}

pub(crate) fn resource(word: &str) -> Result<&'static Resource, String> {
    Resource::of_webhook_type(word)
        .ok_or_else(|| "no resource of Belvo's that is synced; write it like TRANSACTIONS".to_owned())
}

pub(crate) async fn run(stack: &Stack, output: &Output, resync: &Resync) -> Result<(), Error> {
    let table = Table::new(stack.dynamodb.clone(), stack.table_name.clone());
    if resync.all {
        return all(stack, output, &table, resync).await;
    }
    for LinkArgument(link) in &resync.link_ids {
        let resources = resources(&table, link, &resync.resources, &[]).await?;
        if resources.is_empty() {
            return Err(Error::Input(format!(
                "nothing of {link} is synced yet: name what to list, as in --resource ACCOUNTS --resource TRANSACTIONS"
            )));
        }
        enqueue(stack, link, &resources).await?;
        let words = format!("{link}: {} are going to be listed.", resources.join(", "));
        output.result(&words, &json!({ "link_id": link.as_str(), "resources": resources }));
    }
    Ok(())
}

async fn all(stack: &Stack, output: &Output, table: &Table, resync: &Resync) -> Result<(), Error> {
    let mut pages = LinkPages::new(belvo(stack).await?, LinksPage::new(resync.page, resync.page_size));
    let pause = Duration::from_mins(1) / resync.per_minute;
    let bar = output.progress("asking Belvo for its links");
    let (mut links, mut last) = (0, resync.page);
    while let Some(page) = pages.upcoming() {
        // Not only in the progress, which no file and no program sees.
        let (number, options) = (page.number(), options(page));
        let words = format!("page {number}, after {links} links; to go on here after a break: {options}");
        bar.suspend(|| output.note(&words, &json!({ "page": number, "links": links })));
        let Some(found) = pages.read().await? else { continue };
        last = last.max(number);
        for listed in &found.links {
            bar.set_message(format!("page {number}: {links} links"));
            match queue_one(stack, table, listed, &resync.resources).await {
                Ok(true) => {
                    links += 1;
                    tokio::time::sleep(pause).await;
                }
                Ok(false) => {}
                // That the table's items of one link cannot be read is no reason to stop for the others.
                Err(Error::Table(StoreError::Unreadable(_))) => pages.leave_out(1),
                Err(error) => return Err(pages.at(page)(error)),
            }
        }
    }
    bar.finish_and_clear();
    output.result(&format!("{links} links are going to be listed."), &json!({ "links": links, "pages": last }));
    pages.finish(*output)
}

/// Has a link listed, if there is anything to list of it.
async fn queue_one(
    stack: &Stack,
    table: &Table,
    listed: &ListedLink,
    asked: &[&'static Resource],
) -> Result<bool, Error> {
    let resources = resources(table, &listed.id, asked, &listed.fetch_resources).await?;
    if resources.is_empty() {
        return Ok(false);
    }
    enqueue(stack, &listed.id, &resources).await?;
    Ok(true)
}

/// What to list of a link: what was asked for, or else what the table syncs and what Belvo loads.
async fn resources(
    table: &Table,
    link: &LinkId,
    asked: &[&'static Resource],
    fetched: &[String],
) -> Result<Vec<&'static str>, Error> {
    if !asked.is_empty() {
        return Ok(asked.iter().map(|resource| resource.webhook_type).collect());
    }
    let synced = table.synced_resources(link).await?;
    let fetched = fetched.iter().filter_map(|word| Resource::of_webhook_type(word));
    let all: BTreeSet<_> = synced.into_iter().chain(fetched).map(|resource| resource.webhook_type).collect();
    Ok(all.into_iter().collect())
}

async fn enqueue(stack: &Stack, link: &LinkId, resources: &[&str]) -> Result<(), Error> {
    let key = || format!("resync-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let listing = |resource: &&str| Message::listing_of(Source::Resync, link, resource, now(), key());
    let messages: Vec<_> = resources.iter().filter_map(listing).collect();
    Ok(stack.queue.send(&messages).await?)
}

/// A client with the stack's own key.
pub(crate) async fn belvo(stack: &Stack) -> Result<belvo::Client, Error> {
    let read = stack.secrets.get_secret_value().secret_id(stack.output("BelvoSecretArn")?);
    let output = read.send().await.map_err(failed("Secrets Manager"))?;
    let text = output.secret_string().unwrap_or_default();
    let credentials = belvo::credentials(text).map_err(|_| Error::SecretMalformed)?;
    let base_url = stack.parameter("BelvoBaseUrl").unwrap_or_default();
    belvo::Client::new(base_url, credentials, belvo::Limits::default()).map_err(|error| Error::Input(error.to_string()))
}
