//! Pressure stall information: the time that tasks waited for CPU, memory and IO.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::Counter;

use super::MetricCollector;
use crate::metrics::family_writer::FamilyWriter;
use crate::procfs::{PressureFile, Stall, Stalls};

pub(super) struct PsiCollector([(&'static str, PressureFile); 3]);

impl PsiCollector {
    pub(super) fn new() -> PsiCollector {
        PsiCollector(
            ["cpu", "memory", "io"]
                .map(|resource| (resource, PressureFile::for_resource(resource))),
        )
    }
}

impl MetricCollector for PsiCollector {
    fn name(&self) -> &'static str {
        "pressure"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let read = |(resource, pressure): &mut (&'static str, PressureFile)| {
            Some((*resource, pressure.read()?))
        };
        let snapshot: Vec<_> = self.0.iter_mut().filter_map(read).collect();
        (!snapshot.is_empty()).then(|| Box::new(PsiSnapshot(snapshot)) as Box<dyn Collector>)
    }
}

#[derive(Debug)]
struct PsiSnapshot(Vec<(&'static str, Stalls)>);

/// Returns the ends of the help texts for `some` and `full`.
fn help_phrases(resource: &str) -> (&'static str, &'static str) {
    match resource {
        "cpu" => ("for CPU time", "for CPU time"),
        "memory" => ("for memory", "due to memory congestion"),
        _ => ("due to IO congestion", "due to IO congestion"),
    }
}

impl Collector for PsiSnapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = FamilyWriter::new(encoder);
        let seconds = |stall: Stall| stall.total_us as f64 / 1e6;
        for (resource, stalls) in &self.0 {
            let (some, full) = help_phrases(resource);
            let name = format!("node_pressure_{resource}_waiting_seconds");
            let help = format!("Total time in seconds that processes have waited {some}");
            families.unlabelled(Counter, &name, &help, stalls.some.map(seconds))?;
            // `full` is undefined for the CPU of the whole system: some task always runs.
            if *resource != "cpu" {
                let name = format!("node_pressure_{resource}_stalled_seconds");
                let help = format!("Total time in seconds no process could make progress {full}");
                families.unlabelled(Counter, &name, &help, stalls.full.map(seconds))?;
            }
        }
        Ok(())
    }
}
