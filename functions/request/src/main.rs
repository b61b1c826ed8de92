//! Starts the request function. The library does the work.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use request::Requester;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::logging::init();
    let requester = Requester::from_environment().await?;
    run(service_fn(|event: LambdaEvent<Value>| requester.handle(event))).await
}
