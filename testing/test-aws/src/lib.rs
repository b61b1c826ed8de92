//! Test support for AWS: a DynamoDB engine with the table of `template.yaml`, rejected calls to it, and a reader of CloudWatch's
//! embedded metric format.
//! Never deployed.

pub mod dynamodb;
pub mod emf;
pub mod rejections;
