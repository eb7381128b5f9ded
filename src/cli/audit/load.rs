//! The files that a plan names, read and checked against each other.

use crate::audit::shift::Frame;
use crate::audit::{DataPlan, ModelPlan, Place, Plan, Subject};
use crate::cli::campaign::{classifier, data_files, external, load_classifier, operators, relus};
use crate::cli::exit::{DATA, Failure};
use crate::load::{Dataset, LoadSettings, LoadedNetwork, SourceFile, load_reference};
use crate::net::{Matrix, Network};
use crate::num::{Rational, to_f64_nearest};
use crate::prove::Model;
use crate::query::Classifier;
use crate::report::{Agreement, AsRead, AuditData, AuditModel, SubjectLook};
use crate::spec::Norm;
use std::path::Path;
use std::sync::Arc;

/// What a plan's files hold.
pub(super) struct Inventory {
    datasets: Vec<Arc<Dataset>>,
    /// One a subject: network and dataset, and what the dataset's numbers are.
    classifiers: Vec<(Classifier, Frame)>,
    /// One a model: the network as the proof checker reads it, where proofs are asked for.
    checked: Vec<Result<Model, String>>,
}

impl Inventory {
    /// Reads everything, and says what it is; an error names the place in the plan and the file.
    pub(super) fn load(
        file: &Path,
        plan: &Plan,
    ) -> Result<(Self, Vec<AuditModel>, Vec<AuditData>), Failure> {
        let at = |place: &Place, failure: Failure| {
            let place = format!("{}:{}: '{}'", file.display(), place.line, place.key);
            Failure::new(failure.code, format!("{place}: {}", failure.message))
        };
        let datasets = plan
            .data
            .iter()
            .map(|data| {
                Dataset::load(&data.file, &data.reading)
                    .map(Arc::new)
                    .map_err(|error| at(&data.place, error.into()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut classifiers = Vec::new();
        let mut checkers = Vec::new();
        let mut model_records = Vec::new();
        let mut outputs = vec![0; datasets.len()];
        for model in &plan.models {
            let here = |failure| at(&model.place, failure);
            let (loaded, ports) =
                load_classifier(&model.file, model.ports.clone()).map_err(here)?;
            let network = Arc::new(loaded.network.clone());
            for &data in &model.data {
                let classifier =
                    classifier(&model.file, &network, &loaded.input_shape, &datasets[data])
                        .map_err(here)?;
                outputs[data] = outputs[data].max(network.outputs().max(2));
                if let Some(outside) = plan.data[data].outside {
                    let outside = &datasets[outside];
                    if outside.features() != network.inputs() {
                        let message = format!(
                            "{}: its inputs have {} values where the network takes {}",
                            outside.file().display(),
                            outside.features(),
                            network.inputs()
                        );
                        return Err(at(&plan.data[data].place, Failure::new(DATA, message)));
                    }
                }
                classifier
                    .check_eps(Norm::Linf, &eps(&plan.data[data]))
                    .map_err(|error| at(&plan.data[data].place, error.into()))?;
                let euclidean: Vec<&Rational> = plan.data[data].l2_epsilons.iter().collect();
                classifier
                    .check_eps(Norm::L2, &euclidean)
                    .map_err(|error| at(&plan.data[data].place, error.into()))?;
                let frame = Frame::of_dataset(&datasets[data], &loaded.input_shape);
                classifiers.push((classifier, frame));
            }
            checkers.push(checked(model, &ports, plan));
            model_records.push(record(model, loaded).map_err(here)?);
        }
        let data_records = plan
            .data
            .iter()
            .zip(&datasets)
            .zip(&outputs)
            .map(|((data, dataset), &outputs)| {
                let outside = data.outside.map(|outside| plan.data[outside].name.as_str());
                data_record(data, dataset, outputs, outside)
            })
            .collect();
        Ok((Self { datasets, classifiers, checked: checkers }, model_records, data_records))
    }

    /// What a first look at every subject says, in the plan's order.
    pub(super) fn looks(&self, plan: &Plan) -> Vec<SubjectLook> {
        let pairs = plan.subjects().into_iter().zip(&self.classifiers);
        let looks = pairs.map(|((model, data), (classifier, _))| {
            let (model, data) = (&plan.models[model], &plan.data[data]);
            let look = classifier.look(used(data, classifier.data()), &eps(data));
            SubjectLook {
                model: model.name.clone(),
                data: data.name.clone(),
                as_read: AsRead::new(classifier, &look),
            }
        });
        looks.collect()
    }

    /// The subjects, in the plan's order.
    pub(super) fn subjects(&self, plan: &Plan) -> Vec<Subject<'_>> {
        let pairs = plan.subjects().into_iter().zip(&self.classifiers);
        pairs
            .map(|((model, data), (classifier, frame))| {
                let inputs = used(&plan.data[data], classifier.data());
                let outside = plan.data[data].outside.map(|outside| &*self.datasets[outside]);
                let checked = self.checked[model].as_ref().map_err(String::as_str);
                Subject { model, data, classifier, checked, inputs, frame, outside }
            })
            .collect()
    }
}

/// The radii in the max norm.
fn eps(plan: &DataPlan) -> Vec<&Rational> {
    plan.epsilons.iter().chain([&plan.radius_up_to]).collect()
}

fn used(plan: &DataPlan, dataset: &Dataset) -> usize {
    plan.limit.map_or(dataset.len(), |limit| dataset.len().min(limit))
}

/// The network as the proof checker reads it, where proofs are asked for and it can.
fn checked(model: &ModelPlan, ports: &LoadSettings, plan: &Plan) -> Result<Model, String> {
    plan.proofs.as_ref().ok_or("no proofs are asked for")?;
    let source = SourceFile::read(&model.file).map_err(|error| error.to_string())?;
    Model::beside(&model.file, &source.bytes, ports).map_err(|error| error.to_string())
}

fn record(model: &ModelPlan, loaded: LoadedNetwork) -> Result<AuditModel, Failure> {
    let network = &loaded.network;
    let agreement = model.reference.as_deref().map(|file| agreement(network, file)).transpose()?;
    Ok(AuditModel {
        name: model.name.clone(),
        file: model.file.display().to_string(),
        sha256: loaded.identity(),
        external: external(&loaded),
        training: model.training.clone(),
        recipe: model.recipe.clone(),
        input_shape: loaded.input_shape.clone(),
        output_shape: loaded.output_shape.clone(),
        parameters: loaded.layers.iter().map(|layer| layer.parameters).sum(),
        relus: relus(network),
        operators: operators(&loaded.layers),
        notes: loaded.notes,
        agreement,
    })
}

/// Our outputs against those that another implementation gave.
fn agreement(network: &Network, file: &Path) -> Result<Agreement, Failure> {
    let reference = load_reference(file, network.inputs(), network.outputs())?;
    let (mut max_difference, mut max_output, mut same_class) = (0.0f64, 0.0f64, 0);
    for (x, theirs) in &reference.pairs {
        let ours = network.evaluate(&Matrix::from_column_slice(x.len(), 1, x));
        let ours = ours.as_slice();
        for (a, b) in ours.iter().zip(theirs) {
            max_difference = max_difference.max((a - b).abs());
            max_output = max_output.max(b.abs());
        }
        let best = |y: &[f64]| (0..y.len()).max_by(|&a, &b| y[a].total_cmp(&y[b]));
        same_class += usize::from(best(ours) == best(theirs));
    }
    Ok(Agreement {
        file: file.display().to_string(),
        sha256: reference.sha256,
        inputs: reference.pairs.len(),
        max_difference,
        max_output,
        same_class,
    })
}

fn data_record(
    plan: &DataPlan,
    data: &Dataset,
    outputs: usize,
    outside: Option<&str>,
) -> AuditData {
    let used = used(plan, data);
    let classes: Vec<String> = match data.label_names() {
        Some(names) if names.len() >= outputs => names.to_vec(),
        _ => (0..outputs).map(|class| class.to_string()).collect(),
    };
    let mut class_counts = vec![0; classes.len()];
    for index in 0..used {
        class_counts[data.label(index)] += 1;
    }
    let domain = data.common_domain().map(|(low, high)| [low, high].map(|x| to_f64_nearest(&x)));
    AuditData {
        name: plan.name.clone(),
        file: plan.file.display().to_string(),
        files: data_files(data),
        overrides: plan.reading_texts.iter().cloned().collect(),
        inputs: data.len(),
        used,
        shape: data.shape().to_vec(),
        features: data.columns().map(<[String]>::to_vec),
        classes,
        class_counts,
        split: plan.split.clone(),
        unit: plan.unit.clone(),
        scale: data.scale().to_string(),
        domain,
        normalised: data.normalisation().is_some(),
        scaled_epsilon: data.scaled_epsilon(),
        epsilon_factors: data.scaled_epsilon().then(|| {
            data.radii(&Rational::from_integer(1.into())).iter().map(to_f64_nearest).collect()
        }),
        epsilons: plan.epsilons.iter().map(Into::into).collect(),
        l2_epsilons: plan.l2_epsilons.iter().map(Into::into).collect(),
        radius_up_to: (&plan.radius_up_to).into(),
        outside: outside.map(str::to_owned),
    }
}
