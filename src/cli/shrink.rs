//! `certus shrink`: the smallest network and property of which something is still true.

use super::exit::{CANNOT_CREATE, DATA, DONE, Failure, INTERNAL, REJECTED, USAGE, words};
use super::output::answer;
use super::{interrupt, print_error, program};
use crate::load::{LoadSettings, SourceFile};
use crate::query::OpenError;
use crate::report::{Answer, ShrinkAnswer};
use crate::testing::{Case, shrink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Make a network and a property smaller, as long as something stays true of them
///
/// What stays true is said by --when, of 'certus verify MODEL PROPERTY --timeout S' or of --command. Claims, elements of tensors, nodes,
/// terms and weights are left out, inputs are fixed and numbers rounded, each as long as all conditions hold. Exit code 1 where they do not
/// hold of the files as they are.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::SHORT, after_long_help = super::exit::HELP)]
pub(super) struct Arguments {
    /// The network: .onnx, gzipped or not
    model: PathBuf,

    /// The property: VNN-LIB 1.0, gzipped or not
    property: PathBuf,

    /// What must stay true: exit=21, exit!=0, stdout~TEXT, stderr~TEXT or seconds>5; all of them, where there are several
    #[arg(long, value_name = "CONDITION", required = true)]
    when: Vec<Condition>,

    /// What is run instead of 'certus verify', with {onnx} and {vnnlib} for the files
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,

    /// Ask for a proof, as 'certus verify --proof' does; on by itself where a condition is exit=21
    #[arg(long, conflicts_with = "command")]
    proof: bool,

    /// Seconds for each run
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = super::arguments::seconds)]
    timeout: Duration,

    /// How long to go on
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0)]
    minutes: f64,

    /// Folder for small.onnx and small.vnnlib
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

/// Something that may be true of a run.
#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Exit(i32, bool),
    Output(bool, String),
    Longer(f64),
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = || {
            format!(
                "'{text}' is no condition; use exit=21, exit!=0, stdout~TEXT, stderr~TEXT or seconds>5"
            )
        };
        let number = |text: &str| text.trim().parse::<i32>().map_err(|_| help());
        if let Some((name, rest)) = text.split_once("!=") {
            return if name.trim() == "exit" {
                Ok(Self::Exit(number(rest)?, false))
            } else {
                Err(help())
            };
        }
        if let Some((name, rest)) = text.split_once('~') {
            return match name.trim() {
                "stdout" => Ok(Self::Output(false, rest.to_owned())),
                "stderr" => Ok(Self::Output(true, rest.to_owned())),
                _ => Err(help()),
            };
        }
        if let Some((name, rest)) = text.split_once('>') {
            let seconds =
                rest.trim().parse::<f64>().ok().filter(|s| name.trim() == "seconds" && *s >= 0.0);
            return seconds.map(Self::Longer).ok_or_else(help);
        }
        match text.split_once('=') {
            Some((name, rest)) if name.trim() == "exit" => Ok(Self::Exit(number(rest)?, true)),
            _ => Err(help()),
        }
    }
}

/// What a run left.
struct Ran {
    code: Option<i32>,
    output: [String; 2],
    seconds: f64,
}

impl Condition {
    fn holds(&self, ran: &Ran) -> bool {
        match self {
            Self::Exit(code, equal) => (ran.code == Some(*code)) == *equal,
            Self::Output(error, text) => ran.output[usize::from(*error)].contains(text.as_str()),
            Self::Longer(seconds) => ran.seconds > *seconds,
        }
    }
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let time = Duration::try_from_secs_f64(arguments.minutes * 60.0).map_err(|_| {
        Failure::new(USAGE, "--minutes: it must be a number of minutes, not negative")
    })?;
    let text = SourceFile::read(&arguments.property)?.bytes;
    let name = arguments.property.display().to_string();
    let case =
        Case::read(&arguments.model, &LoadSettings::default(), &text, &name).map_err(|error| {
            match error {
                OpenError::Network(error) => error.into(),
                OpenError::Property(error) => error.into(),
                error => Failure::new(DATA, format!("{name}: {error}")),
            }
        })?;
    std::fs::create_dir_all(&arguments.out)
        .map_err(|why| Failure::create(&arguments.out, words(&why)))?;
    let small = ["small.onnx", "small.vnnlib"].map(|name| arguments.out.join(name));
    interrupt::watch("")?;
    let as_they_are = [arguments.model.clone(), arguments.property.clone()];
    if !arguments.holds(&as_they_are)? {
        print_error("the conditions do not hold of the files as they are");
        return Ok(REJECTED);
    }
    let (begun, mut failed, mut runs) = (Instant::now(), None, 1);
    let mut fails = |case: &Case| {
        runs += 1;
        let tried = write(case, &small)
            .and_then(|written| if written { arguments.holds(&small) } else { Ok(false) });
        tried.unwrap_or_else(|failure| {
            failed.get_or_insert(failure);
            false
        })
    };
    let found = shrink(&case, &mut fails, &|| begun.elapsed() > time || interrupt::stopped());
    if let Some(failure) = failed {
        return Err(failure);
    }
    if !write(&found, &small)? {
        return Err(Failure::new(
            CANNOT_CREATE,
            format!("{}: no file holds the network exactly", small[0].display()),
        ));
    }
    let size = |case: &Case| {
        [
            case.query().network().inputs(),
            case.query().network().nodes().len(),
            case.query().network().parameters(),
        ]
    };
    let [model, property] = small.map(|file| file.display().to_string());
    let shrunk = ShrinkAnswer { model, property, runs, before: size(&case), after: size(&found) };
    answer(&Answer::new("shrink", &shrunk), || {
        let [inputs, nodes, parameters] = shrunk.after;
        let [all_inputs, all_nodes, all_parameters] = shrunk.before;
        format!(
            "{}, {}: {inputs} of {all_inputs} inputs, {nodes} of {all_nodes} nodes, {parameters} of {all_parameters} parameters, after {} runs\n",
            shrunk.model, shrunk.property, shrunk.runs
        )
    })?;
    Ok(DONE)
}

