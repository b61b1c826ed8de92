//! Replaced members of objects: of another type, in another notation, or undocumented.

use std::{collections::BTreeMap, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{Control, ControlError};
use crate::{
    json::Members,
    locks::write,
    world::{World, catalogue::Resource, resources::links::LINKS},
};

/// The maximum number of variants of an object.
const MAX_VARIANTS: usize = 100;

type Given = BTreeMap<String, Box<RawValue>>;

impl Control {
    /// Replaces members of a link. `members` is a JSON object, which replaces earlier replacements.
    ///
    /// # Errors
    /// Returns an error if the link does not exist, or `members` is not a JSON object.
    pub fn set_link_members(&self, link: &str, members: &str) -> Result<(), ControlError> {
        let variants = parse(members)?;
        replace(&mut write(&self.app.world), link, (LINKS.number, 0), variants)
    }

    /// Replaces members of an object, also where it is embedded. An array of JSON objects holds variants: embedded copies alternate
    /// between them, and the object itself has the first.
    ///
    /// # Errors
    /// Returns an error if the link, resource or object does not exist, or `members` is neither a JSON object nor an array of them.
    pub fn set_members(&self, link: &str, resource: &str, id: &str, members: &str) -> Result<(), ControlError> {
        let resource = self.resource_of(link, resource)?;
        let variants = parse(members)?;
        let mut world = write(&self.app.world);
        let index = row_of(&world, link, resource, id).ok_or(ControlError::UnknownObject)?;
        replace(&mut world, link, (resource.number, index), variants)
    }
}

fn row_of(world: &World, link_id: &str, resource: &Resource, id: &str) -> Option<usize> {
    let (link, locator) = world.locate(id)?;
    let known = link.id == link_id && locator.resource == resource.number;
    (known && locator.index < link.table(resource).rows.len()).then_some(locator.index)
}

fn replace(
    world: &mut World,
    link: &str,
    place: (usize, usize),
    variants: Vec<Arc<Members>>,
) -> Result<(), ControlError> {
    let link = world.link_mut(link).ok_or(ControlError::UnknownLink)?;
    if variants.iter().all(|members| members.is_empty()) {
        link.replaced.remove(&place);
    } else {
        link.replaced.insert(place, variants);
    }
    Ok(())
}

fn parse(members: &str) -> Result<Vec<Arc<Members>>, ControlError> {
    let given: Vec<Given> = match read(members) {
        Ok(variants) => variants,
        Err(_) => vec![read(members)?],
    };
    if given.len() > MAX_VARIANTS {
        return Err(ControlError::TooMany);
    }
    let text = |(name, value): (String, Box<RawValue>)| (name, value.get().to_owned());
    Ok(given.into_iter().map(|members| Arc::new(members.into_iter().map(text).collect())).collect())
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, ControlError> {
    serde_json::from_str(text).map_err(|error| ControlError::Invalid(error.to_string()))
}
