//! Counterexamples as text.

use stateright::Path;

use crate::delivery::{AfterFence, DeliveryId, Phase};
use crate::record::{Item, Record};
use crate::state::State;
use crate::time::Time;
use crate::transitions::Action;

/// Returns a line for each step of a path: the action, and the table if the action changes it.
#[must_use]
pub fn trace(path: Path<State, Action>) -> Vec<String> {
    let steps = path.into_vec();
    let after = steps.iter().skip(1).map(|(state, _)| table(state));
    let lines = steps.iter().zip(after).filter_map(|((before, action), after)| {
        let line = line(before, action.as_ref()?);
        Some(if after == table(before) { line } else { format!("{line:<64} {after}") })
    });
    lines.collect()
}

fn line(state: &State, action: &Action) -> String {
    let describe = |id: &DeliveryId, event: &str| {
        let name = if *id == DeliveryId::Current { "" } else { "zombie " };
        state.delivery(*id).map_or_else(String::new, |delivery| format!("{name}{:?}: {event}", delivery.message.plan))
    };
    match action {
        Action::Step(id) => describe(id, &state.delivery(*id).map(|delivery| call(delivery.phase)).unwrap_or_default()),
        Action::Stop(id) => describe(id, "leaves the rest to a continuation"),
        Action::Crash(id) => describe(id, "crashes"),
        Action::TimeOut => describe(&DeliveryId::Current, "becomes a zombie"),
        action => format!("{action:?}"),
    }
}

fn call(phase: Phase) -> String {
    match phase {
        Phase::Fence(AfterFence::Nothing) => "fence".to_owned(),
        Phase::Fence(AfterFence::Unchanged { id, .. }) => format!("fence, and {id} is unchanged"),
        Phase::Fence(AfterFence::Write(planned)) => format!("fence, before {:?} of {}", planned.kind, planned.id),
        Phase::Write(planned, write) => {
            format!("{:?} of {} lands, token {}", planned.kind, planned.id, write.read.token)
        }
        Phase::Restore { id, tombstoned_at, write, .. } => {
            format!("restore of {id} lands, token {}, tombstone {tombstoned_at}", write.read.token)
        }
        phase => format!("{phase:?}"),
    }
}

fn table(state: &State) -> String {
    let table = &state.table;
    let records: Vec<_> = table.records.iter().filter_map(record).collect();
    let time = |time: Option<Time>| time.map_or_else(|| "none".to_owned(), |time| time.to_string());
    format!(
        "clock {}, last pass {}, listed {}; {}",
        time(table.clock),
        time(table.state.last_pass_at),
        time(table.state.listed_at),
        records.join(", ")
    )
}

fn record(record: &Record) -> Option<String> {
    let item = match record.item {
        Item::Absent => return None,
        Item::Live { content, is_missing: false } => format!("content {content}"),
        Item::Live { content, is_missing: true } => format!("content {content}, missing"),
        Item::Tombstone => "tombstone".to_owned(),
    };
    Some(format!("[{item} @{}]", record.fetched_at))
}
