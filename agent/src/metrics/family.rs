//! Metric families: values with their names, types and labels, for both formats.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

pub(super) type Label = (&'static str, Cow<'static, str>);

/// Labels of a value. Families of one device share them.
pub(super) type Labels = Arc<[Label]>;

/// Metrics that share a name, for example one for each core.
#[derive(Debug)]
pub(super) struct Family {
    kind: MetricType,
    /// The encoder appends `_total` for a counter, and `_info` for constant information.
    name: Cow<'static, str>,
    help: Cow<'static, str>,
    /// A family without values is not exported.
    values: Vec<(Labels, f64)>,
}

impl Family {
    pub(super) fn new(
        kind: MetricType,
        name: impl Into<Cow<'static, str>>,
        help: impl Into<Cow<'static, str>>,
        values: impl IntoIterator<Item = (Labels, f64)>,
    ) -> Family {
        let values = values.into_iter().collect();
        Family { kind, name: name.into(), help: help.into(), values }
    }

    /// Returns a metric without labels.
    pub(super) fn unlabelled(
        kind: MetricType,
        name: impl Into<Cow<'static, str>>,
        help: impl Into<Cow<'static, str>>,
        value: Option<f64>,
    ) -> Family {
        Family::new(kind, name, help, value.map(|value| (Labels::default(), value)))
    }

    /// Returns constant information as labels.
    pub(super) fn info(
        name: &'static str,
        help: &'static str,
        labels: impl Into<Labels>,
    ) -> Family {
        Family::new(MetricType::Info, name, help, [(labels.into(), 1.0)])
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        if self.values.is_empty() {
            return Ok(());
        }
        let mut family = encoder.encode_descriptor(&self.name, &self.help, None, self.kind)?;
        for (labels, value) in &self.values {
            let labels = &labels[..];
            match self.kind {
                MetricType::Info => family.encode_info(&labels)?,
                MetricType::Counter => family
                    .encode_family(&labels)?
                    .encode_counter::<NoLabelSet, f64, f64>(value, None)?,
                _ => family.encode_family(&labels)?.encode_gauge(value)?,
            }
        }
        Ok(())
    }
}

/// Families in the order of the page.
#[derive(Debug)]
pub(super) struct Families(pub(super) Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|family| family.encode(&mut encoder))
    }
}
