//! report.html: one file without outside parts, made of report.json alone.
//!
//! One section, one file in `sections/`; one kind of picture, one file in `plot/`. A section is a function of the report that
//! yields nothing where it has nothing to say; [`sections::ALL`] is their order.

mod plot;
mod sections;
mod table;
mod text;

use super::audit::AuditReport;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// What a section is made of.
pub(super) struct Context<'a> {
    /// The report.
    pub(crate) report: &'a AuditReport,
    /// Its id.
    pub(crate) id: &'a str,
}

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");
/// Nothing is loaded from anywhere; the page's own script and style are in it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// The page of a report whose id is given.
pub(super) fn page(report: &AuditReport, id: &str) -> String {
    let context = Context { report, id };
    let parts: Vec<(&sections::Section, Markup)> = sections::ALL
        .iter()
        .filter_map(|section| Some((section, (section.content)(&context)?)))
        .collect();
    let title = &report.about.title;
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content=(format!("certus {}", report.setup.build.tool.version));
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(margins(id))) }
            }
            body {
                (plot::definitions())
                a.skip href="#main" { "To the report" }
                nav aria-label="Contents" {
                    div.brand { "certus" span { "robustness audit" } }
                    ol {
                        @for (section, _) in &parts {
                            li { a href=(format!("#{}", section.id)) { (section.title) } }
                        }
                    }
                    button type="button" id="unfold" hidden { "Open all sections" }
                    button type="button" id="theme" hidden { "Dark or light" }
                }
                main id="main" {
                    (header(&context))
                    @for (at, (section, content)) in parts.iter().enumerate() {
                        section id=(section.id) { (folded(at, section, content)) }
                    }
                    footer {
                        p { "Report id " code { (id) } }
                        p {
                            "Made by certus " (report.setup.build.tool.version) " from report.json, and from nothing else. "
                            code { "certus audit --verify DIR --id " (id) }
                            " checks this page and every file beside it."
                        }
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string()
}

/// A section: the first as it is, the others folded until they are asked for, or printed.
fn folded(at: usize, section: &sections::Section, content: &Markup) -> Markup {
    let title = html! { h2 { span.number { (at + 1) } (section.title) } };
    html! {
        @if at == 0 { (title) (content) }
        @else { details { summary { (title) } (content) } }
    }
}

/// What stands at the foot of every printed page. An id is hexadecimal digits, so nothing in it needs quoting.
fn margins(id: &str) -> String {
    let id: String = id.chars().filter(char::is_ascii_hexdigit).collect();
    let font = "font: 7pt sans-serif;";
    format!(
        "@page {{ @bottom-left {{ content: \"Report id {id}\"; {font} }} \
         @bottom-right {{ content: \"Page \" counter(page) \" of \" counter(pages); {font} }} }}\n"
    )
}

/// The picture of clean against robust accuracy on the first dataset, as a file.
pub(crate) fn tradeoff_picture(report: &AuditReport) -> String {
    let data = report.setup.data.first().map_or("", |data| data.name.as_str());
    let subjects: Vec<_> = report.subjects.iter().filter(|s| s.data == data).collect();
    let picture = plot::tradeoff::tradeoff(&subjects, data, "tradeoff");
    picture.map_or_else(String::new, |picture| picture.file("┃ clean   ▼ not broken   ▲ certified"))
}

fn header(context: &Context) -> Markup {
    let (about, run) = (&context.report.about, &context.report.run);
    let date = if about.date.is_empty() {
        run.started.as_deref().and_then(|time| time.split('T').next()).unwrap_or_default()
    } else {
        &about.date
    };
    let items = [
        ("Reference", about.reference.as_str()),
        ("Organisation", about.organisation.as_str()),
        ("Operator", about.operator.as_str()),
        ("Date", date),
    ];
    html! {
        header {
            h1 { (about.title) }
            @if !about.intended_use.is_empty() { p.lead { (about.intended_use) } }
            dl.inline {
                @for (name, value) in items.iter().filter(|item| !item.1.is_empty()) {
                    div { dt { (name) } dd { (value) } }
                }
                div { dt { "Report id" } dd { code { (context.id) } } }
            }
        }
    }
}
