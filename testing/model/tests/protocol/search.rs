//! How the tests search.

use std::time::Instant;

use model::properties::PROMISES;
use model::{Action, Bounds, Change, Guards, Protocol, State, trace};
use stateright::{Checker, HasDiscoveries, Model, Path};

/// A deletion, and the way back.
pub(crate) const GONE_AND_BACK: &[Change] = &[Change::Delete, Change::Restore];

/// Searches every state of a world. No promise may break, and all of `reaches` must be met with.
pub(crate) fn holds(name: &str, guards: Guards, bounds: Bounds, reaches: &[&'static str]) {
    let started = Instant::now();
    let checker = Protocol { bounds, guards }.checker().threads(1).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth() - 1);
    println!("{name}: {states} states, up to {depth} steps deep, all of them, in {:?}", started.elapsed());
    let mut found = checker.discoveries();
    for promise in PROMISES {
        if let Some(path) = found.remove(promise) {
            panic!("{name}: {promise}\n{}", told(path));
        }
    }
    for reach in reaches {
        assert!(found.contains_key(reach), "{name}: not {reach}");
    }
}

/// Searches a world until it has come across `what`, and tells in how many steps: as few as possible.
pub(crate) fn finds(guards: Guards, what: &'static str, bounds: Bounds) -> usize {
    let started = Instant::now();
    let finish = HasDiscoveries::AnyOf([what].into());
    let checker = Protocol { bounds, guards }.checker().threads(1).finish_when(finish).spawn_bfs().join();
    let states = checker.unique_state_count();
    let Some(path) = checker.discoveries().remove(what) else { panic!("{states} states, and not {what}") };
    let steps = path.clone().into_actions().len();
    println!("{what}\n{steps} steps, after {states} states, in {:?}:\n{}\n", started.elapsed(), told(path));
    steps
}

fn told(path: Path<State, Action>) -> String {
    trace(path).iter().map(|line| ["    ", line, "\n"].concat()).collect()
}
