//! How long tasks had to wait for something that others had.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::Counter;

use super::Part;
use crate::metrics::families::Families;
use crate::procfs::{Pressure, Stall, Stalls};

/// The collector `pressure`.
pub(super) struct Pressures([(&'static str, Pressure); 3]);

impl Pressures {
    pub(super) fn new() -> Pressures {
        Pressures(["cpu", "memory", "io"].map(|what| (what, Pressure::on(what))))
    }
}

impl Part for Pressures {
    fn name(&self) -> &'static str {
        "pressure"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let read =
            |(what, pressure): &mut (&'static str, Pressure)| Some((*what, pressure.stalls()?));
        let told: Vec<_> = self.0.iter_mut().filter_map(read).collect();
        (!told.is_empty()).then(|| Box::new(Told(told)) as Box<dyn Collector>)
    }
}

#[derive(Debug)]
struct Told(Vec<(&'static str, Stalls)>);

/// What it is that somebody or everybody waits for, in words.
fn words(what: &str) -> (&'static str, &'static str) {
    match what {
        "cpu" => ("for CPU time", "for CPU time"),
        "memory" => ("for memory", "due to memory congestion"),
        _ => ("due to IO congestion", "due to IO congestion"),
    }
}

impl Collector for Told {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        let seconds = |stall: Stall| stall.total_us as f64 / 1e6;
        for (what, stalls) in &self.0 {
            let (some, full) = words(what);
            let name = format!("node_pressure_{what}_waiting_seconds");
            let help = format!("Total time in seconds that processes have waited {some}");
            families.one(Counter, &name, &help, stalls.some.map(seconds))?;
            // Of the processor as a whole it says nothing: somebody always has it.
            if *what != "cpu" {
                let name = format!("node_pressure_{what}_stalled_seconds");
                let help = format!("Total time in seconds no process could make progress {full}");
                families.one(Counter, &name, &help, stalls.full.map(seconds))?;
            }
        }
        Ok(())
    }
}
