//! In which language the client speaks.

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Portuguese,
    English,
}

impl Language {
    /// The locale's, if it is one of the two; otherwise that of the command that was typed.
    pub(super) fn of(locale: Option<&str>, typed: Self) -> Self {
        // `pt_BR.UTF-8`, `en`, `en-GB`; `C` and `POSIX` are nobody's language.
        let name = locale.unwrap_or_default().split(['_', '-', '.', '@']).next();
        match name.unwrap_or_default().to_ascii_lowercase().as_str() {
            "pt" => Self::Portuguese,
            "en" => Self::English,
            _ => typed,
        }
    }
}

/// How the client speaks: in which language, and as which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Voice {
    pub(super) language: Language,
    /// As errors begin.
    pub(super) command: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{English, Portuguese};

    #[test]
    fn a_locale_of_either_language_decides_and_any_other_leaves_it_to_the_command() {
        for (locale, expected) in [
            ("pt_BR.UTF-8", Portuguese),
            ("pt", Portuguese),
            ("PT-br", Portuguese),
            ("en_GB@euro", English),
            ("en.UTF-8", English),
        ] {
            for typed in [Portuguese, English] {
                assert_eq!(Language::of(Some(locale), typed), expected, "{locale}");
            }
        }
        for locale in [None, Some(""), Some("C"), Some("C.UTF-8"), Some("POSIX"), Some("de_DE")] {
            for typed in [Portuguese, English] {
                assert_eq!(Language::of(locale, typed), typed, "{locale:?}");
            }
        }
    }
}
