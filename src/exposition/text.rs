//! The two text formats: Prometheus' own (0.0.4) and OpenMetrics (1.0.0). They differ in the names
//! of counters, in the content type and in the last line.

use std::fmt::{Display, Write};

use super::families::{Family, Kind};
use crate::metrics::{Distribution, is_exported};

/// Which text is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>
    Prometheus,
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
    OpenMetrics,
}

impl Format {
    const OPEN_METRICS: &str = "application/openmetrics-text";

    /// The one that `Accept` prefers; Prometheus' own if it says nothing of either.
    #[must_use]
    pub fn preferred(accept: &str) -> Self {
        let weight_of = |kind: &str| {
            let elements = accept.split(',').map(|element| {
                let mut parts = element.split(';').map(str::trim);
                let is_meant = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(kind));
                let weight = parts.find_map(|part| part.strip_prefix("q="));
                let weight = weight.map_or(Some(1.0), |weight| weight.parse::<f32>().ok());
                if is_meant { weight.unwrap_or(0.0) } else { 0.0 }
            });
            elements.fold(0.0, f32::max)
        };
        let open = weight_of(Self::OPEN_METRICS);
        if open > 0.0 && open >= weight_of("text/plain") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// What the answer's `Content-Type` says.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A text that is being written, family by family.
#[derive(Debug)]
pub(super) struct Text {
    format: Format,
    out: String,
    family: Option<&'static Family>,
}

impl Text {
    pub(super) const fn new(format: Format) -> Self {
        Self { format, out: String::new(), family: None }
    }

    /// Begins a family, whose samples follow.
    pub(super) fn begin(&mut self, family: &'static Family) {
        let name = match (self.format, family.kind) {
            (Format::Prometheus, Kind::Counter) => &format!("{}_total", family.name),
            (Format::OpenMetrics, _) | (_, Kind::Gauge | Kind::Histogram) => family.name,
        };
        let kind = family.kind.name();
        self.write(format_args!("# HELP {name} {}\n# TYPE {name} {kind}\n", family.help));
        self.family = Some(family);
    }

    /// One number of the family.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let suffix = match self.family.map(|family| family.kind) {
            Some(Kind::Counter) => "_total",
            Some(Kind::Gauge | Kind::Histogram) | None => "",
        };
        self.line(suffix, labels, None, value);
    }

    /// A family of one number.
    pub(super) fn single(
        &mut self,
        family: &'static Family,
        labels: &[(&str, &str)],
        value: impl Display,
    ) {
        self.begin(family);
        self.sample(labels, value);
    }

    /// One histogram of the family.
    pub(super) fn histogram(&mut self, labels: &[(&str, &str)], times: &Distribution) {
        for (bucket, (bound, count)) in times.cumulative().enumerate() {
            if is_exported(bucket) {
                let bound = std::time::Duration::from_nanos(bound).as_secs_f64();
                // OpenMetrics wants whole numbers with their point.
                let point = if bound.fract() == 0.0 { ".0" } else { "" };
                self.line("_bucket", labels, Some(&format!("{bound}{point}")), count);
            }
        }
        let count = times.count();
        self.line("_bucket", labels, Some("+Inf"), count);
        self.line("_sum", labels, None, times.sum().as_secs_f64());
        self.line("_count", labels, None, count);
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        bound: Option<&str>,
        value: impl Display,
    ) {
        let name = self.family.map_or("", |family| family.name);
        self.write(format_args!("{name}{suffix}"));
        let labels = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut opening = '{';
        for (name, value) in labels {
            self.write(format_args!("{opening}{name}=\"{}\"", escaped(value)));
            opening = ',';
        }
        let closing = if opening == ',' { "}" } else { "" };
        self.write(format_args!("{closing} {value}\n"));
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // A string takes whatever is written to it.
        let _ = self.out.write_fmt(arguments);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    static SENT: Family = Family { name: "sent", kind: Kind::Counter, help: "What was sent." };
    static TIME: Family = Family { name: "time", kind: Kind::Histogram, help: "How long." };

    #[test]
    fn a_counter_has_its_suffix_where_the_format_wants_it() {
        for (format, name, end) in
            [(Format::Prometheus, "sent_total", ""), (Format::OpenMetrics, "sent", "# EOF\n")]
        {
            let mut text = Text::new(format);
            text.single(&SENT, &[("to", "a\"b\\\n")], 3);
            let expected = format!(
                "# HELP {name} What was sent.\n# TYPE {name} counter\n\
                 sent_total{{to=\"a\\\"b\\\\\\n\"}} 3\n{end}"
            );
            assert_eq!(text.finish(), expected);
        }
    }

    #[test]
    fn a_histogram_is_cumulative_and_has_three_bounds_to_a_decade() {
        let mut times = Distribution::default();
        for micros in [80, 900, 2_000_000_000] {
            times.add(Duration::from_micros(micros));
        }
        let mut text = Text::new(Format::Prometheus);
        text.begin(&TIME);
        text.histogram(&[("role", "a")], &times);
        let text = text.finish();
        for line in [
            "time_bucket{role=\"a\",le=\"0.00005\"} 0\n",
            "time_bucket{role=\"a\",le=\"0.0001\"} 1\n",
            "time_bucket{role=\"a\",le=\"1.0\"} 2\n",
            "time_bucket{role=\"a\",le=\"+Inf\"} 3\n",
            "time_sum{role=\"a\"} 2000.00098\n",
            "time_count{role=\"a\"} 3\n",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert_eq!(text.matches(",le=").count(), 23);
    }

    #[test]
    fn the_format_is_the_one_that_is_preferred() {
        let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1";
        assert_eq!(Format::preferred(prometheus), Format::OpenMetrics);
        for accept in ["", "*/*", "text/html", "application/openmetrics-text;q=0.1,text/plain"] {
            assert_eq!(Format::preferred(accept), Format::Prometheus, "{accept}");
        }
    }
}
