//! Webhooks on their way out, and what goes wrong with them: sent twice, late, out of order, or never.
//!
//! Belvo promises neither that a webhook comes nor that it comes once, in order or soon; the rules of `faults` decide which one
//! suffers. Every webhook about a link passes here; only what the control API sends by hand does not.

use std::{sync::Arc, time::Duration};

use crate::{
    app::App,
    faults::{Fault, LONGEST_WAIT},
    locks::lock,
    webhooks::{Delivery, DeliveryState, Held, Outgoing},
};

/// More than this are not held back: the oldest is sent.
const MAX_HELD: usize = 1_000;

/// Returns once the fate of the webhook is known, as far as waiting for it is of use: not for one that is late or held back.
pub(crate) async fn deliver(app: &App, outgoing: Outgoing) -> Delivery {
    let fault = lock(&app.faults).pick_mishap(&outgoing);
    match fault {
        Some(Fault::WebhookLost) => app.courier.open(&outgoing, DeliveryState::Lost),
        Some(Fault::WebhookOutOfOrder) => hold_back(app, outgoing).await,
        Some(Fault::WebhookLateMs(millis)) => send_later(app, outgoing, Duration::from_millis(millis)),
        fault => {
            let delivery = app.courier.deliver(outgoing.clone()).await;
            if fault == Some(Fault::WebhookTwice) {
                app.courier.deliver(outgoing.clone()).await;
            }
            catch_up(app, &outgoing).await;
            delivery
        }
    }
}

/// Sends everything that is held back, oldest first.
pub(crate) async fn release(app: &App) -> Vec<Delivery> {
    let held = std::mem::take(&mut *lock(&app.held));
    pursue_all(app, held).await
}

async fn hold_back(app: &App, outgoing: Outgoing) -> Delivery {
    let delivery = app.courier.open(&outgoing, DeliveryState::Held);
    let overflow = {
        let mut held = lock(&app.held);
        held.push((delivery.clone(), outgoing));
        if held.len() > MAX_HELD { vec![held.remove(0)] } else { Vec::new() }
    };
    pursue_all(app, overflow).await;
    delivery
}

fn send_later(app: &App, outgoing: Outgoing, delay: Duration) -> Delivery {
    let delivery = app.courier.open(&outgoing, DeliveryState::Pending);
    let (shared, opened) = (Arc::clone(app), delivery.clone());
    app.spawn(async move {
        tokio::time::sleep(delay.min(LONGEST_WAIT)).await;
        shared.courier.pursue(opened, outgoing.clone()).await;
        catch_up(&shared, &outgoing).await;
    });
    delivery
}

/// Sends what waited for this webhook.
async fn catch_up(app: &App, sent: &Outgoing) {
    let waited = lock(&app.held).extract_if(.., |(_, held)| held.link_id == sent.link_id).collect();
    pursue_all(app, waited).await;
}

async fn pursue_all(app: &App, held: Held) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for (delivery, outgoing) in held {
        deliveries.push(app.courier.pursue(delivery, outgoing).await);
    }
    deliveries
}
