//! From TOML to a plan: every key understood or refused.

use super::located::{Section, Source};
use super::options;
use super::{
    About, AttackPlan, Criterion, DataPlan, Measure, MethodPlan, ModelPlan, Plan, PlanError,
};
use crate::attack::{AttackKind, AttackSettings};
use crate::load::{DATA_FIELDS, DataSettings, LoadSettings};
use crate::num::{Rational, to_f64_nearest};
use crate::spec::Norm;
use crate::verify::Method;
use num_traits::One;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The whole file.
pub(super) fn plan(source: Source) -> Result<Plan, PlanError> {
    let table = source.parse()?;
    let root = Section::root(source, &table);
    root.allow(&[
        "report",
        "run",
        "data",
        "model",
        "attack",
        "method",
        "shift",
        "semantic",
        "radius",
        "proofs",
        "masking",
        "criterion",
    ])?;
    let folder = source.file.parent().unwrap_or(Path::new(""));
    let run = root.section("run")?;
    if let Some(run) = &run {
        run.allow(&["seed", "timeout", "show"])?;
    }
    let number = |key: &str| run.as_ref().map_or(Ok(None), |run| run.whole(key));
    let timeout = run.as_ref().map_or(Ok(None), timeout)?;
    let data = data(&root, folder)?;
    let models = models(&root, folder, &data)?;
    let (attacks, l2_attacks) = attacks(&root)?;
    if let (false, Some(data)) =
        (l2_attacks.is_empty(), data.iter().find(|data| data.l2_epsilons.is_empty()))
    {
        let problem = format!("[[data]] '{}' has no l2_epsilons for attacks in l2", data.name);
        return Err(data.place.error(source.file, problem));
    }
    Ok(Plan {
        about: about(&root)?,
        seed: number("seed")?.unwrap_or(0) as u64,
        timeout,
        shown: number("show")?.unwrap_or(3),
        attacks,
        l2_attacks,
        methods: methods(&root)?,
        shifts: options::shifts(&root)?,
        semantics: options::semantics(&root)?,
        radius: options::radius(&root)?,
        proofs: options::proofs(&root, folder)?,
        masking: options::masking(&root)?,
        criteria: criteria(&root, &data, &models)?,
        data,
        models,
    })
}

fn timeout(run: &Section) -> Result<Option<Duration>, PlanError> {
    let Some(seconds) = run.positive("timeout")? else { return Ok(None) };
    let duration = Duration::try_from_secs_f64(to_f64_nearest(&seconds)).ok();
    let duration = duration.filter(|duration| !duration.is_zero());
    duration.map(Some).ok_or_else(|| run.error("timeout", "no possible number of seconds"))
}

fn about(root: &Section) -> Result<About, PlanError> {
    let Some(report) = root.section("report")? else {
        return Err(root.error("report", "the section [report] with a title is missing"));
    };
    // The keys are the fields, and each is a text or a list of texts as these are.
    let wrong = |error: serde_json::Error| root.error("report", error.to_string());
    let mut fields = serde_json::to_value(About::default()).map_err(wrong)?;
    let known = fields.as_object_mut().into_iter().flatten();
    let known: Vec<(&String, &mut serde_json::Value)> = known.collect();
    report.allow(&known.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>())?;
    report.needed("title")?;
    for (key, value) in known {
        *value = match key.as_str() {
            "date" => report.date(key)?.unwrap_or_default().into(),
            _ if value.is_array() => report.texts(key)?.unwrap_or_default().into(),
            _ => report.text(key)?.unwrap_or_default().into(),
        };
    }
    serde_json::from_value(fields).map_err(wrong)
}

/// The tables of a kind, each with a name of its own.
pub(super) fn named<'a>(
    root: &Section<'a>,
    kind: &str,
) -> Result<Vec<(String, Section<'a>)>, PlanError> {
    let sections = root.sections(kind)?;
    if sections.is_empty() && ["data", "model"].contains(&kind) {
        return Err(root.error(kind, format!("there must be at least one [[{kind}]]")));
    }
    let mut names = HashSet::new();
    let mut all = Vec::new();
    for section in sections {
        let name = match section.text("name")?.filter(|name| !name.is_empty()) {
            Some(name) => name,
            // An attack or a method is named after its kind.
            None if section.text("kind")?.is_some() => section.needed("kind")?,
            None => section.needed("name")?,
        };
        if name.contains(['/', '\\']) || name.starts_with('.') || name.chars().any(char::is_control)
        {
            return Err(section.error("name", "names part of a file: no slash, no leading dot"));
        }
        if !names.insert(name.clone()) {
            return Err(
                section.error("name", format!("'{name}' is the name of another [[{kind}]]"))
            );
        }
        all.push((name, section));
    }
    Ok(all)
}

