//! A request at Belvo that no webhook has answered in time.

use domain::{Message, RequestId, now};

use crate::links::listing;
use crate::{Reconciler, Report, Trouble};

impl Reconciler {
    /// Lists what the request asked for all the same, and ends the waiting.
    pub(crate) async fn take_up_request(&self, id: &RequestId, report: &mut Report) -> Result<(), Trouble> {
        let Some(request) = self.table.request(id).await? else { return Ok(()) };
        let Some(due_at) = request.due_at else { return Ok(()) };
        let resources = request.resource.iter().chain(&request.awaited);
        let listings = request
            .link
            .iter()
            .flat_map(|link| resources.clone().filter_map(move |resource| listing(link, resource, due_at)));
        let listings: Vec<Message> = listings.collect();
        // First: if the other fails, it is only listed once more.
        self.queue.send(&listings).await?;
        report.listings += listings.len();
        report.timed_out += usize::from(self.table.time_out_request(id, now()).await?);
        Ok(())
    }
}
