//! The reader's networks against the recorded outputs of onnxruntime, on every shared net that lowers.
mod common;

use certus_check::onnx;

#[test]
fn networks_agree_with_golden_outputs() {
    let Some(bench) = common::bench() else { return };
    let (mut agreed, mut refused) = (0, vec![]);
    for entry in std::fs::read_dir(bench.join("golden")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_string();
        let (set, net) = stem.split_once("__").unwrap();
        let mut model = bench.join(set).join("onnx").join(format!("{net}.onnx"));
        if !model.is_file() {
            model.set_extension("onnx.gz");
        }
        let circuit = match onnx::read(&common::read(&model)) {
            Ok(circuit) => circuit,
            Err(error) => {
                refused.push(format!("{stem}: {error}"));
                continue;
            }
        };
        let golden = std::fs::read(&path).unwrap();
        let ((_, x), (_, y)) = (common::npz(&golden, "x"), common::npz(&golden, "y"));
        let largest = y.iter().fold(1e-6f32, |a, b| a.max(b.abs())) as f64;
        let (n, m) = (x.len() / 6, y.len() / 6);
        assert_eq!((n, m), (circuit.inputs(), circuit.size(circuit.output())), "{stem}");
        for (x, y) in x.chunks(n).zip(y.chunks(m)) {
            let x: Vec<f64> = x.iter().map(|v| *v as f64).collect();
            for (ours, theirs) in common::evaluate(&circuit, &x).iter().zip(y) {
                let gap = (ours - *theirs as f64).abs() / largest;
                assert!(gap < 1e-4, "{stem}: {ours} is not {theirs}");
            }
        }
        agreed += 1;
    }
    println!("{agreed} networks agree; refused: {refused:#?}");
    assert!(agreed >= 50);
    assert!(refused.iter().all(|r| r.starts_with("nn4sys__mscn")), "{refused:#?}");
}
