//! What is signed, and by whom.

use crate::audit::Judgement;
use crate::report::html::Context;
use maud::{Markup, html};

pub(super) fn content(context: &Context) -> Option<Markup> {
    let criteria = &context.report.criteria;
    let count = |result| criteria.iter().filter(|criterion| criterion.result == result).count();
    Some(html! {
        p {
            "I have read the report with the id " code { (context.id) } " whole"
            @if criteria.is_empty() { ". Its plan states no criteria." } @else {
                "; of its " (criteria.len()) " criteria, " (count(Judgement::Met)) " are met, " (count(Judgement::NotShown)) " not shown and "
                (count(Judgement::NotMet)) " not met."
            }
        }
        table.signoff {
            thead { tr { th { "Role" } th { "Name" } th { "Organisation" } th { "Date" } th { "Signature" } } }
            tbody { @for role in ["Prepared by", "Checked by", "Approved by"] { tr { th { (role) } td {} td {} td {} td {} } } }
        }
    })
}
