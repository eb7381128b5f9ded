//! From files to finished lines, for `certify`, `attack`, `radius` and `audit` alike.

use super::arguments::CommonArguments;
use super::exit::{DATA, Failure};
use super::front::Front;
use super::interrupt;
use super::output::verbose;
use super::program;
use super::progress::Tally;
use crate::audit::{Ended, FileRecord, Finished, Line, Work};
use crate::load::{Dataset, LayerInfo, LoadSettings, LoadedNetwork, load_network_as};
use crate::net::Network;
use crate::num::Rational;
use crate::query::{Classifier, ClassifierError};
use crate::report::{
    AsRead, CampaignSettings, DataRecord, Folder, Header, Mode, ModelRecord, Timing, head_text,
};
use crate::spec::Norm;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Instant;

/// Does what `held` lacks and keeps it in the folder, where there is one; all lines in the end.
pub(super) fn drive<W: Work<Line: Clone>>(
    work: &W,
    folder: Option<&Folder>,
    held: Vec<W::Line>,
    jobs: usize,
    mut tally: impl Tally<Line = W::Line>,
    (front, unit, quiet): (&dyn Front, &'static str, bool),
) -> Result<(Ended, Vec<W::Line>), Failure> {
    let done = held.iter().filter(|line| tally.add(line)).count();
    let bar = front.bar(work.inputs().len(), done, unit, quiet);
    bar.message(tally.words());
    let state = Mutex::new((held.clone(), tally));
    let sink = |finished: Finished<W::Line>| -> Result<(), Failure> {
        if let Some(folder) = folder {
            folder.append(&finished)?;
        }
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if verbose() {
            bar.say(&state.1.tell(&finished.line));
        }
        if state.1.add(&finished.line) {
            bar.add(state.1.words());
        }
        state.0.push(finished.line);
        Ok(())
    };
    let ended = work.run(jobs, &held, &*front.stop(), &sink)?;
    Ok((ended, state.into_inner().unwrap_or_else(PoisonError::into_inner).0))
}

/// How many inputs are handled at once.
pub(super) fn jobs(asked: Option<NonZeroUsize>) -> usize {
    asked.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get)
}

/// Work on one network and one dataset.
pub(super) struct Session<'a, R> {
    common: &'a CommonArguments,
    front: &'a dyn Front,
    started: Instant,
    /// What is run.
    pub(crate) header: Header,
    /// How many inputs are asked about.
    pub(crate) inputs: usize,
    /// Where it is kept.
    pub(crate) folder: Option<Folder>,
    held: Vec<R>,
}

impl<'a, R: Line + Clone + Sync> Session<'a, R> {
    /// Opens the folder, where one is wanted.
    pub(super) fn open(
        (common, front): (&'a CommonArguments, &'a dyn Front),
        started: Instant,
        command: &str,
        (model, classifier): (ModelRecord, &Classifier),
        (norm, eps): (Norm, &Rational),
        settings: CampaignSettings,
    ) -> Result<Self, Failure> {
        let data = classifier.data();
        classifier.check_eps(norm, &[eps])?;
        let inputs = common.limit.map_or(data.len(), |limit| data.len().min(limit.get()));
        let look = classifier.look(inputs, &[eps]);
        let as_read = AsRead::new(classifier, &look);
        let header = Header::new(
            command,
            common.arithmetic.semantics,
            model,
            data_record(common, data),
            settings,
            as_read,
        );
        let mode = match (common.resume, common.overwrite) {
            (true, _) => Mode::Resume,
            (false, true) => Mode::Overwrite,
            (false, false) => Mode::Fresh,
        };
        let open = |dir| Folder::campaign(dir, &header, inputs, mode);
        let (folder, held) = match common.out.as_deref().map(open).transpose()? {
            Some((folder, held)) => (Some(folder), held),
            None => (None, Vec::new()),
        };
        let warnings = header.as_read.as_ref().map_or(&[][..], |as_read| &as_read.warnings);
        front.head(&head_text(&header, inputs), warnings)?;
        Ok(Self { common, front, started, header, inputs, folder, held })
    }

    /// Does the work; whether it was interrupted, all rows, and how long it took. Where it was interrupted, it says so.
    pub(super) fn run<W: Work<Line = R>>(
        &mut self,
        work: &W,
        tally: impl Tally<Line = R>,
    ) -> Result<(Ended, Vec<R>, Timing), Failure> {
        self.front.watch(interrupt::KEPT)?;
        let (held, jobs) = (std::mem::take(&mut self.held), jobs(self.common.jobs));
        let resumed_rows = held.len();
        let folder = self.folder.as_ref();
        let shown = (self.front, "", self.common.quiet);
        let (ended, rows) = drive(work, folder, held, jobs, tally, shown)?;
        if let Some(folder) = folder {
            folder.sync()?;
        }
        if ended == Ended::Cancelled {
            let (done, inputs) = (rows.len(), work.inputs().len());
            self.front.cut_short(&how_to_go_on(self.common, done, inputs));
        }
        let wall_seconds = self.started.elapsed().as_secs_f64();
        Ok((ended, rows, Timing { jobs, wall_seconds, input_seconds: 0.0, resumed_rows }))
    }
}

