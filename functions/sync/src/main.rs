//! Boots the sync function. What it does is in the library.

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use sync::Worker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    platform::logging::init();
    let worker = Worker::from_environment().await?;
    run(service_fn(|event: LambdaEvent<SqsEvent>| worker.handle(event))).await
}
