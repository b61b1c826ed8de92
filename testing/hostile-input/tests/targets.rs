//! The targets without a fuzzer: the kept corpus, what is too large to be kept, and changes of what is kept.
//!
//! On a thread with a stack as small as those of the functions, so that a reader that calls itself for each level of a
//! document is found out.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::thread;
use std::time::Instant;

use fastrand::Rng;
use hostile_input::{TARGETS, Target, corpus, large, mutation};

/// What tokio gives its workers.
const STACK_BYTES: usize = 2 * 1024 * 1024;
/// Nothing larger is kept: what has to be large is made, see `large`.
const MAX_KEPT_BYTES: usize = 64 * 1024;
/// How many changed inputs a run tries for each target, unless `HOSTILE_RUNS` says otherwise.
const RUNS: u64 = 3_000;
/// Where the changes begin, unless `HOSTILE_SEED` says otherwise.
const SEED: u64 = 20_240_229;

/// Does an input keep its promises? On a thread of its own, whose panic ends nothing else.
fn keeps(target: Target, input: Vec<u8>) -> bool {
    thread::Builder::new().stack_size(STACK_BYTES).spawn(move || target(&input)).unwrap().join().is_ok()
}

#[test]
fn every_kept_input_keeps_its_promises() {
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        let files = corpus::files(name).unwrap();
        assert!(files.len() >= 12, "{name} has only {} files", files.len());
        for (file, input) in files {
            assert!(input.len() <= MAX_KEPT_BYTES, "{name}/{file} is too large to be kept");
            if !keeps(target, input) {
                failed.push(format!("{name}/{file}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn what_is_too_large_or_too_deep_keeps_its_promises_too() {
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        let inputs = large::inputs(name);
        assert!(inputs.len() >= 5, "{name}");
        for (what, input) in inputs {
            let started = Instant::now();
            if !keeps(target, input) {
                failed.push(format!("{name}: {what}"));
            }
            println!("{name}: {what}: {:?}", started.elapsed());
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn changes_of_the_kept_inputs_keep_the_promises() {
    let setting = |name: &str, default| std::env::var(name).ok().map_or(default, |text| text.parse().unwrap());
    let (seed, runs) = (setting("HOSTILE_SEED", SEED), setting("HOSTILE_RUNS", RUNS));
    for (name, target) in TARGETS {
        let kept: Vec<Vec<u8>> = corpus::files(name).unwrap().into_iter().map(|(_, input)| input).collect();
        for run in seed..seed + runs {
            let input = mutation::mutated(&kept, &mut Rng::with_seed(run));
            let result = std::panic::catch_unwind(|| target(&input));
            let shown = String::from_utf8_lossy(&input);
            result.unwrap_or_else(|_| panic!("{name}, HOSTILE_SEED={run} HOSTILE_RUNS=1:\n{shown}"));
        }
    }
}
