//! Tables of the page.

use super::text;
use crate::audit::interval::Counted;
use crate::report::audit::SubjectRecord;
use maud::{Markup, html};

/// A table; rows are elements `tr`, or bodies of such. Heads of numbers begin with `>`; `/` breaks a head in two.
pub(super) fn table(heads: &[impl AsRef<str>], rows: &Markup) -> Markup {
    captioned(None, heads, rows)
}

/// A table with a caption.
pub(super) fn captioned(caption: Option<&str>, heads: &[impl AsRef<str>], rows: &Markup) -> Markup {
    html! {
        div.scroll { table {
            @if let Some(caption) = caption { caption { (caption) } }
            thead { tr { @for head in heads {
                @let head = head.as_ref();
                @let words = head.strip_prefix('>').unwrap_or(head);
                th class=[head.starts_with('>').then_some("r")] {
                    @match words.split_once('/') {
                        Some((above, below)) => { (above) " " br; (below) },
                        None => (words),
                    }
                }
            } } }
            (rows)
        } }
    }
}

/// The rows of some subjects, a body each, with the subject's names before its first.
pub(super) fn of_subjects<'a, T: 'a>(
    subjects: &'a [SubjectRecord],
    rows: impl Fn(&'a SubjectRecord) -> &'a [T],
    cells: impl Fn(&'a T) -> Markup,
) -> Markup {
    html! {
        @for subject in subjects {
            @let rows = rows(subject);
            tbody { @for (at, row) in rows.iter().enumerate() {
                tr {
                    @if at == 0 { th rowspan=(rows.len()) { (subject.model) } td rowspan=(rows.len()) { (subject.data) } }
                    (cells(row))
                }
            } }
        }
    }
}

/// A share with its interval below it.
pub(super) fn share(count: &Counted) -> Markup {
    html! { td.r { (text::share(count)) span.ci { (text::interval(count.interval.as_ref())) } } }
}

/// For each name its share with its counts below it, where there is one.
pub(super) fn counts<'a>(names: &[&String], of: impl Fn(&String) -> Option<&'a Counted>) -> Markup {
    html! {
        @for name in names {
            td.r { @if let Some(count) = of(name) { (text::share(count)) span.ci { (count.count) " of " (count.total) } span.ci { (text::interval(count.interval.as_ref())) } } }
        }
    }
}
