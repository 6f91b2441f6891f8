//! A table of text, the same on a terminal and in Markdown, and how numbers look in it.

use std::fmt;

/// Rows under a header; every row has as many cells.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub(super) fn new(header: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { rows: vec![header.into_iter().map(Into::into).collect()] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

/// Markdown. The first column is text, the others are numbers.
impl fmt::Display for Grid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (index, row) in self.rows.iter().enumerate() {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(formatter, "| {cell:<width$} |")?,
                    _ => write!(formatter, " {cell:>width$} |")?,
                }
            }
            writeln!(formatter)?;
            if index == 0 {
                let rules = widths.iter().enumerate().map(|(column, width)| match column {
                    0 => format!("| {} |", "-".repeat(*width)),
                    _ => format!(" {}: |", "-".repeat(width - 1)),
                });
                writeln!(formatter, "{}", rules.collect::<String>())?;
            }
        }
        Ok(())
    }
}

/// A number with so many decimals, and its thousands apart.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut apart = String::new();
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len() - index;
        if index > 0 && left % 3 == 0 && !apart.ends_with('-') {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart + fraction
}

/// A number that may not exist.
pub(super) fn maybe(value: Option<f64>, decimals: usize) -> String {
    value.map_or("–".to_owned(), |value| number(value, decimals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        let cases = [(1_234_567.0, "1,234,567"), (999.0, "999"), (-1_000.0, "-1,000"), (0.0, "0")];
        for (value, expected) in cases {
            assert_eq!(number(value, 0), expected);
        }
        assert_eq!((number(1_234.5, 2).as_str(), maybe(None, 2).as_str()), ("1,234.50", "–"));
    }

    #[test]
    fn a_table_is_markdown_with_aligned_columns() {
        let mut grid = Grid::new(["subject", "n"]);
        grid.row(["relay".to_owned(), "1,000".to_owned()]);
        let lines = ["| subject |     n |", "| ------- | ----: |", "| relay   | 1,000 |", ""];
        assert_eq!(grid.to_string(), lines.join("\n"));
    }
}
