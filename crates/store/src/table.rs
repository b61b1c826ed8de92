//! The table, and the calls that all items have in common.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemOutput;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use aws_sdk_dynamodb::types::Update;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;

use crate::attributes::Item;
use crate::error::{StoreError, call_failed};
use crate::keys::Key;

/// The DynamoDB table.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl Table {
    /// Returns the table with this name.
    #[must_use]
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Reads an item consistently.
    pub(crate) async fn get(&self, key: Key) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(key)).consistent_read(true);
        Ok(get.send().await.map_err(|error| call_failed(&error))?.item)
    }

    pub(crate) fn put(&self, item: Item) -> PutItemFluentBuilder {
        self.client.put_item().table_name(&self.name).set_item(Some(item))
    }

    pub(crate) fn update(&self, key: Key) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.name).set_key(Some(key))
    }

    /// Returns an update as part of a transaction.
    pub(crate) fn update_in_transaction(&self, key: Key) -> UpdateBuilder {
        Update::builder().table_name(&self.name).set_key(Some(key))
    }
}

/// Sends an update without a condition.
pub(crate) async fn send_update(update: UpdateItemFluentBuilder) -> Result<(), StoreError> {
    update.send().await.map_err(|error| call_failed(&error))?;
    Ok(())
}

/// Sends a conditional update. Returns `None` if its condition is false.
pub(crate) async fn update_if_allowed(update: UpdateItemFluentBuilder) -> Result<Option<UpdateItemOutput>, StoreError> {
    match update.send().await {
        Ok(output) => Ok(Some(output)),
        Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => Ok(None),
        Err(error) => Err(call_failed(&error)),
    }
}

/// Sends a conditional put. Returns the stored item if the condition is false.
pub(crate) async fn put_if_allowed(put: PutItemFluentBuilder) -> Result<Option<Item>, StoreError> {
    match put.return_values_on_condition_check_failure(AllOld).send().await {
        Ok(_) => Ok(None),
        Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
            let PutItemError::ConditionalCheckFailedException(failed) = error.into_err() else {
                return Err(StoreError::Unreadable("a failed condition"));
            };
            // Without the item, a caller would take a tombstone for a newer record.
            failed.item.map(Some).ok_or(StoreError::Unreadable("a failed condition without its item"))
        }
        Err(error) => Err(call_failed(&error)),
    }
}
