//! The simulated data: links, and for each link the rows of each resource.
//!
//! A row holds only what the seed does not determine: when it was created, collected, changed and deleted. Rows are in order of
//! creation; each table also keeps an index by id. A deleted row keeps its place and can be restored.

pub(crate) mod catalogue;
mod columns;
mod loading;
mod place;
pub(crate) mod preset;
pub(crate) mod resources;
mod rows;
pub mod shapes;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{
    ids::{Locator, TAG_BITS, uuid_from},
    json::Members,
    random::{mix, seed_of},
    time::Day,
    world::{
        catalogue::{CATALOGUE, Resource},
        resources::institutions::{BANKS, INSTITUTIONS, Institution},
    },
};

pub(crate) use self::{
    place::Place,
    rows::{Row, Table},
};

/// The maximum number of links.
pub(crate) const MAX_LINKS: usize = 100_000;

/// A link with its data.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) number: u64,
    pub(crate) tag: u64,
    pub(crate) seed: u64,
    pub(crate) id: String,
    pub(crate) external_id: Option<String>,
    pub(crate) institution: &'static Institution,
    pub(crate) recurrent: bool,
    pub(crate) status: &'static str,
    pub(crate) fetch_resources: Vec<String>,
    /// The approximate size of documents (`pdf`, `xml`) in bytes.
    pub(crate) file_bytes: usize,
    /// Whether its objects cover everything that Belvo's schema allows.
    pub(crate) wild: bool,
    pub(crate) consent_expired: bool,
    /// When a client last requested a refresh.
    pub(crate) refreshed: i64,
    pub(crate) refresh_rate: &'static str,
    pub(crate) row: Row,
    /// The first and the last value date of the first load.
    pub(crate) history: (Day, Day),
    /// The rows of each resource, by its number in the catalogue.
    pub(crate) tables: Vec<Table>,
    /// Ids from Belvo's documentation in place of generated ones, by resource and row.
    pub(crate) documented: HashMap<(usize, usize), &'static str>,
    /// Replaced members, by resource and row. Copies of an object alternate between the variants.
    pub(crate) replaced: HashMap<(usize, usize), Vec<Arc<Members>>>,
    /// When Belvo wrote an unchanged object again, by resource and row.
    pub(crate) saved: HashMap<(usize, usize), i64>,
}

impl Link {
    pub(crate) fn table(&self, resource: &Resource) -> &Table {
        &self.tables[resource.number]
    }

    pub(crate) fn table_mut(&mut self, resource: &Resource) -> &mut Table {
        &mut self.tables[resource.number]
    }

    /// Updates the index by id of a resource. Call it after rows were added or ids changed.
    pub(crate) fn order_by_id(&mut self, resource: &Resource) {
        let table = &self.tables[resource.number];
        let mut by_id = table.by_id.clone();
        by_id.extend((by_id.len()..table.rows.len()).filter_map(|index| u32::try_from(index).ok()));
        let locator = |index: u32| Locator { tag: self.tag, resource: resource.number, index: index as usize };
        if self.documented.keys().any(|(number, _)| *number == resource.number) {
            by_id.sort_by_cached_key(|index| self.place(resource, *index as usize).map(resource.id));
        } else {
            // Stable, which is fast on rows that are sorted but for the new ones.
            by_id.sort_by_key(|index| locator(*index).order());
        }
        self.tables[resource.number].by_id = by_id;
    }

    /// Returns the object at a row, deleted or not.
    pub(crate) fn place(&self, resource: &Resource, index: usize) -> Option<Place<'_>> {
        let table = self.table(resource);
        let row = table.rows.get(index)?;
        Some(Place { link: self, row, seed: table.seed, resource: resource.number, index })
    }

    /// Returns the link itself as an object.
    pub(crate) fn own_place(&self) -> Place<'_> {
        Place { link: self, row: &self.row, seed: self.seed, resource: 0, index: 0 }
    }
}

/// The properties of a new link.
pub(crate) struct Blueprint {
    pub(crate) id: String,
    pub(crate) seed: u64,
    pub(crate) external_id: Option<String>,
    pub(crate) institution: &'static Institution,
    pub(crate) recurrent: bool,
    pub(crate) fetch_resources: Vec<String>,
    pub(crate) file_bytes: usize,
    pub(crate) created: i64,
    pub(crate) history: (Day, Day),
}

