//! Boots the sync function. What it does is in the library.

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use mimalloc::MiMalloc;
use sync::Worker;

/// Each record becomes hundreds of small allocations, in the item and in its request: with the system's allocator a fourth
/// of all CPU time. Measured in docs/decisions/0030.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::logging::init();
    let worker = Worker::from_environment().await?;
    run(service_fn(|event: LambdaEvent<SqsEvent>| worker.handle(event))).await
}
