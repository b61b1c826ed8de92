//! The searches of the tests.

use std::time::Instant;

use model::properties::PROMISES;
use model::{Action, Bounds, Change, Guards, Protocol, State, trace};
use stateright::{Checker, HasDiscoveries, Model, Path};

/// The deletion of an object and its return.
pub(crate) const GONE_AND_BACK: &[Change] = &[Change::Delete, Change::Restore];

/// Searches every state of a world. Asserts that no promise breaks and that the search reaches all of `reaches`.
pub(crate) fn holds(name: &str, guards: Guards, bounds: Bounds, reaches: &[&'static str]) {
    let started = Instant::now();
    let checker = Protocol { bounds, guards }.checker().threads(1).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth() - 1);
    println!("{name}: {states} states, at most {depth} steps, exhaustive, in {:?}", started.elapsed());
    let mut found = checker.discoveries();
    for promise in PROMISES {
        if let Some(path) = found.remove(promise) {
            panic!("{name}: violates {promise}\n{}", text(path));
        }
    }
    for reach in reaches {
        assert!(found.contains_key(reach), "{name}: the search did not reach: {reach}");
    }
}

/// Searches a world for a state that violates or reaches a property. Returns the length of the shortest path to one.
pub(crate) fn finds(guards: Guards, property: &'static str, bounds: Bounds) -> usize {
    let started = Instant::now();
    let finish = HasDiscoveries::AnyOf([property].into());
    let checker = Protocol { bounds, guards }.checker().threads(1).finish_when(finish).spawn_bfs().join();
    let states = checker.unique_state_count();
    let Some(path) = checker.discoveries().remove(property) else { panic!("not found in {states} states: {property}") };
    let steps = path.clone().into_actions().len();
    println!("{property}\n{steps} steps, after {states} states, in {:?}:\n{}\n", started.elapsed(), text(path));
    steps
}

fn text(path: Path<State, Action>) -> String {
    trace(path).iter().map(|line| ["    ", line, "\n"].concat()).collect()
}
