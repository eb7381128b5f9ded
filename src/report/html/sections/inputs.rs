//! The table of every input at every radius, as compact data that the page's script shows in pages.

use crate::audit::AuditRow;
use crate::report::html::{Context, text};
use crate::report::terminal::grouped;
use maud::{Markup, PreEscaped, html};
use serde::Serialize;
use std::collections::HashMap;

/// A column: values, or positions in a list of words.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Column<'a> {
    title: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    align: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<String>>,
    /// Whether words are in a meaningful order.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ranked: bool,
    values: Vec<serde_json::Value>,
    /// Whether there is a filter for it.
    #[serde(skip)]
    filtered: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Table<'a> {
    length: usize,
    columns: Vec<Column<'a>>,
}

pub(super) fn content(context: &Context) -> Option<Markup> {
    let rows = &context.report.rows;
    let table = Table { length: rows.len(), columns: columns(context) };
    // `<` cannot end the script when it is written as an escape.
    let data = serde_json::to_string(&table).ok()?.replace('<', "\\u003c");
    Some(html! {
        p {
            (text::counted(rows.len(), "row")) ": every input of every model at every radius. Click a column to sort, choose to filter. By, or why: what decided, or why an input is unknown; margin ≥: the proven margin; r ≥, r ≤: the bracket of the robust radius; evidence: SHA-256 of the counterexample or proof. The same rows, with the outcome of "
            "every attack and method, are in rows.csv and report.json."
        }
        noscript { p.note { "This table needs the script in the page; rows.csv has everything." } }
        div.controls id="inputs-filters" {
            @for (at, column) in table.columns.iter().enumerate().filter(|(_, column)| column.filtered) {
                label {
                    (column.title)
                    select data-column=(at) {
                        option value="" { "all" }
                        @for word in choices(column) { option { (word) } }
                    }
                }
            }
        }
        div.scroll {
            table id="inputs-table" {
                thead { tr { @for column in &table.columns { th scope="col" class=(column.align) { button type="button" { (column.title) } } } } }
                tbody {}
            }
        }
        div.pager {
            button type="button" id="inputs-previous" { "Previous" }
            button type="button" id="inputs-next" { "Next" }
            span id="inputs-status" role="status" { (grouped(rows.len())) " rows" }
        }
        script type="application/json" id="inputs-data" { (PreEscaped(data)) }
    })
}

/// What a filter offers: the words, and the dash of what is missing.
fn choices(column: &Column) -> Vec<String> {
    let mut words = column.words.clone().unwrap_or_default();
    if !column.ranked {
        words.sort();
    }
    if column.values.iter().any(serde_json::Value::is_null) {
        words.push("–".to_owned());
    }
    words
}

fn columns<'a>(context: &Context) -> Vec<Column<'a>> {
    let report = context.report;
    let rows = &report.rows;
    let classes: HashMap<&str, &[String]> =
        report.setup.data.iter().map(|d| (d.name.as_str(), d.classes.as_slice())).collect();
    let class = |row: &AuditRow, class: usize| -> String {
        let names = classes.get(row.data.as_str()).copied().unwrap_or_default();
        names.get(class).cloned().unwrap_or_else(|| class.to_string())
    };
    let plain = |title, kind, values: Vec<serde_json::Value>| Column {
        title,
        kind,
        align: "r",
        words: None,
        ranked: false,
        values,
        filtered: false,
    };
    let mut all = vec![
        words("Model", rows, true, false, &|row| Some(row.model.clone())),
        words("Dataset", rows, true, false, &|row| Some(row.data.clone())),
        plain("Input", "", rows.iter().map(|row| row.index.into()).collect()),
        words("ε", rows, true, true, &|row| Some(text::radius_of(&row.epsilon))),
        words("Label", rows, false, false, &|row| Some(class(row, row.label))),
        words("Predicted", rows, false, false, &|row| row.predicted.map(|p| class(row, p))),
        words("Verdict", rows, true, false, &|row| Some(row.verdict.to_string())),
        words("By, or why", rows, true, false, &|row| {
            row.by.clone().or_else(|| row.reason.clone())
        }),
        plain("Margin ≥", "number", rows.iter().map(|row| row.margin_bound.into()).collect()),
        plain("r ≥", "number", rows.iter().map(|row| row.certified_radius.into()).collect()),
        plain("r ≤", "number", rows.iter().map(|row| row.attacked_radius.into()).collect()),
        words("Evidence", rows, false, false, &|row| {
            row.evidence.as_ref().map(|e| e.sha256.clone())
        }),
    ];
    all[6].kind = "verdict";
    all[11].kind = "hash";
    all
}

/// A column of words, each kept once.
fn words<'a>(
    title: &'a str,
    rows: &[AuditRow],
    filtered: bool,
    number: bool,
    word: &dyn Fn(&AuditRow) -> Option<String>,
) -> Column<'a> {
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut list: Vec<String> = Vec::new();
    let mut places = Vec::new();
    for row in rows {
        places.push(word(row).map(|word| {
            *known.entry(word.clone()).or_insert_with(|| {
                list.push(word);
                list.len() - 1
            })
        }));
    }
    if number {
        // Radii in the order of their size.
        let size = |text: &String| {
            crate::num::parse_rational(text).map_or(0.0, |q| crate::num::to_f64_nearest(&q))
        };
        let mut order: Vec<usize> = (0..list.len()).collect();
        order.sort_by(|&a, &b| size(&list[a]).total_cmp(&size(&list[b])));
        let mut rank = vec![0; list.len()];
        order.iter().enumerate().for_each(|(at, &old)| rank[old] = at);
        list = order.iter().map(|&old| list[old].clone()).collect();
        places.iter_mut().flatten().for_each(|place| *place = rank[*place]);
    }
    Column {
        title,
        kind: "",
        align: if number { "r" } else { "" },
        words: Some(list),
        ranked: number,
        values: places.into_iter().map(Into::into).collect(),
        filtered,
    }
}
