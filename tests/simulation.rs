//! Agents and clients in a simulated network, under random faults that depend on a seed. No sample
//! may be lost or repeated, and no client may show a wrong state.
//!
//! `LOADLINE_SEEDS=2000` runs 2000 seeds, `LOADLINE_SEED=4711` runs that seed.

use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::simulated::{ResumeMode, run};

/// Number of seeds unless the environment says otherwise.
const DEFAULT_SEEDS: u64 = 100;

/// Number of seeds within which a broken resume must be noticed.
const SEEDS_UNTIL_NOTICED: u64 = 20;

pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Runs a simulation. Describes its failure, if any.
fn failure(seed: u64, resume: ResumeMode) -> Option<String> {
    let ended = panic::catch_unwind(|| run(seed, resume));
    let why = match ended {
        Ok(Ok(())) => return None,
        Ok(Err(why)) => why,
        Err(_) => "the simulation panicked".to_owned(),
    };
    Some(format!(
        "{why}\nto reproduce: LOADLINE_SEED={seed} cargo test -p loadline-tests simulation"
    ))
}

/// Runs seeds on all cores. Returns the first failure.
fn try_seeds(seeds: std::ops::Range<u64>, resume: ResumeMode) -> Option<String> {
    let next = AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return None;
                }
                if let Some(why) = failure(seed, resume) {
                    // The other threads can stop.
                    next.store(seeds.end, Ordering::Relaxed);
                    return Some(why);
                }
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().find_map(|worker| worker.join().unwrap())
    })
}

#[test]
fn no_sample_is_lost_or_repeated_and_every_state_is_correct() {
    let seeds = match (number("LOADLINE_SEED"), number("LOADLINE_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, seeds) => 0..seeds.unwrap_or(DEFAULT_SEEDS),
    };
    let count = seeds.end - seeds.start;
    if let Some(why) = try_seeds(seeds, ResumeMode::Correct) {
        panic!("{why}");
    }
    println!("{count} simulations of a minute");
}

#[test]
fn a_resume_that_is_off_by_one_is_noticed() {
    let failure = try_seeds(0..SEEDS_UNTIL_NOTICED, ResumeMode::OffByOne);
    assert!(
        failure.is_some_and(|why| why.contains("is missing")),
        "the broken resume was not noticed"
    );
}
