//! A campaign from files to report, for `certify` and `attack` alike.

use super::arguments::{CampaignArguments, CommonArguments};
use super::exit::{DATA, Failure};
use super::progress::{Progress, Verdicts};
use super::proofs::Proofs;
use super::{interrupt, print, styled};
use crate::attack::AttackSettings;
use crate::audit::{Campaign, Ended, Finished, Row, Sample, Task};
use crate::load::{Dataset, LoadedNetwork, load_network};
use crate::net::Network;
use crate::query::{Classifier, ClassifierError, Query};
use crate::report::{
    DataRecord, FileRecord, Header, Mode, ModelRecord, ProofEntry, Report, RowRecord,
    SettingsRecord, Store, StoreError, report_text,
};
use crate::spec::Norm;
use crate::verify::Settings;
use std::collections::HashSet;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Instant;

/// What was typed, understood.
pub(super) struct Request<'a> {
    pub task: Task,
    pub settings: Settings,
    pub common: &'a CampaignArguments,
    /// How perturbations are measured; where it is not the max norm, there are attacks only.
    pub norm: Norm,
    pub proofs: bool,
}

/// Runs the campaign and prints its figures; `None` where it was interrupted. With the report, whether proofs were asked for
/// and are not all there.
pub(super) fn run(request: &Request) -> Result<Option<(Report, bool)>, Failure> {
    let started = Instant::now();
    let common = request.common;
    let Question { classifier, model } = load(common)?;
    let data = classifier.data();
    let inputs = common.limit.map_or(data.len(), |limit| data.len().min(limit.get()));
    let limit = common.limit.map(NonZeroUsize::get);
    let attack = AttackSettings { image: data.image(), ..request.settings.attack.clone() };
    let settings = Settings { attack, ..request.settings.clone() };
    let mut record = SettingsRecord::new(request.task, &settings, &common.eps, limit);
    record.proofs = request.proofs;
    record.norm = request.norm.to_string();
    let header = Header::new(request.task, model, data_record(common, data), record);

    let (store, held) = match &common.out {
        None => (None, Vec::new()),
        Some(dir) => {
            let (store, held) = Store::open::<RowRecord>(dir, &header, inputs, mode(common))?;
            (Some(store), held)
        }
    };
    let proofs = match store.as_ref().filter(|_| request.proofs) {
        Some(store) => Some(Proofs::new(common, &classifier, store.proofs()?)?),
        None => None,
    };
    interrupt::watch(interrupt::KEPT)?;
    let jobs = common.jobs.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let resumed = held.len();
    let proofs = proofs.as_ref();
    let asked = Asked { classifier: &classifier, settings: &settings, proofs };
    let (ended, rows) = run_inputs(request, &asked, store.as_ref(), held, inputs, jobs)?;
    if let Some(store) = &store {
        store.sync()?;
    }
    let proved = match &proofs {
        Some(proofs) => proofs.write_index(&rows, &header.model.sha256)?,
        None => Vec::new(),
    };
    if ended == Ended::Cancelled {
        let _ = writeln!(io::stderr(), "certus: {}", how_to_go_on(common, rows.len(), inputs));
        return Ok(None);
    }
    let wall = started.elapsed().as_secs_f64();
    let mut report = Report::new(header, &rows, jobs, wall, resumed)?;
    if let Some(store) = &store {
        report.files = store.evidence(&report.rows)?;
        report.files.extend(proved.iter().flat_map(ProofEntry::files));
        store.write_report(&report)?;
    }
    print(&report_text(&report, common.out.as_deref(), styled()))?;
    if let Some(proofs) = &proofs {
        print(&proofs.text(&report))?;
    }
    let unproved = proofs.is_some_and(|proofs| proofs.lacks(&report));
    Ok(Some((report, unproved)))
}

/// What is asked of what.
struct Asked<'a> {
    classifier: &'a Classifier,
    settings: &'a Settings,
    proofs: Option<&'a Proofs<'a>>,
}

