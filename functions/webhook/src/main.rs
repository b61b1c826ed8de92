//! Starts the webhook function. The library does the work.

use lambda_http::lambda_runtime::run;
use lambda_http::{Error, LambdaEvent, service_fn};
use webhook::{Receiver, Request};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    runtime::logging::init();
    let receiver = Receiver::from_environment().await?;
    receiver.warm_up().await;
    run(service_fn(|event: LambdaEvent<Request>| receiver.handle(event))).await
}
