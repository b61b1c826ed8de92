//! Scheduled refreshes of recurrent links at their `refresh_rate`. [`Settings::hour_ms`](crate::Settings) scales an hour.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    app::App,
    control::{Control, Refresh},
    locks::read,
};

/// The interval between two checks for due refreshes.
const TICK: Duration = Duration::from_millis(20);

/// Refreshes recurrent links on schedule until the server stops.
pub(crate) async fn run(app: App) {
    let mut next: HashMap<String, Instant> = HashMap::new();
    loop {
        tokio::select! {
            () = app.stopped() => return,
            () = tokio::time::sleep(TICK) => {}
        }
        let hour = Duration::from_millis(read(&app.settings).hour_ms);
        let (recurrent, now) = (recurrent(&app), Instant::now());
        next.retain(|id, _| !hour.is_zero() && recurrent.iter().any(|(link, _)| link == id));
        if hour.is_zero() {
            continue;
        }
        for (link, hours) in recurrent {
            let due = next.entry(link.clone()).or_insert(now + hour * hours);
            if now >= *due {
                *due = now + hour * hours;
                refresh(&app, link);
            }
        }
    }
}

/// Returns the links to refresh, each with its interval in hours.
fn recurrent(app: &App) -> Vec<(String, u32)> {
    let world = read(&app.world);
    let links = world.links().filter(|link| link.recurrent && link.status == "valid");
    links.filter_map(|link| Some((link.id.clone(), hours(link.refresh_rate)?))).collect()
}

/// Returns the hours of a refresh rate such as `12h` or `7d`.
fn hours(refresh_rate: &str) -> Option<u32> {
    let (number, unit) = refresh_rate.split_at_checked(refresh_rate.len().checked_sub(1)?)?;
    let number: u32 = number.parse().ok()?;
    Some(if unit == "d" { number * 24 } else { number })
}

fn refresh(app: &App, link: String) {
    let shared = Arc::clone(app);
    app.spawn(async move {
        // An error means that the link was deleted or its status changed since the check.
        let _ = Control::of(&shared).refresh_now(&link, Refresh::default()).await;
    });
}

#[cfg(test)]
mod tests {
    use super::hours;

    #[test]
    fn belvos_words_are_hours() {
        assert_eq!(["6h", "24h", "7d", "30d"].map(hours), [Some(6), Some(24), Some(168), Some(720)]);
        assert_eq!(hours(""), None);
    }
}
