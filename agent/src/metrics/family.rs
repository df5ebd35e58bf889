//! Writer of metric families.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

pub(super) struct FamilyWriter<'a>(DescriptorEncoder<'a>);

pub(super) type Label<'a> = (&'static str, &'a str);

impl<'a> FamilyWriter<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> FamilyWriter<'a> {
        FamilyWriter(encoder)
    }

    /// Writes a counter. The encoder appends `_total` to `name`.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no metrics of the machine"))]
    pub(super) fn counter<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([Label<'l>; N], f64)>,
    ) -> fmt::Result {
        self.family(MetricType::Counter, name, help, values)
    }

    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no metrics of the machine"))]
    pub(super) fn gauge<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([Label<'l>; N], f64)>,
    ) -> fmt::Result {
        self.family(MetricType::Gauge, name, help, values)
    }

    /// Writes a metric without labels, if it has a value.
    pub(super) fn unlabelled(
        &mut self,
        kind: MetricType,
        name: &str,
        help: &str,
        value: Option<f64>,
    ) -> fmt::Result {
        self.family(kind, name, help, value.map(|value| ([], value)))
    }

    /// Writes constant information as labels. The encoder appends `_info` to `name`.
    pub(super) fn info<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: &[Label<'_>; N],
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Info)?;
        family.encode_info(labels)
    }

    /// Writes a family, unless it has no values.
    pub(super) fn family<'l, const N: usize>(
        &mut self,
        kind: MetricType,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([Label<'l>; N], f64)>,
    ) -> fmt::Result {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in values {
            let mut metric = family.encode_family(&labels)?;
            match kind {
                MetricType::Counter => {
                    metric.encode_counter::<NoLabelSet, f64, f64>(&value, None)?;
                }
                _ => metric.encode_gauge(&value)?,
            }
        }
        Ok(())
    }
}
