//! Asking for single objects, by their ids: the last word on whether one exists.
//!
//! A 404 is a deletion only when Belvo itself says `not_found` and, in the same pass, gives the link: with wrong
//! credentials or on a wrong host everything is "not found".

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use belvo::{Client, Error, Listing};
use domain::{ObjectId, Record};
use serde_json::value::RawValue;
use store::{Counts, Pass, PutResult, StoredRecord, Table, UpsertResult};
use tokio::sync::OnceCell;

use crate::concurrency;
use crate::embedded_accounts::EmbeddedAccounts;
use crate::error::JobError;
use crate::listing::write_page::{WRITES_AT_ONCE, fence};
use crate::query;

/// Requests under way at once.
const REQUESTS_AT_ONCE: usize = 4;
/// Ids in one `id__in`: 100 ids are about 3,700 characters of URL.
const IDS_PER_REQUEST: usize = 100;
/// Large enough for the answer to one `id__in`.
const MAX_PAGE_SIZE: u32 = 100;

/// One pass over some objects.
pub(crate) struct ObjectFetcher<'a> {
    belvo: &'a Client,
    table: &'a Table,
    pass: &'a Pass,
    known: HashMap<ObjectId, StoredRecord>,
    accounts: Mutex<EmbeddedAccounts>,
    link_exists: OnceCell<bool>,
    /// Is an object that Belvo cannot give left out? Otherwise it fails the message.
    pub(crate) leaves_out: bool,
}

/// What one request for several ids came to.
enum Given {
    /// The objects that came.
    Records(HashMap<ObjectId, Record>),
    /// Belvo refused the filter, or ignored it.
    FilterRefused,
    /// Belvo could not give these objects in one answer.
    NotTogether,
}

/// What asking for objects one by one came to.
pub(crate) struct Fetched {
    pub(crate) counts: Counts,
    /// The ids that were not dealt with, for want of time or because of the failure.
    pub(crate) left: Vec<ObjectId>,
    pub(crate) failure: Option<JobError>,
}

/// What listing objects by their ids came to.
pub(crate) struct Listed {
    pub(crate) counts: Counts,
    /// The ids that did not come: Belvo may not have them, or gave up on the filter.
    pub(crate) left: Vec<ObjectId>,
    /// Belvo refused or ignored the filter.
    pub(crate) gave_up: bool,
}

/// What became of one object.
#[derive(Clone, Copy)]
enum WriteResult {
    Written,
    Unchanged,
    /// An older tombstone stands there.
    Tombstoned,
    Stale,
    Deleted,
    Unreadable,
}

/// Makes tombstones of the ids, without asking.
pub(crate) async fn tombstone_all(table: &Table, pass: &Pass, ids: &[ObjectId]) -> Result<Counts, JobError> {
    fence(table, pass).await?;
    let mut counts = Counts::default();
    let burials = ids.iter().map(|id| tombstone(table, pass, id));
    concurrency::for_each(burials, WRITES_AT_ONCE, |fate| count(&mut counts, fate)).await?;
    Ok(counts)
}

async fn tombstone(table: &Table, pass: &Pass, id: &ObjectId) -> Result<WriteResult, JobError> {
    let written = table.tombstone(&pass.link, pass.resource, id, pass.token, domain::now()).await?;
    Ok(fate(written, WriteResult::Deleted))
}

impl<'a> ObjectFetcher<'a> {
    /// Reads what the table knows of the objects that will be asked for.
    pub(crate) async fn prepare(
        belvo: &'a Client,
        table: &'a Table,
        pass: &'a Pass,
        ids: &[ObjectId],
    ) -> Result<Self, JobError> {
        let known = table.stored_records(&pass.link, pass.resource, ids).await?;
        Ok(Self {
            belvo,
            table,
            pass,
            known,
            accounts: Mutex::default(),
            link_exists: OnceCell::new(),
            leaves_out: false,
        })
    }

