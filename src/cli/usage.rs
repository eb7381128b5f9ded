//! What is wrong with a command line, in one sentence of ours.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The sentence.
pub(super) fn sentence(error: &Error) -> String {
    let of = |kind| error.get(kind).map(text).unwrap_or_default();
    let argument = of(ContextKind::InvalidArg);
    // Without the name of its value, unless several are named.
    let argument = match argument.split_once(" <") {
        Some((name, _)) if !argument.contains(", --") => name.to_owned(),
        _ => argument,
    };
    let suggested = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
        .into_iter()
        .map(of)
        .find(|suggested| !suggested.is_empty());
    let suggested = suggested.map_or(String::new(), |what| format!("; did you mean {what}?"));
    let said = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "no command".to_owned(),
        ErrorKind::InvalidSubcommand => {
            format!("there is no command '{}'{suggested}", of(ContextKind::InvalidSubcommand))
        }
        ErrorKind::UnknownArgument => {
            format!("nothing is known of '{}' here{suggested}", argument)
        }
        ErrorKind::MissingRequiredArgument => format!("{argument} is needed"),
        ErrorKind::ArgumentConflict => {
            let other = of(ContextKind::PriorArg);
            if other.is_empty() || other == argument {
                format!("{argument} may be given once")
            } else {
                format!("{argument} and {other} do not go together")
            }
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = of(ContextKind::InvalidValue);
            let why = std::error::Error::source(error).map(ToString::to_string);
            let known = of(ContextKind::ValidValue);
            match (value.is_empty(), why) {
                (true, None) => format!("{argument} needs a value"),
                (true, Some(why)) => format!("{argument}: {why}"),
                (false, Some(why)) => format!("{argument}: '{value}': {why}"),
                (false, None) if known.is_empty() => format!("{argument} cannot be '{value}'"),
                (false, None) => format!("{argument} cannot be '{value}'; there are {known}"),
            }
        }
        ErrorKind::NoEquals | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues => {
            format!("{argument} needs a value")
        }
        ErrorKind::TooManyValues => {
            format!("'{}' is one value too many for {argument}", of(ContextKind::InvalidValue))
        }
        ErrorKind::InvalidUtf8 => "an argument is no text in UTF-8".to_owned(),
        _ => error.to_string().split_whitespace().collect::<Vec<_>>().join(" "),
    };
    format!("{said}; see 'certus --help'")
}

fn text(value: &ContextValue) -> String {
    match value {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(all) => all.join(", "),
        ContextValue::StyledStr(text) => text.to_string(),
        ContextValue::Number(number) => number.to_string(),
        ContextValue::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}
