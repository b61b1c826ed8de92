//! Boots the webhook function. What it does is in the library.

use lambda_http::{Error, Request, run, service_fn};
use webhook::Receiver;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    platform::logging::init();
    let receiver = Receiver::from_environment().await?;
    receiver.warm_up().await;
    run(service_fn(|request: Request| receiver.handle(request))).await
}
