//! The targets without a fuzzer: over the corpus, over large inputs, and over mutations of the corpus.
//!
//! They run on a thread with the stack size of the functions, which a recursive parser would overflow.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::thread;
use std::time::Instant;

use fastrand::Rng;
use hostile_input::{TARGETS, Target, corpus, large, mutation};

/// The stack size of tokio's workers.
const STACK_BYTES: usize = 2 * 1024 * 1024;
/// The maximum size of a file in the corpus, in bytes. Larger inputs are generated, see `large`.
const MAX_FILE_BYTES: usize = 64 * 1024;
/// The default of `HOSTILE_RUNS`: the number of mutated inputs for each target.
const RUNS: u64 = 3_000;
/// The default of `HOSTILE_SEED`: the first seed of the mutations.
const SEED: u64 = 20_240_229;

/// Returns `true` if the target does not panic. Runs it on a thread, which contains the panic.
fn passes(target: Target, input: Vec<u8>) -> bool {
    thread::Builder::new().stack_size(STACK_BYTES).spawn(move || target(&input)).unwrap().join().is_ok()
}

#[test]
fn the_properties_hold_for_the_corpus() {
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        let files = corpus::files(name).unwrap();
        assert!(files.len() >= 12, "{name} has only {} files", files.len());
        for (file, input) in files {
            assert!(input.len() <= MAX_FILE_BYTES, "{name}/{file} is too large for the corpus");
            if !passes(target, input) {
                failed.push(format!("{name}/{file}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn the_properties_hold_for_large_inputs() {
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        let inputs = large::inputs(name);
        assert!(inputs.len() >= 5, "{name}");
        for (what, input) in inputs {
            let started = Instant::now();
            if !passes(target, input) {
                failed.push(format!("{name}: {what}"));
            }
            println!("{name}: {what}: {:?}", started.elapsed());
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn the_properties_hold_for_mutations_of_the_corpus() {
    let setting = |name: &str, default| std::env::var(name).ok().map_or(default, |text| text.parse().unwrap());
    let (seed, runs) = (setting("HOSTILE_SEED", SEED), setting("HOSTILE_RUNS", RUNS));
    for (name, target) in TARGETS {
        let inputs: Vec<Vec<u8>> = corpus::files(name).unwrap().into_iter().map(|(_, input)| input).collect();
        for run in seed..seed + runs {
            let input = mutation::mutated(&inputs, &mut Rng::with_seed(run));
            let result = std::panic::catch_unwind(|| target(&input));
            let shown = String::from_utf8_lossy(&input);
            result.unwrap_or_else(|_| panic!("{name}, HOSTILE_SEED={run} HOSTILE_RUNS=1:\n{shown}"));
        }
    }
}
