//! The command `resync`: lists links again.
//!
//! A resync uses the same queue and sync function as a webhook, behind the waiting messages of the link. It is
//! idempotent. With `--all` the command walks Belvo's own list of links, at a rate that leaves the queue room for
//! webhooks. It reports each page that it begins, and an error names the page to resume at.

use std::collections::BTreeSet;
use std::time::Duration;

use belvo::LinksPage;
use domain::{LinkId, ListedLink, Message, Resource, Source, now};
use serde_json::json;
use store::{StoreError, Table};

use crate::arguments;
use crate::error::Error;
use crate::link_pages::{LinkPages, options};
use crate::output::Output;
use crate::stack::Stack;

/// The arguments of `resync`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The links to list again.
    #[arg(required_unless_present = "all", conflicts_with = "all", value_parser = arguments::link_id)]
    link_ids: Vec<LinkId>,
    /// All links at Belvo.
    #[arg(long)]
    all: bool,
    /// Only this resource, such as TRANSACTIONS; repeatable. By default, all resources of the link that the table syncs
    /// or that Belvo loads.
    #[arg(long = "resource", value_name = "RESOURCE", value_parser = arguments::resource)]
    resources: Vec<&'static Resource>,
    /// With --all: the page of Belvo's list to start at.
    #[arg(long, default_value_t = 1, requires = "all", value_parser = clap::value_parser!(u64).range(1..))]
    page: u64,
    /// With --page: the page size that an interrupted command reported.
    #[arg(long, default_value_t = 1_000, requires = "all", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    page_size: u32,
    /// With --all: the maximum number of links per minute.
    #[arg(long, default_value_t = 60, requires = "all", value_parser = clap::value_parser!(u32).range(1..=6_000))]
    per_minute: u32,
}

/// Sends the messages that list the links again.
pub(crate) async fn run(stack: &Stack, output: Output, arguments: &Arguments) -> Result<(), Error> {
    let table = stack.table();
    if arguments.all {
        return all(stack, output, &table, arguments).await;
    }

    for link in &arguments.link_ids {
        let resources = resources(&table, link, &arguments.resources, &[]).await?;
        if resources.is_empty() {
            return Err(Error::Input(format!(
                "nothing of {link} is synced yet: name the resources, as in --resource ACCOUNTS --resource TRANSACTIONS"
            )));
        }
        send(stack, link, &resources).await?;
        let text = format!("{link}: queued the listing of {}.", resources.join(", "));
        output.result(&text, &json!({ "link_id": link.as_str(), "resources": resources }));
    }
    Ok(())
}

async fn all(stack: &Stack, output: Output, table: &Table, arguments: &Arguments) -> Result<(), Error> {
    let mut pages = LinkPages::new(stack.belvo().await?, LinksPage::new(arguments.page, arguments.page_size));
    let pause = Duration::from_mins(1) / arguments.per_minute;
    let bar = output.progress("listing the links at Belvo");
    let (mut links, mut last_page) = (0, arguments.page);
    while let Some(page) = pages.upcoming() {
        let (number, options) = (page.number(), options(page));
        // The progress alone would be lost where standard error is a file.
        let text = format!("page {number}, after {links} links; to resume after an interruption: {options}");
        bar.suspend(|| output.note(&text, &json!({ "page": number, "links": links })));

        let Some(found) = pages.read().await? else { continue };
        last_page = last_page.max(number);
        for listed in &found.links {
            bar.set_message(format!("page {number}: {links} links"));
            match resync_listed(stack, table, listed, &arguments.resources).await {
                Ok(true) => {
                    links += 1;
                    tokio::time::sleep(pause).await;
                }
                Ok(false) => {}
                // Unreadable items of one link do not stop the resync of the others.
                Err(Error::Table(StoreError::Unreadable(_))) => pages.skip_link(),
                Err(error) => return Err(pages.at(page)(error)),
            }
        }
    }
    bar.finish_and_clear();

    output.result(&format!("Queued the listing of {links} links."), &json!({ "links": links, "pages": last_page }));
    pages.finish(output)
}

/// Sends the messages for a link of Belvo's list. Returns `false` if there is nothing to list.
async fn resync_listed(
    stack: &Stack,
    table: &Table,
    link: &ListedLink,
    requested: &[&'static Resource],
) -> Result<bool, Error> {
    let resources = resources(table, &link.id, requested, &link.fetch_resources).await?;
    if resources.is_empty() {
        return Ok(false);
    }
    send(stack, &link.id, &resources).await?;
    Ok(true)
}

/// Returns the resources to list: the requested ones, or else those that the table syncs and those that Belvo loads.
async fn resources(
    table: &Table,
    link: &LinkId,
    requested: &[&'static Resource],
    loaded: &[String],
) -> Result<Vec<&'static str>, Error> {
    if !requested.is_empty() {
        return Ok(requested.iter().map(|resource| resource.webhook_type).collect());
    }
    let synced = table.synced_resources(link).await?;
    let loaded = loaded.iter().filter_map(|name| Resource::of_webhook_type(name));
    let all: BTreeSet<_> = synced.into_iter().chain(loaded).map(|resource| resource.webhook_type).collect();
    Ok(all.into_iter().collect())
}

async fn send(stack: &Stack, link: &LinkId, resources: &[&str]) -> Result<(), Error> {
    let key = || format!("resync-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let listing = |resource: &&str| Message::listing_of(Source::Resync, link, resource, now(), key());
    let messages: Vec<_> = resources.iter().filter_map(listing).collect();
    Ok(stack.queue.send(&messages).await?)
}
