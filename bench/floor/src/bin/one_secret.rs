//! A function that reads one secret when it starts, and does nothing else.

use aws_config::BehaviorVersion;
use lambda_http::{Body, Error, Request, Response, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let aws = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let secrets = aws_sdk_secretsmanager::Client::new(&aws);
    secrets.get_secret_value().secret_id(std::env::var("WEBHOOK_SECRET_ARN")?).send().await?;
    run(service_fn(|_: Request| async { Ok::<_, Error>(Response::new(Body::Empty)) })).await
}