/// A file's name, relative to the plan's folder; it must be there.
pub(super) fn file(
    section: &Section,
    key: &str,
    folder: &Path,
) -> Result<Option<PathBuf>, PlanError> {
    let Some(name) = section.text(key)? else { return Ok(None) };
    let file = folder.join(name);
    match file.metadata() {
        Ok(meta) if meta.is_file() => Ok(Some(file)),
        Ok(_) => Err(section.error(key, format!("{} is no file", file.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let error = section.error(key, format!("{}: no such file", file.display()));
            Err(PlanError { missing: true, ..error })
        }
        Err(error) => Err(section.error(key, format!("{}: {error}", file.display()))),
    }
}

fn data(root: &Section, folder: &Path) -> Result<Vec<DataPlan>, PlanError> {
    let sections = named(root, "data")?;
    let names: Vec<String> = sections.iter().map(|(name, _)| name.clone()).collect();
    let mut all = Vec::new();
    for (name, section) in sections {
        section.allow(&[
            "name",
            "file",
            "limit",
            "split",
            "unit",
            "epsilons",
            "l2_epsilons",
            "radius_up_to",
            "outside",
            "read",
        ])?;
        let epsilons = increasing(&section, "epsilons")?;
        let Some(largest) = epsilons.last().cloned() else {
            return Err(section.error("epsilons", "at least one radius is needed"));
        };
        let radius_up_to = section.positive("radius_up_to")?.unwrap_or(largest);
        let reading_texts = match section.section("read")? {
            None => Vec::new(),
            Some(read) => {
                read.allow(&DATA_FIELDS)?;
                read.typed()?
            }
        };
        let mut reading = DataSettings::default();
        for (key, text) in &reading_texts {
            let set = reading.set(key, text);
            set.map_err(|error| section.error("read", error.to_string()))?;
        }
        all.push(DataPlan {
            name,
            file: section.must("file", file(&section, "file", folder)?)?,
            reading,
            reading_texts,
            limit: section.count("limit")?,
            split: section.text("split")?.unwrap_or_default(),
            unit: section.text("unit")?.unwrap_or_default(),
            epsilons,
            l2_epsilons: increasing(&section, "l2_epsilons")?,
            radius_up_to,
            outside: one_of(&section, "outside", &names, "data")?,
            place: section.at("file"),
        });
    }
    Ok(all)
}

/// Radii, increasing.
fn increasing(section: &Section, key: &str) -> Result<Vec<Rational>, PlanError> {
    let radii = section.numbers(key)?.unwrap_or_default();
    if radii.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(section.error(key, "the radii must increase"));
    }
    Ok(radii)
}

/// The position of the table that a key names.
fn one_of(
    section: &Section,
    key: &str,
    names: &[String],
    kind: &str,
) -> Result<Option<usize>, PlanError> {
    let Some(name) = section.text(key)? else { return Ok(None) };
    position(section, key, &name, names, kind).map(Some)
}

fn position(
    section: &Section,
    key: &str,
    name: &str,
    names: &[String],
    kind: &str,
) -> Result<usize, PlanError> {
    names.iter().position(|known| known == name).ok_or_else(|| {
        let known = names.join(", ");
        section.error(key, format!("'{name}' is the name of no [[{kind}]]; there are {known}"))
    })
}

/// The positions of the tables that a list names; of all where it is absent.
fn some_of(
    section: &Section,
    key: &str,
    names: &[String],
    kind: &str,
) -> Result<Vec<usize>, PlanError> {
    let Some(wanted) = section.texts(key)? else { return Ok((0..names.len()).collect()) };
    wanted.iter().map(|name| position(section, key, name, names, kind)).collect()
}

fn models(root: &Section, folder: &Path, data: &[DataPlan]) -> Result<Vec<ModelPlan>, PlanError> {
    let names: Vec<String> = data.iter().map(|data| data.name.clone()).collect();
    let mut all = Vec::new();
    for (name, section) in named(root, "model")? {
        section.allow(&[
            "name",
            "file",
            "output",
            "inputs",
            "data",
            "training",
            "recipe",
            "reference",
        ])?;
        let asked = some_of(&section, "data", &names, "data")?;
        if asked.is_empty() {
            return Err(section.error("data", "at least one dataset is needed"));
        }
        all.push(ModelPlan {
            name,
            file: section.must("file", file(&section, "file", folder)?)?,
            ports: ports(&section, folder)?,
            data: asked,
            training: section.text("training")?.unwrap_or_default(),
            recipe: section.text("recipe")?.unwrap_or_default(),
            reference: file(&section, "reference", folder)?,
            place: section.at("file"),
        });
    }
    Ok(all)
}

/// Which output is asked about, and the constants that other inputs are: `NAME=FILE`.
fn ports(section: &Section, folder: &Path) -> Result<LoadSettings, PlanError> {
    let mut inputs = Vec::new();
    for text in section.texts("inputs")?.unwrap_or_default() {
        let (name, file) = text
            .split_once('=')
            .ok_or_else(|| section.error("inputs", "accepted: a list of NAME=FILE.npy"))?;
        inputs.push((name.to_owned(), folder.join(file)));
    }
    Ok(LoadSettings { output: section.text("output")?, inputs, ..LoadSettings::default() })
}

/// Attacks in the max norm, and in the Euclidean norm.
fn attacks(root: &Section) -> Result<(Vec<AttackPlan>, Vec<AttackPlan>), PlanError> {
    let (mut max, mut euclidean) = (Vec::new(), Vec::new());
    for (name, section) in named(root, "attack")? {
        section.allow(&["name", "kind", "norm", "restarts", "steps", "queries"])?;
        let kind: AttackKind = section.must("kind", section.named("kind")?)?;
        if kind == AttackKind::None {
            return Err(section.error("kind", "an audit without attacks has no [[attack]]"));
        }
        let usual = AttackSettings { kind, ..AttackSettings::default() };
        let settings = AttackSettings {
            restarts: section.count("restarts")?.unwrap_or(usual.restarts),
            steps: section.count("steps")?.unwrap_or(usual.steps),
            queries: section.count("queries")?.unwrap_or(usual.queries),
            ..usual
        };
        let plan = AttackPlan { name, settings };
        match section.named::<Norm>("norm")?.unwrap_or_default() {
            Norm::Linf => max.push(plan),
            Norm::L2 => euclidean.push(plan),
        }
    }
    Ok((max, euclidean))
}

fn methods(root: &Section) -> Result<Vec<MethodPlan>, PlanError> {
    let mut all = Vec::new();
    for (name, section) in named(root, "method")? {
        section.allow(&["name", "kind", "lp_tighten"])?;
        let method: Method = section.must("kind", section.named("kind")?)?;
        let lp_tighten = section.whole("lp_tighten")?.unwrap_or(0);
        let complete = matches!(method, Method::Complete | Method::Milp);
        all.push(MethodPlan { name, method, complete, lp_tighten });
    }
    Ok(all)
}

fn criteria(
    root: &Section,
    data: &[DataPlan],
    models: &[ModelPlan],
) -> Result<Vec<Criterion>, PlanError> {
    let data_names: Vec<String> = data.iter().map(|data| data.name.clone()).collect();
    let model_names: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
    let mut all = Vec::new();
    for section in root.sections("criterion")? {
        section.allow(&["data", "models", "measure", "epsilon", "at_least", "judged_by"])?;
        let at = section.must("data", one_of(&section, "data", &data_names, "data")?)?;
        let measure: Measure = section.must("measure", section.named("measure")?)?;
        let at_least = section.positive("at_least")?.filter(|share| *share <= Rational::one());
        let at_least =
            at_least.ok_or_else(|| section.error("at_least", "a share above 0, at most 1"))?;
        let given = section.numbers("epsilon")?;
        let epsilon = match (given.as_deref(), measure) {
            (None, Measure::Clean) => None,
            (Some(_), Measure::Clean) => {
                return Err(section.error("epsilon", "clean accuracy has no radius"));
            }
            (None, _) => return Err(section.error("epsilon", "is missing")),
            (Some(given), _) => {
                let mut known = data[at].epsilons.iter();
                let found = known.position(|known| [known.clone()] == *given);
                let none = || section.error("epsilon", "is none of the dataset's epsilons");
                Some(found.ok_or_else(none)?)
            }
        };
        let chosen = some_of(&section, "models", &model_names, "model")?;
        let models = chosen.into_iter().filter(|&m| models[m].data.contains(&at)).collect();
        let judged_by = section.named("judged_by")?.unwrap_or_default();
        all.push(Criterion { models, data: at, measure, epsilon, at_least, judged_by });
    }
    Ok(all)
}