/// Writes a case; `false` where no file holds it.
fn write(case: &Case, files: &[PathBuf; 2]) -> Result<bool, Failure> {
    let Some((model, property)) = case.model().zip(case.property()) else { return Ok(false) };
    for (file, bytes) in files.iter().zip([model, property.as_bytes()]) {
        std::fs::write(file, bytes).map_err(|why| Failure::write(file, words(&why)))?;
    }
    Ok(true)
}

impl Arguments {
    /// Whether all conditions hold of a run about two files.
    fn holds(&self, [model, property]: &[PathBuf; 2]) -> Result<bool, Failure> {
        let proof = self.proof || self.when.contains(&Condition::Exit(21, true));
        let scratch = std::env::temp_dir().join(format!("certus-shrink-{}", std::process::id()));
        let files = ["proof", "stdout", "stderr"].map(|ending| scratch.with_extension(ending));
        let ran = self.run(model, property, proof, &files);
        files.iter().for_each(|file| drop(std::fs::remove_file(file)));
        let ran = ran.map_err(|why| {
            Failure::new(INTERNAL, format!("cannot run the command: {}", words(&why)))
        })?;
        Ok(self.when.iter().all(|condition| condition.holds(&ran)))
    }

    fn run(
        &self,
        model: &Path,
        property: &Path,
        proof: bool,
        files: &[PathBuf; 3],
    ) -> std::io::Result<Ran> {
        let mut command = match &self.command {
            Some(text) => {
                let text = text.replace("{onnx}", &model.display().to_string());
                let text = text.replace("{vnnlib}", &property.display().to_string());
                let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
                let mut command = Command::new(shell);
                command.args([flag, &text]);
                command
            }
            None => {
                let mut command = program::again()?;
                let seconds = self.timeout.as_secs_f64().to_string();
                command.arg("verify").args([model, property]).args(["--timeout", &seconds]);
                if proof {
                    command.arg("--proof").arg(&files[0]);
                }
                command
            }
        };
        let [out, err] = [&files[1], &files[2]].map(std::fs::File::create);
        let begun = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(out?).stderr(err?).spawn()?;
        // Reading, writing and checking come on top of the limit.
        let limit = self.timeout * 3 + Duration::from_secs(5);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status.code();
            }
            if begun.elapsed() > limit || interrupt::stopped() {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let seconds = begun.elapsed().as_secs_f64();
        let read = |file: &PathBuf| {
            std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let output = [read(&files[1])?, read(&files[2])?];
        Ok(Ran { code: status, output, seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        assert_eq!("exit=21".parse(), Ok(Condition::Exit(21, true)));
        assert_eq!("exit!=0".parse(), Ok(Condition::Exit(0, false)));
        assert_eq!(
            "stderr~internal error".parse(),
            Ok(Condition::Output(true, "internal error".to_owned()))
        );
        assert_eq!("seconds>1.5".parse(), Ok(Condition::Longer(1.5)));
        for wrong in
            ["", "exit", "exit=x", "code=1", "seconds>soon", "minutes>1", "stdin~x", "code!=1"]
        {
            assert!(wrong.parse::<Condition>().is_err(), "{wrong}");
        }
    }
}
