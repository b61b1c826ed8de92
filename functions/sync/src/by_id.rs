//! Requests for objects by their ids. They decide whether an object exists.
//!
//! A 404 is a deletion only if Belvo itself says `not_found` and, in the same pass, returns the link: with wrong credentials or
//! on a wrong host every object is "not found".

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use belvo::{Client, Error, Listing};
use domain::{ObjectId, Record};
use serde_json::value::RawValue;
use store::{Counts, Pass, PutResult, StoredRecord, UpsertResult};
use tokio::sync::OnceCell;

use crate::concurrency;
use crate::embedded_accounts::EmbeddedAccounts;
use crate::error::JobError;
use crate::query;
use crate::write::{WRITES_AT_ONCE, WriteResult, count, ensure_current, tombstone};

/// Maximum number of concurrent requests.
const REQUESTS_AT_ONCE: usize = 4;
/// Ids in one `id__in`: 100 ids make about 3,700 characters of URL.
const IDS_PER_REQUEST: usize = 100;
/// Page size of a list with `id__in`, which then has one page.
const MAX_PAGE_SIZE: u32 = 100;

/// What a fetcher does about an object that Belvo cannot return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnBadObject {
    /// Leaves it out.
    LeaveOut,
    /// Fails the message.
    Fail,
}

/// Requests objects by their ids in one pass, and stores them.
pub(crate) struct ObjectFetcher<'a> {
    belvo: &'a Client,
    pass: &'a Pass,
    stored: HashMap<ObjectId, StoredRecord>,
    accounts: Mutex<EmbeddedAccounts>,
    link_exists: OnceCell<bool>,
    on_bad_object: OnBadObject,
}

/// The result of requesting objects one by one.
pub(crate) struct Fetched {
    pub(crate) counts: Counts,
    /// The ids that remain, for lack of time or because of the error.
    pub(crate) left: Vec<ObjectId>,
    pub(crate) error: Option<JobError>,
}

/// The result of listing objects with `id__in`.
pub(crate) struct Listed {
    pub(crate) counts: Counts,
    /// The ids that remain: Belvo may not have them, or the filter did not work.
    pub(crate) left: Vec<ObjectId>,
    /// Whether Belvo refused or ignored the filter.
    pub(crate) is_filter_refused: bool,
}

/// The response to one `id__in`.
enum Response {
    Records(HashMap<ObjectId, Record>),
    /// Belvo refused the filter, or ignored it.
    FilterRefused,
    /// Belvo cannot return these objects in one response.
    NotTogether,
}

impl<'a> ObjectFetcher<'a> {
    /// Reads what the table knows of these objects, and returns a fetcher for them.
    pub(crate) async fn new(
        belvo: &'a Client,
        pass: &'a Pass,
        ids: &[ObjectId],
        on_bad_object: OnBadObject,
    ) -> Result<Self, JobError> {
        let stored = pass.stored_records(ids).await?;
        Ok(Self { belvo, pass, stored, accounts: Mutex::default(), link_exists: OnceCell::new(), on_bad_object })
    }

    /// Stores the accounts that the objects embed.
    pub(crate) async fn store_accounts(self) -> Result<Counts, JobError> {
        self.accounts.into_inner().unwrap_or_else(PoisonError::into_inner).store(self.pass).await
    }

    /// Requests each object and stores it. An object that Belvo does not have becomes a tombstone. No request begins after
    /// `deadline` or after an error, but the first few always do: every message makes progress.
    pub(crate) async fn fetch_each(&self, ids: &[ObjectId], deadline: Instant) -> Fetched {
        let mut counts = Counts::default();
        let mut done = HashSet::new();
        let begun = Cell::new(0);
        let may_begin = |number: usize| number < REQUESTS_AT_ONCE || Instant::now() < deadline;

        let work = ids.iter().enumerate().take_while(|(number, _)| may_begin(*number)).map(|(number, id)| {
            begun.set(number + 1);
            async move { Ok((id, self.fetch(id).await?)) }
        });
        let take = |(id, result)| {
            done.insert(id);
            count(&mut counts, result);
        };
        let error = concurrency::for_each(work, REQUESTS_AT_ONCE, take).await.err();

        // Ids that failed come last, so that they do not hold back the others.
        let (begun, waiting) = ids.split_at(begun.get());
        let left = waiting.iter().chain(begun).filter(|id| !done.contains(id)).cloned().collect();
        Fetched { counts, left, error }
    }

    /// Lists the objects with `id__in`, until Belvo refuses or ignores it, and stores them.
    pub(crate) async fn fetch_with_id_in(&self, ids: &[ObjectId]) -> Result<Listed, JobError> {
        let mut listed = Listed { counts: Counts::default(), left: Vec::new(), is_filter_refused: false };
        for (number, chunk) in ids.chunks(IDS_PER_REQUEST).enumerate() {
            match self.list_ids(chunk).await? {
                Response::Records(records) => self.store_listed(chunk, records, &mut listed).await?,
                Response::NotTogether => listed.left.extend_from_slice(chunk),
                Response::FilterRefused => {
                    listed.is_filter_refused = true;
                    listed.left.extend_from_slice(&ids[number * IDS_PER_REQUEST..]);
                    break;
                }
            }
        }
        Ok(listed)
    }

