//! Lists: filters, order and pages.
//!
//! Pages are numbered, as Belvo's are. There is no snapshot: an object that is added or deleted between two pages moves all that
//! follow. A scan does not render rows; only the rows of the page are rendered.

use crate::{
    api::filter::Filter,
    call::Call,
    config::{IdIn, Order, Settings, UnknownLink},
    error::ApiError,
    faults::View,
    json::{Object, Projection, Put},
    time::now_micros,
    world::{
        Link, Place, World,
        catalogue::{Holding, Kind, Resource, Written},
    },
};

const DEFAULT_PAGE_SIZE: usize = 100;
const MAX_PAGE_SIZE: usize = 1_000;

/// The parsed query of a list.
pub(crate) struct ListQuery {
    filters: Vec<Filter>,
    page: usize,
    page_size: usize,
    projection: Projection,
}

/// A page before rendering.
struct Page<'w> {
    count: usize,
    places: Vec<Place<'w>>,
}

/// Which of the matching objects: `size` from `offset` on, in an order in which the first `shift` have moved to the end and the
/// first `doubled` stand twice.
#[derive(Clone, Copy)]
struct Window {
    order: Order,
    offset: usize,
    size: usize,
    shift: usize,
    doubled: usize,
}

impl ListQuery {
    fn parse(resource: &Resource, call: &Call, settings: &Settings, view: View) -> Result<Self, ApiError> {
        if let Some(required) = resource.required.filter(|name| call.parameter(name).is_none_or(str::is_empty)) {
            return Err(ApiError::required(&[required]));
        }
        let size = call.parameter("page_size").and_then(|size| size.parse::<i64>().ok());
        let page_size =
            size.map_or(DEFAULT_PAGE_SIZE, |size| usize::try_from(size).unwrap_or(1).clamp(1, MAX_PAGE_SIZE));
        if settings.max_page_size_before_408 > 0 && page_size > settings.max_page_size_before_408 {
            return Err(ApiError::timeout());
        }
        let caps = [settings.page_size_cap, view.page_size_cap].into_iter().filter(|cap| *cap > 0);
        Ok(Self {
            filters: filters(resource, call, settings)?,
            page: call.page(),
            page_size: caps.fold(page_size, usize::min),
            projection: projection(call),
        })
    }
}

/// Returns the response body of a list.
pub(crate) fn list(
    world: &World,
    resource: &'static Resource,
    call: &Call,
    base_url: &str,
    settings: &Settings,
    view: View,
) -> Result<String, ApiError> {
    let query = ListQuery::parse(resource, call, settings, view)?;
    let missing = call.parameter("link").is_some_and(|link| world.link(link).is_none());
    match settings.unknown_link {
        UnknownLink::DoesNotExist if missing => return Err(ApiError::unknown_link()),
        UnknownLink::NotFound if missing => return Err(ApiError::not_found()),
        _ => {}
    }
    let offset = query.page.checked_sub(1).ok_or_else(ApiError::invalid_page)?.saturating_mul(query.page_size);
    let View { shift, doubled_rows: doubled, .. } = view;
    let window = Window { order: settings.order, offset, size: query.page_size, shift, doubled };
    let lag = i64::try_from(settings.stale_reads_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
    let page = select(world, resource, &query.filters, window, now_micros().saturating_sub(lag));
    if offset > 0 && offset >= page.count {
        return Err(ApiError::invalid_page());
    }
    let url = |number: usize| format!("{base_url}{}?{}", call.path, with_page(&call.query, number));
    let more = offset.saturating_add(query.page_size) < page.count;
    let mut out = String::new();
    Object::write(&mut out, None, |body| {
        body.put("count", page.count);
        body.put("next", more.then(|| url(query.page + 1)));
        body.put("previous", (query.page > 1).then(|| url(query.page - 1)));
        body.put("results", Rendered { resource, places: &page.places, projection: &query.projection });
    });
    Ok(out)
}

/// Renders an object as `/{id}/` returns it.
pub(crate) fn one(resource: &Resource, place: Place<'_>, call: &Call, written: &mut Written) -> String {
    let mut out = String::new();
    Object::write(&mut out, Some(&projection(call)), |object| resource.write_object(place, object, written));
    out
}

/// An array of objects, rendered when it is written.
struct Rendered<'a> {
    resource: &'a Resource,
    places: &'a [Place<'a>],
    projection: &'a Projection,
}

impl Put for Rendered<'_> {
    fn put(self, out: &mut String) {
        let mut written = Written::new();
        out.push('[');
        for (position, place) in self.places.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            Object::write(out, Some(self.projection), |object| {
                self.resource.write_object(*place, object, &mut written);
            });
        }
        out.push(']');
    }
}

fn filters(resource: &Resource, call: &Call, settings: &Settings) -> Result<Vec<Filter>, ApiError> {
    let mut filters = Vec::new();
    for (parameter, value) in &call.parameters {
        let Some((column, operator)) = resource.filter(parameter) else {
            continue;
        };
        match (column.kind, settings.id_in) {
            (Kind::Undocumented, IdIn::Ignored) => {}
            (Kind::Undocumented, IdIn::BadRequest) => return Err(ApiError::invalid(parameter, "Unknown filter.")),
            _ => filters.push(Filter::parse(column, operator, parameter, value)?),
        }
    }
    Ok(filters)
}

