//! `[traces]`: what is told of requests to a collector, and to which, as it is written in the file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::proxy::{CollectorUrl, Sampling, TraceSettings};

/// What stands in the place of a header's value when the settings are shown.
const HIDDEN: &str = "***";

/// `[traces]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    /// Where the collector listens; nothing is told if left out.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "endpoint",
        serialize_with = "shown_endpoint"
    )]
    pub endpoint: Option<CollectorUrl>,
    /// How many of the traces that begin here are recorded, as a part of 1.
    pub sampling: Ratio,
    /// What the balancer and the forwarders are called in them.
    pub service: String,
    /// What each export says besides, such as a key.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
}

/// A part of a whole: from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio(f64);

/// Headers of HTTP that are all valid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Headers(BTreeMap<String, String>);

impl Default for Traces {
    fn default() -> Self {
        Self {
            endpoint: None,
            // Whoever names a collector to try it wants to see something, and what is too much is
            // dropped.
            sampling: Ratio(1.0),
            service: "cloudaps".to_owned(),
            headers: Headers::default(),
        }
    }
}

impl Traces {
    /// The same for who may be read by others; none if there is no collector.
    pub(super) fn without_headers(&self) -> Option<Self> {
        self.endpoint.as_ref()?;
        Some(Self { headers: Headers::default(), ..self.clone() })
    }

    /// What the engine is told, if there is a collector.
    #[must_use]
    pub fn settings(&self) -> Option<TraceSettings> {
        let endpoint = self.endpoint.clone()?;
        Some(TraceSettings {
            endpoint,
            headers: self.headers.to_map(),
            sampling: Sampling::of_ratio(self.sampling.0),
            service: self.service.clone(),
        })
    }
}

impl Headers {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn checked(headers: BTreeMap<String, String>) -> Result<Self, String> {
        for (name, value) in &headers {
            header(name, value)?;
        }
        Ok(Self(headers))
    }

    /// Puts something else in the place of what may be secret.
    pub(super) fn hide(&mut self) {
        self.0.values_mut().for_each(|value| HIDDEN.clone_into(value));
    }

    /// As [`Self::from_str`] reads them; none if there are none.
    pub(super) fn to_variable(&self) -> Option<String> {
        let value = |value| utf8_percent_encode(value, NON_ALPHANUMERIC);
        let pairs: Vec<String> =
            self.0.iter().map(|(name, text)| format!("{name}={}", value(text))).collect();
        (!pairs.is_empty()).then(|| pairs.join(","))
    }

    fn to_map(&self) -> HeaderMap {
        self.0.iter().filter_map(|(name, value)| header(name, value).ok()).collect()
    }
}

impl FromStr for Headers {
    type Err = String;

    /// As OpenTelemetry has its variable: `NAME=VALUE,…`, and values with `%XX` in them.
    fn from_str(text: &str) -> Result<Self, String> {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            // What is not shown may be a secret.
            let (name, value) = pair
                .split_once('=')
                .ok_or("one of them has no `=`: allowed are such as x-api-key=KEY")?;
            let value = percent_decode_str(value.trim()).decode_utf8();
            let value = value.map_err(|_| format!("the value of `{}` is no text", name.trim()))?;
            Ok((name.trim().to_owned(), value.into_owned()))
        };
        Self::checked(pairs.map(pair).collect::<Result<_, String>>()?)
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let no_name = |_| format!("`{name}` is no name of a header: allowed are such as \"x-api-key\"");
    let no_value =
        |_| format!("the value of `{name}` is none of a header: allowed is visible text");
    let name = name.parse::<HeaderName>().map_err(no_name)?;
    let mut value = value.parse::<HeaderValue>().map_err(no_value)?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn endpoint<'de, D: Deserializer<'de>>(from: D) -> Result<Option<CollectorUrl>, D::Error> {
    String::deserialize(from)?.parse().map(Some).map_err(D::Error::custom)
}

fn shown_endpoint<S: Serializer>(
    endpoint: &Option<CollectorUrl>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_str(&endpoint.as_ref().map(ToString::to_string).unwrap_or_default())
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let headers = BTreeMap::<String, String>::deserialize(deserializer)?;
        Self::checked(headers).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RatioVisitor)
    }
}

struct RatioVisitor;