/// Reads a network that decides on classes: what goes into a Sigmoid at its end decides on the same ones, by its order or its sign.
pub(super) fn load_classifier(
    model: &Path,
    mut ports: LoadSettings,
) -> Result<(LoadedNetwork, LoadSettings), Failure> {
    let mut loaded = load_network_as(model, &ports)?;
    if let Some(logits) = loaded.logits.take() {
        ports.output = Some(logits.clone());
        let notes = std::mem::take(&mut loaded.notes);
        loaded = load_network_as(model, &ports)?;
        loaded.notes.splice(0..0, notes);
        loaded.notes.push(format!("the final Sigmoid is dropped: '{logits}' decides on the class"));
    }
    if loaded.network.outputs() == 1 {
        loaded.notes.push("one output: class 1 where it is positive, else class 0".to_owned());
    }
    Ok((loaded, ports))
}

/// Reads model and data, and checks that they fit.
pub(super) fn load(
    common: &CommonArguments,
    front: &dyn Front,
) -> Result<(Classifier, ModelRecord), Failure> {
    let semantics = common.arithmetic.semantics;
    let asked = LoadSettings { semantics, ..common.ports.settings() };
    let (loaded, ports) = load_classifier(&common.model, asked)?;
    let reading = common.reading.settings()?;
    let data = Arc::new(match front.arrays() {
        Some(arrays) => Dataset::from_arrays(["X", "y"], arrays, &reading)?,
        None => Dataset::load(&common.data, &reading)?,
    });
    let (sha256, external) = (loaded.identity(), external(&loaded));
    let LoadedNetwork { network, input_shape, notes, layers, .. } = loaded;
    let model = ModelRecord {
        file: common.model.display().to_string(),
        sha256,
        external,
        output: ports.output.clone(),
        constants: constants(&ports),
        inputs: network.inputs(),
        outputs: network.outputs(),
        parameters: layers.iter().map(|layer| layer.parameters).sum(),
        relus: relus(&network),
        notes,
    };
    let classifier = classifier(&common.model, &Arc::new(network), &input_shape, &data)?;
    Ok((classifier, model))
}

/// A network and a dataset that fit each other; a failure names the file that is wrong.
pub(super) fn classifier(
    model: &Path,
    network: &Arc<Network>,
    input_shape: &[usize],
    data: &Arc<Dataset>,
) -> Result<Classifier, Failure> {
    if let Some(batch) = input_shape.first().filter(|&&n| n > 1)
        && data.features().checked_mul(*batch) == Some(network.inputs())
    {
        let message = format!(
            "{}: it takes {batch} inputs at once, being exported for a fixed batch; export it with an example of one input, or with the first \
             axis dynamic",
            model.display()
        );
        return Err(Failure::new(DATA, message));
    }
    Classifier::new(network.clone(), input_shape, data.clone()).map_err(|error| match error {
        ClassifierError::Data(error) => error.into(),
        ClassifierError::OneOutput
        | ClassifierError::AlwaysPositive
        | ClassifierError::Build(_) => Failure::new(DATA, format!("{}: {error}", model.display())),
        ClassifierError::Normalisation(_) => {
            Failure::new(DATA, format!("{}: {error}", data.file().display()))
        }
    })
}

/// Number of ReLU neurons.
pub(super) fn relus(network: &Network) -> usize {
    network.relus().map(|(relu, _)| network.node(relu).len).sum()
}

/// How often each operator occurs in the file.
pub(super) fn operators(layers: &[LayerInfo]) -> BTreeMap<String, usize> {
    let mut operators = BTreeMap::new();
    for layer in layers {
        *operators.entry(layer.op.clone()).or_default() += 1;
    }
    operators
}

/// The files that hold weights outside the model file.
pub(super) fn external(loaded: &LoadedNetwork) -> Vec<FileRecord> {
    let files = loaded.external.iter().map(|(path, sha256)| FileRecord {
        name: path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        sha256: sha256.clone(),
    });
    files.collect()
}

/// The inputs that are constants, and the files that hold them.
pub(super) fn constants(ports: &LoadSettings) -> BTreeMap<String, String> {
    ports.inputs.iter().map(|(name, file)| (name.clone(), file.display().to_string())).collect()
}

/// Every file that a dataset was read from.
pub(super) fn data_files(data: &Dataset) -> Vec<FileRecord> {
    data.sha256().into_iter().map(|(name, sha256)| FileRecord { name, sha256 }).collect()
}

fn data_record(common: &CommonArguments, data: &Dataset) -> DataRecord {
    let files = data_files(data);
    let given = common.reading.given();
    DataRecord {
        file: common.data.display().to_string(),
        sha256: files.first().map(|file| file.sha256.clone()).unwrap_or_default(),
        files,
        inputs: data.len(),
        overrides: given.map(|(field, text)| (field.to_owned(), text.to_owned())).collect(),
        classes: data.label_names().unwrap_or_default().to_vec(),
    }
}

fn how_to_go_on(common: &CommonArguments, done: usize, inputs: usize) -> String {
    let Some(dir) = &common.out else {
        return format!(
            "interrupted after {done} of {inputs} inputs; without --out nothing is kept"
        );
    };
    let mut words: Vec<String> = program::line()
        .into_iter()
        .filter(|word| word != "--overwrite" && word != "--resume")
        .map(|word| quoted(&word))
        .collect();
    words.push("--resume".to_owned());
    let dir = dir.display();
    format!(
        "interrupted: {done} of {inputs} inputs are kept in {dir}; go on by: {}",
        words.join(" ")
    )
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
