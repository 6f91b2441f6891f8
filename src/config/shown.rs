//! The configuration for people to read: every key with its value, what was changed, and no secret.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::File;
use super::file::ProviderName;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// What the name of a secret contains.
const SECRET_NAMES: [&str; 6] = ["secret", "token", "password", "passwd", "credential", "apikey"];

/// One key of the file and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// With its section: `probe.interval`.
    pub key: String,
    /// As it would be written; secrets are hidden.
    pub value: String,
    /// Who decided it.
    pub origin: Origin,
}

/// Who decided a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: it is what it is if nobody says otherwise.
    Default,
    /// The file or a flag.
    Chosen,
}

impl File {
    /// Every key that has a value, by its name.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        // What a setting is by default depends on the provider; which provider is chosen does not.
        let defaults = flat(&Self { provider: self.provider, ..Self::default() });
        let shown = flat(self).into_iter().map(|(key, value)| {
            let is_default = match key.as_str() {
                "provider" => self.provider == ProviderName::default(),
                _ => defaults.get(&key) == Some(&value),
            };
            let origin = if is_default { Origin::Default } else { Origin::Chosen };
            Shown { key, value: hide(value).to_string(), origin }
        });
        shown.collect()
    }
}

/// The keys with their sections, and their values. What cannot be written has none.
fn flat(file: &File) -> BTreeMap<String, Value> {
    let table = Table::try_from(file.filled_in()).unwrap_or_default();
    let flat = table.into_iter().flat_map(|(name, value)| match value {
        Value::Table(section) => {
            let inside = section.into_iter().map(|(key, value)| (format!("{name}.{key}"), value));
            inside.collect::<Vec<_>>()
        }
        value => vec![(name, value)],
    });
    flat.collect()
}

fn hide(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(hide_in_word(&text)),
        Value::Array(values) => Value::Array(hide_in_list(values)),
        Value::Table(table) => {
            Value::Table(table.into_iter().map(|(key, value)| (key, hide(value))).collect())
        }
        other => other,
    }
}

/// In a command, the word after `--token` is the token.
fn hide_in_list(values: Vec<Value>) -> Vec<Value> {
    let mut is_named = false;
    let hidden = values.into_iter().map(|value| {
        let named = is_named;
        let word = value.as_str();
        is_named = word.is_some_and(|word| is_secret_name(word) && !word.contains('='));
        if named && word.is_some() { Value::String(HIDDEN.to_owned()) } else { hide(value) }
    });
    hidden.collect()
}

fn hide_in_word(word: &str) -> String {
    if let Some((name, _)) = word.split_once('=').filter(|(name, _)| is_secret_name(name)) {
        return format!("{name}={HIDDEN}");
    }
    hide_in_url(word).unwrap_or_else(|| word.to_owned())
}

/// `scheme://user:password@host`: the password.
fn hide_in_url(word: &str) -> Option<String> {
    let (scheme, rest) = word.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (userinfo, _) = authority.rsplit_once('@')?;
    let (user, _) = userinfo.split_once(':')?;
    let after = &rest[userinfo.len()..];
    Some(format!("{scheme}://{user}:{HIDDEN}{after}"))
}

fn is_secret_name(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<Shown> {
        toml::from_str::<File>(text).unwrap().shown()
    }

    #[test]
    fn what_was_chosen_is_told_from_what_is_so_by_default() {
        let all = shown("instances = 3\n[probe]\ninterval = \"250ms\"\n");
        let of = |key: &str| all.iter().find(|shown| shown.key == key).unwrap();
        assert_eq!(of("probe.interval").value, "\"250ms\"");
        assert_eq!(of("probe.interval").origin, Origin::Chosen);
        assert_eq!(of("probe.timeout").origin, Origin::Default);
        assert_eq!(
            (of("instances").value.as_str(), of("instances").origin),
            ("3", Origin::Default)
        );
    }

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let text = "[instance]\ncommand = [\"app\", \"--api-token\", \"s3cret\", \"--port\", \
                    \"{port}\", \"DB_PASSWORD=s3cret\", \"--db=postgres://me:s3cret@db/x\", \
                    \"postgres://me:s3cret@db:5432/x?y\"]\n";
        let all = shown(text);
        let command = &all.iter().find(|shown| shown.key == "instance.command").unwrap().value;
        assert!(!command.contains("s3cret"), "{command}");
        for kept in ["--api-token", "{port}", "DB_PASSWORD=***", "postgres://me:***@db:5432/x?y"] {
            assert!(command.contains(kept), "`{kept}` is not in {command}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown_as_it_is() {
        for word in ["--port={port}", "http://a/b@c:d", "http://user@host/", "a=b", "/path/x:y@z"] {
            assert_eq!(hide_in_word(word), word);
        }
    }
}