impl Visitor<'_> for RatioVisitor {
    type Value = Ratio;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number from 0 to 1, such as 0.1")
    }

    fn visit_f64<E: Error>(self, ratio: f64) -> Result<Ratio, E> {
        if (0.0..=1.0).contains(&ratio) {
            return Ok(Ratio(ratio));
        }
        Err(E::custom(format!("{ratio} is out of range: allowed are 0 to 1, such as 0.1")))
    }

    fn visit_i64<E: Error>(self, whole: i64) -> Result<Ratio, E> {
        self.visit_f64(whole as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::TracesArgs;
    use crate::config::File;

    fn read(traces: &str) -> Result<File, String> {
        toml::from_str(&format!("[traces]\n{traces}\n")).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_told_unless_somebody_names_a_collector() {
        assert!(read("sampling = 1").unwrap().traces.settings().is_none());
        let file = read("endpoint = \"http://127.0.0.1:4318/\"").unwrap();
        let settings = file.traces.settings().unwrap();
        assert_eq!(settings.endpoint.to_string(), "http://127.0.0.1:4318");
        assert_eq!(settings.service, "cloudaps");
    }

    #[test]
    fn a_flag_goes_before_the_file_unless_it_is_an_empty_variable() {
        let file = || read("endpoint = \"http://a:1\"").unwrap();
        let told = |flag: Option<&str>| {
            let args =
                TracesArgs { traces_endpoint: flag.map(str::to_owned), ..TracesArgs::default() };
            file().traced_to(&args).map(|file| file.traces.endpoint.unwrap())
        };
        assert_eq!(told(None).unwrap().to_string(), "http://a:1");
        assert_eq!(told(Some("")).unwrap().to_string(), "http://a:1");
        assert_eq!(told(Some("https://b:2")).unwrap().to_string(), "https://b:2");
        let refused = told(Some("b:2")).unwrap_err().to_string();
        assert!(refused.contains("--traces-endpoint") && refused.contains("`b:2`"), "{refused}");
    }

    #[test]
    fn headers_are_read_as_other_exporters_read_them_and_written_so_that_they_can_be() {
        let told = |text: &str| {
            let args =
                TracesArgs { traces_headers: Some(text.to_owned()), ..TracesArgs::default() };
            let file = read("headers = { a = \"1\" }").unwrap();
            file.traced_to(&args).map(|file| file.traces.headers).map_err(|error| error.to_string())
        };
        let pairs = |headers: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            Headers(headers.iter().map(owned).collect())
        };
        assert_eq!(told(""), Ok(pairs(&[("a", "1")])), "those of the file");
        let wanted = pairs(&[("authorization", "Bearer a=b, c"), ("x-api-key", "k")]);
        let variable = " authorization=Bearer%20a=b%2C%20c , x-api-key=k,";
        assert_eq!(told(variable), Ok(wanted.clone()));
        assert_eq!(told(&wanted.to_variable().unwrap()), Ok(wanted));
        assert_eq!(Headers::default().to_variable(), None);
        for (text, words) in [("s3cret", "no `=`"), ("a b=c", "`a b`"), ("a=%FF", "`a` is no text")]
        {
            let refusal = told(text).unwrap_err();
            assert!(refusal.contains("--traces-headers") && refusal.contains(words), "{refusal}");
            assert!(!refusal.contains("s3cret"), "{refusal}");
        }
    }

    #[test]
    fn a_refusal_names_what_is_wrong_and_what_is_allowed() {
        for (text, words) in [
            ("sampling = 1.5", ["line 2", "1.5", "0 to 1"]),
            ("sampling = -1", ["line 2", "-1", "0 to 1"]),
            ("sampling = \"all\"", ["line 2", "all", "0 to 1"]),
            ("endpoint = \"127.0.0.1:4317\"", ["line 2", "127.0.0.1:4317", "http://HOST:PORT"]),
            ("headers = { \"a b\" = \"c\" }", ["line 2", "`a b`", "x-api-key"]),
            ("headers = { a = \"b\\n\" }", ["line 2", "`a`", "visible text"]),
        ] {
            let refusal = read(text).unwrap_err();
            for word in words {
                assert!(refusal.contains(word), "`{word}` is not in: {refusal}");
            }
        }
    }

    #[test]
    fn what_a_header_says_is_never_shown() {
        let text = "endpoint = \"http://a\"\nheaders = { authorization = \"Bearer s3cret\" }";
        let file = read(text).unwrap();
        let shown = format!("{}{}{:?}", file.effective(), file.effective_json(), file.shown());
        assert!(shown.contains("authorization") && shown.contains("***"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let headers = file.traces.settings().unwrap().headers;
        assert_eq!(headers["authorization"], "Bearer s3cret");
        assert!(!format!("{headers:?}").contains("s3cret"), "{headers:?}");
    }
}
