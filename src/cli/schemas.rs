//! docs/schema: what is printed with --json and kept as report.json, described by the types that it is written from.

use crate::audit::{RadiusRow, Share};
use crate::report::{
    AgainstAnswer, Answer, AuditReport, BenchAnswer, CheckAnswer, Evaluation, InitAnswer,
    Inspection, LawsAnswer, PlanAnswer, QueryReport, RadiusReport, Report, ShrinkAnswer,
    SpecAnswer, VerifyAnswer,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::path::Path;

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A count out of a total.",
            "properties": {
                "numerator": generator.subschema_for::<usize>(),
                "denominator": generator.subschema_for::<usize>(),
                "value": generator.subschema_for::<Option<f64>>(),
            },
            "required": ["numerator", "denominator", "value"],
        })
    }
}

fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// The committed files are what the types say; `CERTUS_WRITE_SCHEMAS=1` writes them.
#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let _ = std::marker::PhantomData::<RadiusRow>;
    let all = [
        ("campaign", schema::<Report>()),
        ("radius", schema::<RadiusReport>()),
        ("audit", schema::<AuditReport>()),
        ("verify", schema::<QueryReport>()),
        ("inspect", schema::<Inspection>()),
        ("eval", schema::<Evaluation>()),
        ("plan", schema::<Answer<PlanAnswer>>()),
        ("bench", schema::<Answer<BenchAnswer>>()),
        ("check", schema::<Answer<CheckAnswer>>()),
        ("spec", schema::<Answer<SpecAnswer>>()),
        ("audit-verify", schema::<Answer<VerifyAnswer>>()),
        ("audit-init", schema::<Answer<InitAnswer>>()),
        ("selftest", schema::<Answer<LawsAnswer>>()),
        ("fuzz-against", schema::<Answer<AgainstAnswer>>()),
        ("shrink", schema::<Answer<ShrinkAnswer>>()),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
    let write = std::env::var_os("CERTUS_WRITE_SCHEMAS").is_some();
    for (name, schema) in all {
        let file = folder.join(format!("{name}.schema.json"));
        let text = format!("{:#}\n", schema.as_value());
        if write {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == text,
            "{}: write it anew by: CERTUS_WRITE_SCHEMAS=1 cargo test --release --lib schemas",
            file.display()
        );
    }
}
