//! The links of the examples in Belvo's documentation, with data for the webhooks in them.

use crate::{
    time::{Day, parse_timestamp},
    world::{
        Blueprint, World,
        catalogue::Sizes,
        resources::{
            institutions::{BANKS, Institution},
            transactions::TRANSACTIONS,
        },
    },
};

/// The link of the `historical_update` examples: 5 accounts and 19 transactions, 10 of them inflows, in one year.
pub(crate) const HISTORICAL_LINK: &str = "16f68516-bcbc-4cf7-b815-c500d4204e28";
/// The link of the `transactions_updated` examples. It is not hexadecimal, and neither are all of its transactions.
pub(crate) const UPDATED_LINK: &str = "0284557b-df47-450a-po09e-7875195c2259";
/// The transactions of [`UPDATED_LINK`].
pub(crate) const UPDATED_TRANSACTIONS: [&str; 5] = [
    "7d0afe4c-373d-490c-90e4-06xx4cdd4a17",
    "a53759bc-ca02-46f0-b1d5-31xxcd54db41",
    "64ecc7df-f322-4934-82f5-3b3ae675ef4a",
    "0452ae0d-ax2f-4093-888c-bb2ae826xa0b",
    "9c266fff-ee3d-4389-adb3-1c5690d3c032",
];
const EXTERNAL_ID: &str = "your_external_id";

pub(crate) fn add_documented_links(world: &mut World) {
    add(world, HISTORICAL_LINK, &BANKS[0], 5, 19);
    add(world, UPDATED_LINK, &BANKS[3], 2, UPDATED_TRANSACTIONS.len());
    for (index, id) in UPDATED_TRANSACTIONS.into_iter().enumerate() {
        world.document(UPDATED_LINK, &TRANSACTIONS, index, id);
    }
}

/// Adds a link whose data depends neither on the server's seed nor on the current day.
fn add(world: &mut World, id: &str, institution: &'static Institution, accounts: usize, transactions: usize) {
    let consents = usize::from(institution.open_finance());
    let named = [("ACCOUNTS", accounts), ("TRANSACTIONS", transactions), ("CONSENT", consents)];
    let sizes = Sizes { named: named.map(|(name, size)| (name.to_owned(), size)).into(), usual: 0 };
    let day = |text| Day::parse(text).unwrap_or(Day(0));
    let created = parse_timestamp("2024-01-03T18:20:11.402518Z").unwrap_or_default();
    world.add(Blueprint {
        id: id.into(),
        seed: 0,
        external_id: Some(EXTERNAL_ID.into()),
        institution,
        recurrent: true,
        fetch_resources: vec!["ACCOUNTS".into(), "TRANSACTIONS".into()],
        file_bytes: 0,
        created,
        history: (day("2023-01-03"), day("2024-01-03")),
    });
    if let Some(link) = world.link_mut(id) {
        link.fill(&sizes, created + 60_000_000);
        for resource in link.resources() {
            link.make_ready(resource);
        }
    }
}
