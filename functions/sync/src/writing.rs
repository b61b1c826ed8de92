//! Writing what one answer of Belvo's holds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::{ObjectId, Record, sha256_hex};
use serde_json::value::RawValue;
use store::{Pass, Table};

use crate::failure::Failure;
use crate::joined;
use crate::tally::Tally;

/// Writes of one page that are under way at once. One link is one partition of the table, about 1,000 writes a second.
pub(crate) const WRITES_AT_ONCE: usize = 16;

/// Writes objects of a page under a pass's stamp, once it is certain that no other pass has begun. When it `compares`, a
/// record that would only change its stamp is not written. Gives the ids, in their order.
pub(crate) async fn write_objects(
    table: &Table,
    pass: &Pass,
    page: u64,
    objects: Vec<Box<RawValue>>,
    compares: bool,
    tally: &Mutex<Tally>,
) -> Result<Vec<ObjectId>, Failure> {
    let records: Vec<Record> = objects.iter().filter_map(|raw| read(pass, page, raw, tally)).collect();
    drop(objects);
    let ids: Vec<ObjectId> = records.iter().map(|record| record.id.clone()).collect();
    // On a resource's first load nothing stands in the table: then the question is not worth its price, and the
    // conditions of the writes hold all the same.
    let known = if compares { table.known(&pass.link, pass.resource, &ids).await? } else { HashMap::new() };
    fence(table, pass).await?;
    let is_unchanged = |record: &Record| known.get(&record.id).is_some_and(|known| known.makes_unchanged(record));
    let (unchanged, changed): (Vec<_>, Vec<_>) = records.into_iter().partition(is_unchanged);
    tally.lock().unwrap_or_else(PoisonError::into_inner).counts.unchanged += unchanged.len() as u64;
    let writes = changed.into_iter().map(|record| write(table, pass, record, tally));
    joined::all(writes, WRITES_AT_ONCE, |()| ()).await?;
    Ok(ids)
}

/// One digest for the ids of a page, in their order.
pub(crate) fn digest<'a>(ids: impl Iterator<Item = &'a ObjectId>) -> String {
    sha256_hex(ids.map(ObjectId::as_str).collect::<Vec<_>>().join(",").as_bytes())
}

/// Stops a pass that has been overtaken.
pub(crate) async fn fence(table: &Table, pass: &Pass) -> Result<(), Failure> {
    if table.is_newest(pass).await? { Ok(()) } else { Err(Failure::Overtaken) }
}

fn read(pass: &Pass, page: u64, raw: &RawValue, tally: &Mutex<Tally>) -> Option<Record> {
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    if let Ok((record, account)) = Record::read(pass.resource, raw) {
        tally.note(page, &record, account);
        return Some(record);
    }
    tally.unreadable(page);
    None
}

async fn write(table: &Table, pass: &Pass, record: Record, tally: &Mutex<Tally>) -> Result<(), Failure> {
    let id = record.id.clone();
    let upsert = table.upsert(&pass.link, pass.resource, record, pass.stamp).await?;
    tally.lock().unwrap_or_else(PoisonError::into_inner).stored(id, upsert);
    Ok(())
}
