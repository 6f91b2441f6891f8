//! Every setting stands in the READMEs with its default, and nothing else does.

use cloudaps::config::File;

use super::docs::table_keys;
use super::repository::Problem;

/// One key of the configuration file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// With its section: `probe.interval`.
    pub(crate) key: String,
    /// `None`: what it is when it is left out is not one value.
    pub(crate) default: Option<String>,
}

/// Every key that the configuration file may have.
pub(crate) fn known_settings() -> Vec<Setting> {
    let defaults = File::default().effective();
    let defaults: toml::Table = toml::from_str(&defaults).expect("the effective file is valid");
    let mut settings = Vec::new();
    for name in keys_of("") {
        match defaults.get(&name) {
            Some(toml::Value::Table(section)) => {
                let keys = keys_of(&format!("[{name}]\n")).into_iter();
                settings.extend(keys.map(|key| Setting {
                    default: section.get(&key).map(shown),
                    key: format!("{name}.{key}"),
                }));
            }
            value => settings.push(Setting { default: value.map(shown), key: name }),
        }
    }
    settings
}

/// The keys of a section, which the file lists when it refuses one that does not exist.
fn keys_of(section: &str) -> Vec<String> {
    let refused = toml::from_str::<File>(&format!("{section}no_such_key = 0\n"));
    let refusal = refused.expect_err("an unknown key is refused").to_string();
    let (_, expected) = refusal.split_once("expected").expect("the refusal says what is allowed");
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A value without the quotes of a string.
fn shown(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Settings that a README does not have with their default, and rows about none.
pub(crate) fn check_settings(path: &str, readme: &str, settings: &[Setting]) -> Vec<Problem> {
    let missing = settings.iter().filter(|setting| !readme.contains(&row(setting)));
    let missing = missing.map(|setting| {
        let what = format!("no row begins with {}", row(setting).trim());
        Problem::new(path, 1, what, "correct the table of settings")
    });
    let documented = table_keys(readme).into_iter();
    let stale = documented
        .filter(|(_, key)| !key.contains(' ') && settings.iter().all(|setting| setting.key != *key))
        .map(|(line, key)| {
            Problem::new(path, line, format!("`{key}` is no setting"), "remove the row")
        });
    missing.chain(stale).collect()
}

fn row(setting: &Setting) -> String {
    match &setting.default {
        Some(default) => format!("\n| `{}` | `{default}` |", setting.key),
        None => format!("\n| `{}` | ", setting.key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_missing_wrong_or_gone_are_found() {
        let settings = [
            Setting { key: "a.b".to_owned(), default: Some("30s".to_owned()) },
            Setting { key: "c".to_owned(), default: None },
        ];
        let check = |readme| check_settings("README.md", readme, &settings).len();
        assert_eq!(
            check("\n| `a.b` | `30s` | x |\n| `c` | none | x |\n| `cloudaps up` | y |\n"),
            0
        );
        assert_eq!(check("\n| `a.b` | `31s` | x |\n| `c` | none | x |\n"), 1);
        assert_eq!(check("\n| `a.b` | `30s` | x |\n"), 1);
        assert_eq!(check("\n| `a.b` | `30s` | x |\n| `c` | none | x |\n| `d` | `1` | x |\n"), 1);
    }

    #[test]
    fn the_keys_of_the_file_are_known_with_their_sections_and_defaults() {
        let settings = known_settings();
        let has = |key: &str, default: Option<&str>| {
            settings.iter().any(|s| s.key == key && s.default.as_deref() == default)
        };
        assert!(has("listen", Some("127.0.0.1:5000")), "{settings:?}");
        assert!(has("probe.timeout", Some("500ms")), "{settings:?}");
        assert!(has("backend.store", None), "{settings:?}");
    }
}