    /// Lists these objects. Belvo's firewall may refuse a filter that its schema lacks: that is no rate limit.
    async fn list_ids(&self, ids: &[ObjectId]) -> Result<Response, JobError> {
        match self.belvo.page(&self.list_request(ids), 1).await {
            Ok(page) => {
                let records = page.objects.iter().filter_map(|raw| self.read(raw));
                let records: HashMap<_, _> = records.map(|record| (record.id.clone(), record)).collect();
                let requested: HashSet<_> = ids.iter().collect();
                let is_filtered = records.keys().all(|id| requested.contains(id));
                Ok(if is_filtered { Response::Records(records) } else { Response::FilterRefused })
            }
            Err(Error::RefusedByEdge | Error::Refused { status: 400 | 403 | 414, .. }) => Ok(Response::FilterRefused),
            Err(Error::Malformed(_) | Error::TooLarge(_) | Error::TimedOut) => Ok(Response::NotTogether),
            Err(Error::Unavailable(_)) if self.on_bad_object == OnBadObject::LeaveOut => Ok(Response::NotTogether),
            Err(error) => Err(error.into()),
        }
    }

    fn list_request(&self, ids: &[ObjectId]) -> Listing {
        let ids = ids.iter().map(ObjectId::as_str).collect::<Vec<_>>().join(",");
        Listing {
            path: self.pass.resource.path,
            link: self.pass.link.clone(),
            filters: [query::omit(self.pass.resource), vec![("id__in", ids)]].concat(),
            page_size: MAX_PAGE_SIZE,
        }
    }

    /// Stores the listed records of one chunk of ids.
    async fn store_listed(
        &self,
        chunk: &[ObjectId],
        records: HashMap<ObjectId, Record>,
        listed: &mut Listed,
    ) -> Result<(), JobError> {
        listed.counts.pages += 1;
        listed.left.extend(chunk.iter().filter(|id| !records.contains_key(id)).cloned());
        ensure_current(self.pass).await?;

        let writes = records.into_iter().map(|(id, record)| async move { Ok((id, self.upsert(record).await?)) });
        let Listed { counts, left, .. } = listed;
        let take = |(id, result)| match result {
            // A list can lag: an object with a tombstone is requested by its id.
            WriteResult::Tombstoned => left.push(id),
            result => count(counts, result),
        };
        concurrency::for_each(writes, WRITES_AT_ONCE, take).await
    }

    async fn fetch(&self, id: &ObjectId) -> Result<WriteResult, JobError> {
        let response = self.belvo.object(self.pass.resource.path, id, &query::omit(self.pass.resource)).await;
        let is_gone = matches!(response, Err(Error::NotFound { confirmed: true })) && self.link_exists().await?;
        ensure_current(self.pass).await?;

        match response {
            Ok(raw) => match self.read(&raw).filter(|record| record.id == *id) {
                Some(record) => self.store(record).await,
                None => Ok(WriteResult::Unreadable),
            },
            Err(_) if is_gone => tombstone(self.pass, id).await,
            Err(error) if self.may_leave_out(&error).await? => Ok(WriteResult::Unreadable),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns `true` if this error concerns the object only, and the object is left out.
    async fn may_leave_out(&self, error: &Error) -> Result<bool, JobError> {
        let leaves_out = self.on_bad_object == OnBadObject::LeaveOut;
        Ok(leaves_out && may_concern_object(error) && self.link_exists().await?)
    }

    fn read(&self, raw: &RawValue) -> Option<Record> {
        let (record, account) = Record::read(self.pass.resource, raw).ok()?;
        if let Some(account) = account {
            self.accounts.lock().unwrap_or_else(PoisonError::into_inner).note(account);
        }
        Some(record)
    }

    /// Stores an object that Belvo returned for its id. This restores a tombstone too.
    async fn store(&self, record: Record) -> Result<WriteResult, JobError> {
        match self.upsert(record.clone()).await? {
            WriteResult::Tombstoned => Ok(match self.pass.restore(record).await? {
                PutResult::Written => WriteResult::Written,
                PutResult::Stale => WriteResult::Stale,
            }),
            result => Ok(result),
        }
    }

    async fn upsert(&self, record: Record) -> Result<WriteResult, JobError> {
        if self.stored.get(&record.id).is_some_and(|stored| stored.is_unchanged_by(&record)) {
            return Ok(WriteResult::Unchanged);
        }
        Ok(match self.pass.upsert(record).await? {
            UpsertResult::Written => WriteResult::Written,
            UpsertResult::Tombstoned { token } if token < self.pass.token => WriteResult::Tombstoned,
            UpsertResult::Tombstoned { .. } | UpsertResult::Stale => WriteResult::Stale,
        })
    }

    async fn link_exists(&self) -> Result<bool, JobError> {
        let request = || self.belvo.link_exists(&self.pass.link);
        Ok(*self.link_exists.get_or_try_init(request).await?)
    }
}

/// Returns `true` if the requested object can be the cause of the error.
fn may_concern_object(error: &Error) -> bool {
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
