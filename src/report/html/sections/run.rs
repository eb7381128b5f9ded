//! The tool, the machine, the settings, where the time went.

use crate::report::html::plot::time::time;
use crate::report::html::{Context, text};
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let (setup, run) = (&context.report.setup, &context.report.run);
    let build = &setup.build;
    let rows: [(&str, Option<String>); 9] = [
        ("Program", Some(format!("{} {}", build.tool.name, build.tool.version))),
        (
            "Commit",
            Some(
                build.commit.clone().unwrap_or_else(|| "not recorded when it was built".to_owned()),
            ),
        ),
        ("Program's SHA-256", run.program_sha256.clone()),
        (
            "Features",
            Some(if build.features.is_empty() {
                "default".to_owned()
            } else {
                build.features.join(", ")
            }),
        ),
        ("Command", run.command_line.clone()),
        ("Begun", run.started.clone()),
        (
            "Machine",
            run.host.clone().map(|host| {
                let system = run.system.clone().unwrap_or_default();
                format!("{host}, {system}")
            }),
        ),
        (
            "Processor",
            run.processor.clone().map(|processor| {
                let cores = run
                    .cores
                    .map(|cores| format!(", {}", text::counted(cores, "logical core")))
                    .unwrap_or_default();
                processor + &cores
            }),
        ),
        (
            "Memory",
            run.memory.map(|bytes| format!("{:.1} GiB", bytes as f64 / f64::from(1u32 << 30))),
        ),
    ];
    Some(html! {
        dl.pairs {
            @for (name, value) in rows.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                dt { (name) } dd { @if name.ends_with("256") { code { (value) } } @else { (value) } }
            }
            dt { "Seed" } dd { (setup.seed) "; every input and step has a seed of its own, made of it" }
            dt { "Time limit" } dd { @match setup.timeout { Some(limit) => { (text::seconds(limit)) " a step" }, None => "none: results do not depend on the machine's speed" } }
            @if let Some(jobs) = run.jobs { dt { "Side by side" } dd { (text::counted(jobs, "input")) } }
        }
        @match time(&run.seconds) {
            Some(picture) => (picture),
            None => p.note { "Times, date and machine are left out, so that the report can be reproduced to the byte." },
        }
    })
}