    /// Stores the accounts that the objects embed.
    pub(crate) async fn store_accounts(self) -> Result<Counts, JobError> {
        self.accounts.into_inner().unwrap_or_else(PoisonError::into_inner).store(self.table, self.pass).await
    }

    /// Asks for each id and stores what comes; an id that Belvo does not have becomes a tombstone. Nothing new is begun
    /// after `until` or after a failure.
    pub(crate) async fn fetch_each(&self, ids: &[ObjectId], until: Instant) -> Fetched {
        let mut counts = Counts::default();
        let mut done = HashSet::new();
        // The first few are begun in any case: then there is progress, however late it is.
        let work = ids.iter().enumerate().take_while(|(begun, _)| *begun < REQUESTS_AT_ONCE || Instant::now() < until);
        let begun = Cell::new(0);
        let work = work.map(|(number, id)| {
            begun.set(number + 1);
            async move { Ok((id, self.fetch(id).await?)) }
        });
        let take = |(id, fate)| {
            done.insert(id);
            count(&mut counts, fate);
        };
        let failure = concurrency::for_each(work, REQUESTS_AT_ONCE, take).await.err();
        // What failed comes last, so that it does not hold back the others.
        let (begun, waiting) = ids.split_at(begun.get());
        let left = waiting.iter().chain(begun).filter(|id| !done.contains(id)).cloned().collect();
        Fetched { counts, left, failure }
    }

    /// Asks for many ids at once with `id__in`, as long as Belvo answers that.
    pub(crate) async fn fetch_listed(&self, ids: &[ObjectId]) -> Result<Listed, JobError> {
        let mut listed = Listed { counts: Counts::default(), left: Vec::new(), gave_up: false };
        for (number, chunk) in ids.chunks(IDS_PER_REQUEST).enumerate() {
            let given = match self.list_ids(chunk).await? {
                Given::Records(given) => given,
                Given::FilterRefused => {
                    listed.gave_up = true;
                    listed.left.extend_from_slice(&ids[number * IDS_PER_REQUEST..]);
                    return Ok(listed);
                }
                Given::NotTogether => {
                    listed.left.extend_from_slice(chunk);
                    continue;
                }
            };
            listed.counts.pages += 1;
            listed.left.extend(chunk.iter().filter(|id| !given.contains_key(id)).cloned());
            fence(self.table, self.pass).await?;
            let writes = given.into_iter().map(|(id, record)| async move { Ok((id, self.upsert(record).await?)) });
            let Listed { counts, left, .. } = &mut listed;
            // A list can lag: what it says of a deleted object is asked for by its id.
            let take =
                |(id, fate)| if matches!(fate, WriteResult::Tombstoned) { left.push(id) } else { count(counts, fate) };
            concurrency::for_each(writes, WRITES_AT_ONCE, take).await?;
        }
        Ok(listed)
    }

    /// One list of these ids. Belvo's firewall may refuse a filter that its schema lacks: that is no rate limit.
    async fn list_ids(&self, ids: &[ObjectId]) -> Result<Given, JobError> {
        match self.belvo.page(&self.listing(ids), 1).await {
            Ok(page) => {
                let given = self.by_id(&page.objects);
                let asked: HashSet<_> = ids.iter().collect();
                let is_filtered = given.keys().all(|id| asked.contains(id));
                Ok(if is_filtered { Given::Records(given) } else { Given::FilterRefused })
            }
            Err(Error::RefusedByEdge | Error::Refused { status: 400 | 403 | 414, .. }) => Ok(Given::FilterRefused),
            Err(Error::Malformed(_) | Error::TooLarge(_) | Error::TimedOut) => Ok(Given::NotTogether),
            Err(Error::Unavailable(_)) if self.leaves_out => Ok(Given::NotTogether),
            Err(error) => Err(error.into()),
        }
    }

    fn listing(&self, ids: &[ObjectId]) -> Listing {
        let ids = ids.iter().map(ObjectId::as_str).collect::<Vec<_>>().join(",");
        Listing {
            path: self.pass.resource.path,
            link: self.pass.link.clone(),
            filters: [query::omit(self.pass.resource), vec![("id__in", ids)]].concat(),
            page_size: MAX_PAGE_SIZE,
        }
    }

