//! A counterexample in words.

use stateright::Path;

use crate::delivery::Who;
use crate::delivery::{Call, Phase};
use crate::record::{Record, Stands};
use crate::state::State;
use crate::transitions::Action;

/// One line for each step: what happens, and, where that changes it, what stands in the table then.
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
    let tell = |who: &Who, what: &str| {
        let name = if *who == Who::Current { "" } else { "zombie " };
        state.delivery(*who).map_or_else(String::new, |delivery| format!("{name}{:?}: {what}", delivery.message.plan))
    };
    match action {
        Action::Step(who) => tell(who, &state.delivery(*who).map(|delivery| call(delivery.phase)).unwrap_or_default()),
        Action::Stop(who) => tell(who, "leaves the rest to a continuation"),
        Action::Crash(who) => tell(who, "crashes"),
        Action::TimeOut => tell(&Who::Current, "becomes a zombie"),
        action => format!("{action:?}"),
    }
}

fn call(phase: Phase) -> String {
    match phase {
        Phase::Fence(Call::Nothing) => "fence".to_owned(),
        Phase::Fence(Call::Unchanged { id, .. }) => format!("fence, and {id} is unchanged"),
        Phase::Fence(Call::Write(wanted)) => format!("fence, before {:?} of {}", wanted.kind, wanted.id),
        Phase::Write(wanted, write) => format!("{:?} of {} lands, stamp {}", wanted.kind, wanted.id, write.look.stamp),
        Phase::Revive { id, seen, write, .. } => {
            format!("revival of {id} lands, stamp {}, seen {seen}", write.look.stamp)
        }
        phase => format!("{phase:?}"),
    }
}

fn table(state: &State) -> String {
    let table = &state.table;
    let records: Vec<_> = table.records.iter().filter_map(told).collect();
    let time = |time: Option<_>| time.map_or_else(|| "none".to_owned(), |time: crate::Time| time.to_string());
    format!(
        "clock {}, last look {}, listed {}; {}",
        time(table.clock),
        time(table.state.last_pass_at),
        time(table.state.listed_at),
        records.join(", ")
    )
}

fn told(record: &Record) -> Option<String> {
    let stands = match record.stands {
        Stands::Nothing => return None,
        Stands::Live { content, is_missing: false } => format!("content {content}"),
        Stands::Live { content, is_missing: true } => format!("content {content}, missing"),
        Stands::Tombstone => "tombstone".to_owned(),
    };
    Some(format!("[{stands} @{}]", record.fetched_at))
}
