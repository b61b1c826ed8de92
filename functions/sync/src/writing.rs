//! Writing what one answer of Belvo's holds.

use std::sync::{Mutex, PoisonError};

use domain::Record;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::value::RawValue;
use store::{Pass, StoreTrouble, Table, Upsert};

use crate::failure::Failure;
use crate::tally::Tally;

/// Writes under way at once. One link is one partition of the table, about 1,000 writes a second.
const CONCURRENT_WRITES: usize = 32;

/// Writes the objects of a page under a pass's stamp, once it is certain that no other pass has begun.
pub(crate) async fn write_page(
    table: &Table,
    pass: &Pass,
    objects: &[Box<RawValue>],
    tally: &Mutex<Tally>,
) -> Result<(), Failure> {
    fence(table, pass).await?;
    let writes = objects
        .iter()
        .filter_map(|raw| read(pass, raw, tally))
        .map(|record| write(table, pass, record, tally));
    stream::iter(writes)
        .buffer_unordered(CONCURRENT_WRITES)
        .try_collect::<()>()
        .await?;
    Ok(())
}

/// Stops a pass that has been overtaken.
pub(crate) async fn fence(table: &Table, pass: &Pass) -> Result<(), Failure> {
    if table.is_newest(pass).await? {
        Ok(())
    } else {
        Err(Failure::Overtaken)
    }
}

fn read(pass: &Pass, raw: &RawValue, tally: &Mutex<Tally>) -> Option<Record> {
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    if let Ok((record, _account)) = Record::read(pass.resource, raw) {
        tally.found(&record);
        return Some(record);
    }
    tally.unreadable();
    None
}

async fn write(table: &Table, pass: &Pass, record: Record, tally: &Mutex<Tally>) -> Result<(), StoreTrouble> {
    let id = record.id.clone();
    let upsert: Upsert = table.upsert(&pass.link, pass.resource, record, pass.stamp).await?;
    tally.lock().unwrap_or_else(PoisonError::into_inner).stored(id, upsert);
    Ok(())
}