/// The inputs that `held` lacks, and all rows in the end.
fn run_inputs(
    request: &Request,
    asked: &Asked,
    store: Option<&Store>,
    held: Vec<Row>,
    inputs: usize,
    jobs: usize,
) -> Result<(Ended, Vec<Row>), Failure> {
    let done: HashSet<usize> = held.iter().map(|row| row.index).collect();
    let open: Vec<usize> = (0..inputs).filter(|index| !done.contains(index)).collect();
    let progress = Progress::<Verdicts>::new(inputs, &held, request.common.quiet);
    let rows = Mutex::new(held);
    let data = asked.classifier.data();
    let sample = |index| {
        let query = asked.classifier.query(index, request.norm, &request.common.eps)?;
        Ok(Sample { label: data.label(index), point: data.point(index), query })
    };
    let sink = |finished: Finished| -> Result<(), StoreError> {
        if let Some(store) = store {
            store.append(&finished)?;
        }
        progress.add(&finished.row);
        rows.lock().unwrap_or_else(PoisonError::into_inner).push(finished.row);
        Ok(())
    };
    let decide = asked.proofs.map(|proofs| {
        move |index: usize, query: &Query, settings: &Settings, stop: &(dyn Fn() -> bool + Sync)| {
            proofs.decide(index, query, settings, stop)
        }
    });
    let campaign = Campaign {
        sample: &sample,
        task: request.task,
        settings: asked.settings,
        jobs,
        decide: decide.as_ref().map(|decide| decide as &crate::audit::Decide),
    };
    let ended = campaign.run(&open, &interrupt::stopped, &sink);
    progress.finish();
    let ended = ended.map_err(|error| about_data(request.common, error.into()))?;
    Ok((ended, rows.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

/// A failure that is about the data names their file.
pub(super) fn about_data(common: &CommonArguments, failure: Failure) -> Failure {
    if failure.code == DATA {
        Failure::new(DATA, format!("{}: {}", common.data.display(), failure.message))
    } else {
        failure
    }
}

/// A network and the data to ask it about.
pub(super) struct Question {
    pub classifier: Classifier,
    pub model: ModelRecord,
}

/// Reads model and data, and checks that they fit.
pub(super) fn load(common: &CommonArguments) -> Result<Question, Failure> {
    let loaded = load_network(&common.model)?;
    let data = Dataset::load(&common.data, &common.reading.settings()?)?;
    let (sha256, external) = (loaded.identity(), external(&loaded));
    let LoadedNetwork { network, input_shape, notes, layers, .. } = loaded;
    let (inputs, outputs) = (network.inputs(), network.outputs());
    let model = ModelRecord {
        file: common.model.display().to_string(),
        sha256,
        external,
        inputs,
        outputs,
        parameters: layers.iter().map(|layer| layer.parameters).sum(),
        relus: network.relus().map(|(relu, _)| network.node(relu).len).sum(),
        notes,
    };
    let classifier = classifier(&common.model, &Arc::new(network), &input_shape, &Arc::new(data))?;
    Ok(Question { classifier, model })
}

/// A network and a dataset that fit each other; a failure names the file that is wrong.
pub(super) fn classifier(
    model: &Path,
    network: &Arc<Network>,
    input_shape: &[usize],
    data: &Arc<Dataset>,
) -> Result<Classifier, Failure> {
    Classifier::new(network.clone(), input_shape, data.clone()).map_err(|error| match error {
        ClassifierError::Data(error) => error.into(),
        ClassifierError::OneOutput => Failure::new(DATA, format!("{}: {error}", model.display())),
        ClassifierError::Normalisation(_) => {
            Failure::new(DATA, format!("{}: {error}", data.file().display()))
        }
    })
}

/// The files that hold weights outside the model file.
pub(super) fn external(loaded: &LoadedNetwork) -> Vec<FileRecord> {
    let files = loaded.external.iter().map(|(path, sha256)| FileRecord {
        name: path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        sha256: sha256.clone(),
    });
    files.collect()
}

pub(super) fn data_record(common: &CommonArguments, data: &Dataset) -> DataRecord {
    let files: Vec<FileRecord> =
        data.sha256().into_iter().map(|(name, sha256)| FileRecord { name, sha256 }).collect();
    DataRecord {
        file: common.data.display().to_string(),
        sha256: files.first().map(|file| file.sha256.clone()).unwrap_or_default(),
        files,
        inputs: data.len(),
        overrides: common
            .reading
            .given()
            .map(|(field, text)| (field.to_owned(), text.to_owned()))
            .collect(),
        classes: data.label_names().unwrap_or_default().to_vec(),
    }
}

pub(super) fn mode(common: &CommonArguments) -> Mode {
    if common.resume {
        Mode::Resume
    } else if common.overwrite {
        Mode::Overwrite
    } else {
        Mode::Fresh
    }
}

pub(super) fn how_to_go_on(common: &CommonArguments, done: usize, inputs: usize) -> String {
    let Some(dir) = &common.out else {
        return format!(
            "interrupted after {done} of {inputs} inputs; without --out nothing is kept"
        );
    };
    let mut words: Vec<String> = std::env::args()
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