fn projection(call: &Call) -> Projection {
    let names = |list: &str| list.split(',').map(|name| name.trim().to_owned()).collect();
    Projection {
        fields: call.parameter("fields").map(names),
        omit: call.parameter("omit").map(names).unwrap_or_default(),
    }
}

/// Selects the matching objects of a page.
fn select<'w>(world: &'w World, resource: &Resource, filters: &[Filter], window: Window, seen_at: i64) -> Page<'w> {
    match resource.holding {
        Holding::Links if window.order == Order::Id => cut(world.links_by_id().map(Link::own_place), filters, window),
        Holding::Links => cut(by_creation(world.links().map(Link::own_place).collect()), filters, window),
        Holding::Shared => cut(rows(world.shared(), resource, Order::Creation, seen_at), filters, window),
        Holding::PerLink => select_of_links(world, resource, filters, window, seen_at),
    }
}

fn select_of_links<'w>(
    world: &'w World,
    resource: &Resource,
    filters: &[Filter],
    window: Window,
    seen_at: i64,
) -> Page<'w> {
    let of_link = |filter: &&Filter| filter.column.name == "link";
    let wanted = |link: &&Link| filters.iter().filter(of_link).all(|filter| filter.passes(link.own_place()));
    let links: Vec<&Link> = world.links().filter(wanted).filter(|link| link.table(resource).ready).collect();
    match links.as_slice() {
        [link]
            if window.shift == 0
                && window.doubled == 0
                && filters.iter().all(|filter| of_link(&filter))
                && link.table(resource).gone == 0 =>
        {
            page_without_scan(link, resource, window)
        }
        [link] => cut(rows(link, resource, window.order, seen_at), filters, window),
        links => {
            let places: Vec<_> = links.iter().flat_map(|link| rows(link, resource, Order::Creation, seen_at)).collect();
            match window.order {
                Order::Id => cut(by_id(places, resource), filters, window),
                Order::Creation => cut(by_creation(places), filters, window),
            }
        }
    }
}

/// Returns a page without a scan: no object was deleted and no filter applies.
fn page_without_scan<'w>(link: &'w Link, resource: &Resource, window: Window) -> Page<'w> {
    let table = link.table(resource);
    let count = table.rows.len();
    let end = window.offset.saturating_add(window.size).min(count);
    let row = |position| link.place(resource, table.at(position, window.order));
    Page { count, places: (window.offset.min(end)..end).filter_map(row).collect() }
}

fn rows<'w>(link: &'w Link, resource: &Resource, order: Order, seen_at: i64) -> impl Iterator<Item = Place<'w>> {
    let table = link.table(resource);
    let number = resource.number;
    let place = move |position| {
        let index = table.at(position, order);
        Place { link, row: &table.rows[index], seed: table.seed, resource: number, index }
    };
    (0..table.rows.len()).map(place).filter(move |place| place.row.listed(seen_at))
}

fn by_creation(mut places: Vec<Place<'_>>) -> impl Iterator<Item = Place<'_>> {
    places.sort_by_key(|place| (place.row.created, place.link.number, place.index));
    places.into_iter()
}

fn by_id<'w>(mut places: Vec<Place<'w>>, resource: &Resource) -> impl Iterator<Item = Place<'w>> {
    places.sort_by_cached_key(|place| (resource.id)(*place));
    places.into_iter()
}

/// Counts the matching objects and keeps those in the window. The window may wrap around to the rows that moved to the end.
fn cut<'w>(places: impl Iterator<Item = Place<'w>>, filters: &[Filter], window: Window) -> Page<'w> {
    let Window { offset, size, shift, doubled, .. } = window;
    let start = offset.saturating_add(shift);
    let (mut count, mut moved, mut kept) = (0, Vec::new(), Vec::new());
    let matching = places.filter(|place| filters.iter().all(|filter| filter.passes(*place))).enumerate();
    let copies = |(position, place)| std::iter::repeat_n(place, if position < doubled { 2 } else { 1 });
    for place in matching.flat_map(copies) {
        if count < shift {
            moved.push(place);
        }
        if count >= start && kept.len() < size {
            kept.push(place);
        }
        count += 1;
    }
    let room = count.saturating_sub(offset).min(size).saturating_sub(kept.len());
    let already = start.saturating_sub(count.max(shift));
    kept.extend(moved.into_iter().skip(already).take(room));
    Page { count, places: kept }
}

/// Returns the query with another page number and everything else unchanged.
fn with_page(query: &str, number: usize) -> String {
    let others = query.split('&').filter(|pair| !pair.is_empty() && *pair != "page" && !pair.starts_with("page="));
    let mut pairs: Vec<String> = others.map(str::to_owned).collect();
    if number > 1 {
        pairs.push(format!("page={number}"));
    }
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_keeps_the_query_as_it_was_sent() {
        assert_eq!(with_page("link=a%2Cb&page=2&page_size=10", 3), "link=a%2Cb&page_size=10&page=3");
        assert_eq!(with_page("link=a&page=2", 1), "link=a");
        assert_eq!(with_page("", 2), "page=2");
    }
}
