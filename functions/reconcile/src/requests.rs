//! Requests to Belvo for which no webhook arrived in time.

use domain::{EpochMillis, LinkId, Message, RequestId, Source, now};
use store::Request;

use crate::links::{key, listing};
use crate::{Reconciler, Report, RunError};

impl Reconciler {
    /// Enqueues the listings that the webhook would have caused, and marks the request as timed out.
    pub(crate) async fn process_request(&self, id: &RequestId, report: &mut Report) -> Result<(), RunError> {
        let Some(request) = self.table.request(id).await? else { return Ok(()) };
        let Some(due_at) = request.due_at else { return Ok(()) };
        let listings = match &request.link {
            Some(link) => self.substitutes(&request, link, due_at).await?,
            None => Vec::new(),
        };
        // Before the request times out: if the table fails then, the data is only listed once more.
        self.queue.send(&listings).await?;
        report.listings += listings.len();
        report.timed_out += usize::from(self.table.time_out_request(id, now()).await?);
        Ok(())
    }

    /// Returns the messages in place of the webhook that did not arrive.
    async fn substitutes(
        &self,
        request: &Request,
        link: &LinkId,
        due_at: EpochMillis,
    ) -> Result<Vec<Message>, RunError> {
        if request.action.as_deref() == Some("delete_link") {
            // The sync function asks Belvo whether the link is gone before it deletes anything.
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