    fn by_id(&self, objects: &[Box<RawValue>]) -> HashMap<ObjectId, Record> {
        objects.iter().filter_map(|raw| self.read(raw)).map(|record| (record.id.clone(), record)).collect()
    }

    async fn fetch(&self, id: &ObjectId) -> Result<WriteResult, JobError> {
        let answer = self.belvo.object(self.pass.resource.path, id, &query::omit(self.pass.resource)).await;
        let is_gone = matches!(answer, Err(Error::NotFound { confirmed: true })) && self.link_exists().await?;
        fence(self.table, self.pass).await?;
        match answer {
            Ok(raw) => match self.read(&raw).filter(|record| record.id == *id) {
                Some(record) => self.store(record).await,
                None => Ok(WriteResult::Unreadable),
            },
            Err(_) if is_gone => tombstone(self.table, self.pass, id).await,
            Err(error) if self.leaves_out && concerns_object(&error) && self.link_exists().await? => {
                Ok(WriteResult::Unreadable)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn read(&self, raw: &RawValue) -> Option<Record> {
        let (record, account) = Record::read(self.pass.resource, raw).ok()?;
        if let Some(account) = account {
            self.accounts.lock().unwrap_or_else(PoisonError::into_inner).note(account);
        }
        Some(record)
    }

    /// Stores an object that Belvo gave by its id: that also brings back what was deleted.
    async fn store(&self, record: Record) -> Result<WriteResult, JobError> {
        let Pass { link, resource, token, .. } = self.pass;
        match self.upsert(record.clone()).await? {
            WriteResult::Tombstoned => {
                Ok(fate(self.table.restore(link, resource, record, *token).await?, WriteResult::Written))
            }
            fate => Ok(fate),
        }
    }

    async fn upsert(&self, record: Record) -> Result<WriteResult, JobError> {
        let Pass { link, resource, token, .. } = self.pass;
        if self.known.get(&record.id).is_some_and(|known| known.is_unchanged_by(&record)) {
            return Ok(WriteResult::Unchanged);
        }
        Ok(match self.table.upsert(link, resource, record, *token).await? {
            UpsertResult::Written => WriteResult::Written,
            UpsertResult::Tombstoned { token: tombstone } if tombstone < *token => WriteResult::Tombstoned,
            UpsertResult::Tombstoned { .. } | UpsertResult::Stale => WriteResult::Stale,
        })
    }

    async fn link_exists(&self) -> Result<bool, JobError> {
        let ask = || self.belvo.link_exists(&self.pass.link);
        Ok(*self.link_exists.get_or_try_init(ask).await?)
    }
}

/// Can the error be the fault of the object that was asked for?
fn concerns_object(error: &Error) -> bool {
    matches!(
        error,
        Error::Malformed(_)
            | Error::TooLarge(_)
            | Error::TimedOut
            | Error::Unavailable(_)
            | Error::Unreachable(_)
            | Error::Refused { .. }
    )
}

fn fate(written: PutResult, done: WriteResult) -> WriteResult {
    match written {
        PutResult::Written => done,
        PutResult::Stale => WriteResult::Stale,
    }
}

fn count(counts: &mut Counts, fate: WriteResult) {
    match fate {
        WriteResult::Written => counts.written += 1,
        WriteResult::Unchanged => counts.unchanged += 1,
        WriteResult::Stale | WriteResult::Tombstoned => counts.stale += 1,
        WriteResult::Deleted => counts.deleted += 1,
        WriteResult::Unreadable => counts.unreadable += 1,
    }
}

/// Adds one set of counts to another.
pub(crate) fn add(to: &mut Counts, more: Counts) {
    to.pages += more.pages;
    to.written += more.written;
    to.unchanged += more.unchanged;
    to.stale += more.stale;
    to.deleted += more.deleted;
    to.unreadable += more.unreadable;
}