/// All simulated data.
pub(crate) struct World {
    pub(crate) seed: u64,
    links: BTreeMap<u64, Link>,
    /// The numbers of the links by id.
    numbers: BTreeMap<String, u64>,
    tags: HashMap<u64, u64>,
    documented: HashMap<&'static str, Locator>,
    /// Holds the objects that belong to no link.
    shared: Link,
    created: u64,
    pub(crate) rng: fastrand::Rng,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            links: BTreeMap::new(),
            numbers: BTreeMap::new(),
            tags: HashMap::new(),
            documented: HashMap::new(),
            shared: shared_link(),
            created: 0,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// Adds an empty link. Returns `false` if its id exists or there are too many links.
    pub(crate) fn add(&mut self, blueprint: Blueprint) -> bool {
        if self.numbers.contains_key(&blueprint.id) || self.links.len() >= MAX_LINKS {
            return false;
        }
        self.created += 1;
        let link = build(self.created, self.free_tag(&blueprint), blueprint);
        self.numbers.insert(link.id.clone(), link.number);
        self.tags.insert(link.tag, link.number);
        self.links.insert(link.number, link);
        true
    }

    /// Removes a link and its data. Returns `false` if it does not exist.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        let link = self.numbers.remove(id).and_then(|number| self.links.remove(&number));
        link.is_some_and(|link| self.tags.remove(&link.tag).is_some())
    }

    pub(crate) fn link(&self, id: &str) -> Option<&Link> {
        self.links.get(self.numbers.get(id)?)
    }

    pub(crate) fn link_mut(&mut self, id: &str) -> Option<&mut Link> {
        self.links.get_mut(self.numbers.get(id)?)
    }

    /// Returns the links in order of creation.
    pub(crate) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    pub(crate) fn links_by_id(&self) -> impl Iterator<Item = &Link> {
        self.numbers.values().filter_map(|number| self.links.get(number))
    }

    pub(crate) fn shared(&self) -> &Link {
        &self.shared
    }

    /// Returns the position of the object with this id, deleted or not.
    pub(crate) fn locate(&self, id: &str) -> Option<(&Link, Locator)> {
        let locator = self.documented.get(id).copied().or_else(|| Locator::parse(id))?;
        let link = self.links.get(self.tags.get(&locator.tag)?)?;
        let renamed = link.documented.get(&(locator.resource, locator.index)).is_some_and(|name| *name != id);
        (!renamed).then_some((link, locator))
    }

    /// Gives a row an id from Belvo's documentation.
    pub(crate) fn document(&mut self, link: &str, resource: &Resource, index: usize, id: &'static str) {
        let Some(link) = self.link_mut(link) else { return };
        link.documented.insert((resource.number, index), id);
        let locator = Locator { tag: link.tag, resource: resource.number, index };
        link.order_by_id(resource);
        self.documented.insert(id, locator);
    }

    /// Generates a free id for the next link.
    pub(crate) fn next_link_id(&self) -> String {
        let first = seed_of(self.seed, "link").wrapping_add(self.created);
        let mut ids = (0..).map(|attempt| uuid_from(mix(first.wrapping_add(attempt))));
        ids.find(|id| !self.numbers.contains_key(id)).unwrap_or_default()
    }

    /// Returns a free tag. It depends only on the link, so its object ids do too, unless another link has the same tag.
    fn free_tag(&self, blueprint: &Blueprint) -> u64 {
        let mask = (1 << TAG_BITS) - 1;
        let mut tag = seed_of(blueprint.seed, &blueprint.id) & mask;
        while self.tags.contains_key(&tag) {
            tag = (tag + 1) & mask;
        }
        tag
    }
}

fn build(number: u64, tag: u64, blueprint: Blueprint) -> Link {
    let seed = seed_of(blueprint.seed, &blueprint.id);
    let tables = CATALOGUE
        .iter()
        .map(|resource| Table { seed: seed_of(seed, resource.webhook_type), ..Table::default() })
        .collect();
    Link {
        number,
        tag,
        seed,
        id: blueprint.id,
        external_id: blueprint.external_id,
        institution: blueprint.institution,
        recurrent: blueprint.recurrent,
        status: "valid",
        fetch_resources: blueprint.fetch_resources,
        file_bytes: blueprint.file_bytes,
        wild: false,
        consent_expired: false,
        refreshed: i64::MIN,
        refresh_rate: "7d",
        row: Row::new(blueprint.created),
        history: blueprint.history,
        tables,
        documented: HashMap::new(),
        replaced: HashMap::new(),
        saved: HashMap::new(),
    }
}

fn shared_link() -> Link {
    let blueprint = Blueprint {
        id: String::new(),
        seed: 0,
        external_id: None,
        institution: &BANKS[0],
        recurrent: false,
        fetch_resources: Vec::new(),
        file_bytes: 0,
        created: 0,
        history: (Day(0), Day(0)),
    };
    let mut link = build(0, 0, blueprint);
    let table = link.table_mut(&INSTITUTIONS);
    table.rows = vec![Row::new(0); BANKS.len()];
    table.ready = true;
    link
}
