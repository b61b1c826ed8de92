//! The delivery of webhooks, with faults: duplicate, delayed, out of order, or lost.
//!
//! Belvo guarantees neither delivery, nor order, nor a single delivery. The rules of `faults` decide which webhook is affected. Every
//! webhook of a link is sent here; only raw bodies from the control API bypass the faults.

use std::{sync::Arc, time::Duration};

use crate::{
    app::App,
    faults::{Fault, LONGEST_WAIT},
    locks::lock,
    webhooks::{Delivery, DeliveryState, Held, Outgoing},
};

/// The maximum number of webhooks held back. The oldest is sent when there would be more.
const MAX_HELD: usize = 1_000;

/// Sends a webhook and returns when it was acknowledged or given up. Does not wait for a delayed or held webhook.
pub(crate) async fn deliver(app: &App, outgoing: Outgoing) -> Delivery {
    let fault = lock(&app.faults).pick_for_webhook(&outgoing);
    match fault {
        Some(Fault::WebhookLost) => app.webhooks.record(&outgoing, DeliveryState::Lost),
        Some(Fault::WebhookOutOfOrder) => hold_back(app, outgoing).await,
        Some(Fault::WebhookLateMs(millis)) => send_later(app, outgoing, Duration::from_millis(millis)),
        fault => {
            let delivery = app.webhooks.deliver(outgoing.clone()).await;
            if fault == Some(Fault::WebhookTwice) {
                app.webhooks.deliver(outgoing.clone()).await;
            }
            send_held(app, &outgoing).await;
            delivery
        }
    }
}

/// Sends all held webhooks, oldest first.
pub(crate) async fn release(app: &App) -> Vec<Delivery> {
    let held = std::mem::take(&mut *lock(&app.held));
    send_all(app, held).await
}

async fn hold_back(app: &App, outgoing: Outgoing) -> Delivery {
    let delivery = app.webhooks.record(&outgoing, DeliveryState::Held);
    let overflow = {
        let mut held = lock(&app.held);
        held.push((delivery.clone(), outgoing));
        if held.len() > MAX_HELD { vec![held.remove(0)] } else { Vec::new() }
    };
    send_all(app, overflow).await;
    delivery
}

fn send_later(app: &App, outgoing: Outgoing, delay: Duration) -> Delivery {
    let delivery = app.webhooks.record(&outgoing, DeliveryState::Pending);
    let (shared, opened) = (Arc::clone(app), delivery.clone());
    app.spawn(async move {
        tokio::time::sleep(delay.min(LONGEST_WAIT)).await;
        shared.webhooks.send(opened, outgoing.clone()).await;
        send_held(&shared, &outgoing).await;
    });
    delivery
}

/// Sends the held webhooks of the same link.
async fn send_held(app: &App, sent: &Outgoing) {
    let waited = lock(&app.held).extract_if(.., |(_, held)| held.link_id == sent.link_id).collect();
    send_all(app, waited).await;
}

async fn send_all(app: &App, held: Held) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for (delivery, outgoing) in held {
        deliveries.push(app.webhooks.send(delivery, outgoing).await);
    }
    deliveries
}
