use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_smithy_mocks::{RuleMode, mock, mock_client};

use super::*;

fn link(number: u32) -> LinkId {
    LinkId::parse(&format!("l-{number}")).unwrap()
}

async fn a_table() -> Table {
    Table::new(test_aws::dynamodb::start().await, test_aws::dynamodb::TABLE_NAME.to_owned())
}

/// Purges a link as the sync function does.
async fn purge(table: &Table, number: u32, at: EpochMillis) {
    let begun = table.begin_purge(&link(number), LinkStatus::Erased, at).await.unwrap();
    assert!(table.end_purge(&begun, at).await.unwrap());
}

fn queue() -> Queue {
    let output = || SendMessageBatchOutput::builder().set_successful(Some(vec![])).set_failed(Some(vec![])).build();
    let send = mock!(aws_sdk_sqs::Client::send_message_batch).then_output(move || output().unwrap());
    Queue::new(mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&send]), "http://queue".to_owned())
}

#[tokio::test]
async fn a_stuck_link_does_not_delay_the_others() {
    let (table, queue, mut marked) = (a_table().await, queue(), Marked::new());
    purge(&table, 1, 1_000).await;
    for number in 1..=3 {
        marked.insert(link(number), mark(&table, &queue, &link(number)).await.unwrap());
        assert_eq!(table.link(&link(number)).await.unwrap().status, Some(LinkStatus::Erased));
    }
    assert_eq!(marked[&link(1)], Some(1_000));
    purge(&table, 2, now()).await;
    purge(&table, 3, now()).await;

    let timeout = Duration::from_millis(10);
    let (purged, stuck) = next_purged(&table, &mut marked, timeout).await;
    assert_eq!((purged.into_keys().collect::<Vec<_>>(), stuck.len()), (vec![link(2), link(3)], 0));
    // A receipt from before the request does not count.
    let (purged, stuck) = next_purged(&table, &mut marked, timeout).await;
    assert!(purged.is_empty() && marked.is_empty());
    assert!(stuck[0].starts_with("l-1 is marked as erased") && stuck.len() == 1, "{stuck:?}");
}

#[test]
fn a_link_has_no_receipt_while_a_dead_letter_may_be_left() {
    let removed = |is_incomplete| Ok(Removal { counts: BTreeMap::from([(link(1), 15)]), is_incomplete });
    assert_eq!(removed_letters(&link(1), &removed(false)), Ok(15));
    assert_eq!(removed_letters(&link(2), &removed(false)), Ok(0));
    assert!(removed_letters(&link(1), &removed(true)).is_err());
    assert!(removed_letters(&link(1), &Err(Error::SecretMalformed)).is_err());
}
