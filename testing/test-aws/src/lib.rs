//! Test support for AWS: a DynamoDB engine with the table of `template.yaml`, and a reader of CloudWatch's embedded metric format.
//! Never deployed.

pub mod dynamodb;
pub mod emf;
