//! Starts the reconcile function. The library does the work.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use reconcile::Reconciler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::logging::init();
    let reconciler = Reconciler::from_environment().await?;
    run(service_fn(|event: LambdaEvent<serde_json::Value>| reconciler.handle(event))).await
}
