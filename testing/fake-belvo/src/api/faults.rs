//! Applies faults to responses.

use std::time::{Duration, Instant};

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::value::to_raw_value;

use crate::{
    app::App,
    error::html,
    faults::{
        Fault, LONGEST_WAIT, Picked, View,
        page::{Envelope, belvo_error, usual_code, whole},
    },
    ids::dashed,
};

const TIME_TO_LEAVE: Duration = Duration::from_millis(20);
/// The maximum time to hold back a 202 until its webhook is delivered.
const LONGEST_WEBHOOK: Duration = Duration::from_mins(1);

/// Responds to a request with its faults applied.
pub(crate) async fn apply(picked: Picked, app: &App, answer: impl FnOnce(View) -> Response) -> Response {
    let Picked { fault, content } = picked;
    let answer = async |shift| content.change(answer(View { shift, ..content.view })).await;
    match fault {
        // No rule about webhooks is picked for a request.
        None | Some(Fault::WebhookTwice | Fault::WebhookLateMs(_) | Fault::WebhookOutOfOrder | Fault::WebhookLost) => {
            answer(0).await
        }
        Some(Fault::Status(status)) => belvo_error(status, usual_code(status)),
        Some(Fault::Error { status, code }) => belvo_error(status, &code),
        Some(Fault::Html403) => html(StatusCode::FORBIDDEN),
        Some(Fault::DelayMs(millis)) => {
            app.wait(Duration::from_millis(millis).min(LONGEST_WAIT)).await;
            answer(0).await
        }
        Some(Fault::Hang) => {
            app.wait(LONGEST_WAIT).await;
            html(StatusCode::GATEWAY_TIMEOUT)
        }
        Some(Fault::CutBody) => cut(answer(0).await).await,
        Some(Fault::WrongCount(delta)) => rewrite(answer(0).await, |page| page.add_to_count(delta)).await,
        Some(Fault::ForeignNext(url)) => rewrite(answer(0).await, |page| page.next = to_raw_value(&url).ok()).await,
        Some(Fault::Garbage) => json("%PDF-1.4 this is not the JSON that you are looking for"),
        Some(Fault::RowsMove(by)) => answer(by).await,
        Some(Fault::WebhookFirst) => after_its_webhook(app, answer(0).await).await,
        // Faults of the content are applied in `faults::content`.
        Some(
            Fault::PageSizeCap(_)
            | Fault::DoubledRows(_)
            | Fault::BrokenObject(_)
            | Fault::FailingObject(_)
            | Fault::Count(_)
            | Fault::NoCount
            | Fault::Next(_)
            | Fault::NoNext,
        ) => answer(0).await,
    }
}

/// Holds a response back until the webhook with its `request_id` has been delivered.
async fn after_its_webhook(app: &App, response: Response) -> Response {
    let (parts, body) = whole(response).await;
    let text: Option<Accepted> = serde_json::from_slice(&body).ok();
    if let Some(Accepted { request_id }) = text {
        let started = Instant::now();
        while !app.webhooks.has_ended(&dashed(&request_id)) && started.elapsed() < LONGEST_WEBHOOK {
            app.wait(TIME_TO_LEAVE).await;
        }
    }
    Response::from_parts(parts, Body::from(body))
}

#[derive(Deserialize)]
struct Accepted {
    request_id: String,
}

async fn rewrite(response: Response, change: impl FnOnce(&mut Envelope)) -> Response {
    let (parts, body) = whole(response).await;
    let Ok(mut page) = serde_json::from_slice::<Envelope>(&body) else {
        return Response::from_parts(parts, Body::from(body));
    };
    change(&mut page);
    json(&serde_json::to_string(&page).unwrap_or_default())
}

/// Sends the first half of the body and breaks the connection. The declared length stays, so that the client can detect it.
async fn cut(response: Response) -> Response {
    let (mut parts, body) = whole(response).await;
    parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
    let half = body.slice(..body.len() / 2);
    let broken = stream::once(async {
        tokio::time::sleep(TIME_TO_LEAVE).await;
        Err(std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "cut by a fault"))
    });
    Response::from_parts(parts, Body::from_stream(stream::iter([Ok(half)]).chain(broken)))
}

fn json(text: &str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text.to_owned()).into_response()
}
