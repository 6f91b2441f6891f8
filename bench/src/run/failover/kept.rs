//! A section of the page that one command writes and the other one keeps.

/// What stands before and after it.
const BEGIN: &str = "<!-- failover -->\n";
const END: &str = "<!-- /failover -->\n";

/// The section with what marks it, if the page has one.
pub(in crate::run) fn section(page: &str) -> Option<&str> {
    let begin = page.find(BEGIN)?;
    let end = page[begin..].find(END)? + begin + END.len();
    Some(&page[begin..end])
}

/// The page with another section in its place, or at its end.
pub(super) fn replace(page: &str, text: &str) -> String {
    let marked = format!("{BEGIN}\n{}\n\n{END}", text.trim());
    match section(page) {
        Some(old) => page.replacen(old, &marked, 1),
        None if page.is_empty() => marked,
        None => format!("{}\n\n{marked}", page.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_put_at_the_end_and_then_replaced_where_it_is() {
        let page = replace("# Page\n\nText.\n", "## One\n");
        assert_eq!(page, format!("# Page\n\nText.\n\n{BEGIN}\n## One\n\n{END}"));
        let longer = format!("{page}\n## Last\n");
        let again = replace(&longer, "## Two");
        assert_eq!(again, longer.replace("One", "Two"));
        assert_eq!(section(&again).map(|section| section.contains("Two")), Some(true));
        assert_eq!(section("# Page\n"), None);
        assert_eq!(section(&replace("", "a")), Some(&*replace("", "a")));
    }
}
