//! A request at Belvo that no webhook has answered in time.

use domain::{EpochMillis, LinkId, Message, RequestId, Source, now};
use store::Request;

use crate::links::{key, listing};
use crate::{Reconciler, Report, RunError};

impl Reconciler {
    /// Lists what the request asked for all the same, and ends the waiting.
    pub(crate) async fn take_up_request(&self, id: &RequestId, report: &mut Report) -> Result<(), RunError> {
        let Some(request) = self.table.request(id).await? else { return Ok(()) };
        let Some(due_at) = request.due_at else { return Ok(()) };
        let listings = match &request.link {
            Some(link) => self.in_place_of(&request, link, due_at).await?,
            None => Vec::new(),
        };
        // First: if the other fails, it is only listed once more.
        self.queue.send(&listings).await?;
        report.listings += listings.len();
        report.timed_out += usize::from(self.table.time_out_request(id, now()).await?);
        Ok(())
    }
    /// What the webhook that did not come would have brought about.
    async fn in_place_of(
        &self,
        request: &Request,
        link: &LinkId,
        due_at: EpochMillis,
    ) -> Result<Vec<Message>, RunError> {
        if request.action.as_deref() == Some("delete_link") {
            // Whether the link is gone is asked of Belvo before anything is removed.
            let event = ("LINK", "link_deleted");
            return Ok(Message::internal(Source::Reconcile, link, event, now(), key(link, event.1, due_at))
                .into_iter()
                .collect());
        }
        let mut resources: Vec<&str> = request.resource.iter().chain(&request.awaited).map(String::as_str).collect();
        if resources.is_empty() {
            resources =
                self.table.synced_resources(link).await?.into_iter().map(|resource| resource.webhook_type).collect();
        }
        Ok(resources.into_iter().filter_map(|resource| listing(link, resource, due_at)).collect())
    }
}
