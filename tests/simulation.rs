//! Agents and clients in a simulated network, under faults that a seed decides on: whatever happens,
//! nothing is lost and nothing doubled, and no state is a lie.
//!
//! `LOADLINE_SEEDS=2000` tries so many seeds, `LOADLINE_SEED=4711` that one.

use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::simulated::{ResumeMode, run};

/// Seeds that are tried if nothing else is said.
const DEFAULT_SEEDS: u64 = 100;

/// After so many seeds, a resume that is broken has been caught.
const SEEDS_UNTIL_CAUGHT: u64 = 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// What is wrong with a simulation, if something is.
fn failure(seed: u64, resume: ResumeMode) -> Option<String> {
    let ended = panic::catch_unwind(|| run(seed, resume));
    let why = match ended {
        Ok(Ok(())) => return None,
        Ok(Err(why)) => why,
        Err(_) => "it panicked".to_owned(),
    };
    Some(format!(
        "{why}\nto see it again: LOADLINE_SEED={seed} cargo test -p loadline-tests simulation"
    ))
}

/// Tries seeds on all cores; gives the first fault that was found.
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
                    // The others need not go on.
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
fn nothing_is_lost_or_duplicated_and_every_state_is_true() {
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
fn a_resume_that_is_off_by_one_is_caught() {
    let caught = try_seeds(0..SEEDS_UNTIL_CAUGHT, ResumeMode::OffByOne);
    assert!(caught.is_some_and(|why| why.contains("is missing")), "it went unnoticed");
}
