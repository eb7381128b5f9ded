//! Data that can be read and are wrong: refused or warned of in one sentence, which says what to do.

use crate::support::{Bench, Ran, committed};
use certus::internal::load::{DataSettings, Dataset};

const INPUTS: usize = 60;

/// The first digits of the committed ones, with their labels, and a folder for what is made of them.
struct Digits {
    bench: Bench,
    images: Vec<f32>,
    labels: Vec<usize>,
}

impl Digits {
    fn new() -> Self {
        let digits = committed("models/mnist/test.npz");
        let digits = Dataset::load(&digits, &DataSettings::default()).unwrap();
        let images = (0..INPUTS).flat_map(|i| digits.point(i)).map(|x| x as f32).collect();
        let labels = digits.labels()[..INPUTS].to_vec();
        Self { bench: Bench::new(1), images, labels }
    }

    /// `images.npy` and `labels.npy`.
    fn write(&self, shape: &[usize], images: &[f32], labels: &[f64]) {
        let bytes: Vec<u8> = images.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.npy("images.npy", "<f4", shape, &bytes);
        let bytes: Vec<u8> = labels.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.npy("labels.npy", "<f8", &[labels.len()], &bytes);
    }

    fn npy(&self, name: &str, kind: &str, shape: &[usize], data: &[u8]) {
        let sides: String = shape.iter().map(|n| format!("{n},")).collect();
        let header =
            format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({sides}), }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        std::fs::write(self.bench.path(name), bytes).unwrap();
    }

    fn labels(&self) -> Vec<f64> {
        self.labels.iter().map(|label| *label as f64).collect()
    }

    /// `certus attack` on the files.
    fn attack(&self, arguments: &str) -> Ran {
        let model = committed("models/mnist/cnn_cert.onnx");
        self.bench.run(&format!(
            "attack {} --data images.npy --labels-file labels.npy --attack fgsm --untargeted -q {arguments}",
            model.display()
        ))
    }

    /// What is said of images and labels made of the good ones.
    fn of(
        &self,
        image: impl Fn(f32) -> f32,
        label: impl Fn(usize, usize) -> f64,
        arguments: &str,
    ) -> Ran {
        let images: Vec<f32> = self.images.iter().map(|x| image(*x)).collect();
        let labels: Vec<f64> = self.labels.iter().enumerate().map(|(i, l)| label(i, *l)).collect();
        self.write(&[INPUTS, 1, 28, 28], &images, &labels);
        self.attack(arguments)
    }
}

/// One sentence on standard error, the code, and these words.
#[track_caller]
fn refused(ran: Ran, code: i32, words: &[&str]) {
    let ran = ran.exits(code);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    words.iter().for_each(|word| assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr));
}

/// Exactly so many warnings, each with its words.
#[track_caller]
fn warned(ran: Ran, words: &[&str]) {
    let ran = ran.exits(0);
    let lines = ran.stdout.lines();
    let warnings: Vec<&str> = lines.filter(|line| line.starts_with("warning")).collect();
    assert_eq!(warnings.len(), words.len(), "{}", ran.stdout);
    for (warning, word) in warnings.iter().zip(words) {
        assert!(warning.contains(word), "{word}: {warning}");
    }
}

fn same(x: f32) -> f32 {
    x
}

fn right(_: usize, label: usize) -> f64 {
    label as f64
}

const UNIT: &str = "--eps 0.1 --domain 0,1";

#[test]
fn good_data_pass_and_their_head_says_what_they_are() {
    let digits = Digits::new();
    let ran = digits.of(same, right, UNIT);
    for words in [
        "1 × 28 × 28 values, f32: 0 to 1; domain 0 to 1; ε in the same units",
        "10 classes of 4 to 11 inputs; 60 of 60 (100.0 %) classified correctly",
    ] {
        assert!(ran.stdout.contains(words), "{}", ran.stdout);
    }
    warned(ran, &[]);
    warned(digits.of(same, right, "--eps 0.1"), &["--domain 0,1"]);
    warned(digits.of(same, right, "--eps 0.1 --domain none"), &[]);
}

#[test]
fn pixels_up_to_255_need_a_scale() {
    let digits = Digits::new();
    let bytes = |x: f32| (255.0 * x).round();
    refused(
        digits.of(bytes, right, "--eps 0.1"),
        65,
        &["whole numbers from 0 to 25", "--scale 1/255"],
    );
    let halves = |x: f32| 254.9 * x;
    refused(digits.of(halves, right, "--eps 0.1"), 65, &["numbers from 0 to 25", "--scale 1/255"]);
    warned(digits.of(bytes, right, &format!("{UNIT} --scale 1/255")), &[]);
    warned(digits.of(bytes, right, "--eps 0.1 --scale 1 --domain 0,255"), &["ε = 0.1 is 0.039 %"]);
    let both = digits.of(bytes, right, "--eps 0.1 --scale 1/255 --domain 0,255");
    warned(both, &["0.392 % of the domain", "ε = 0.1 is 0.039 %"]);
    refused(
        digits.of(bytes, right, &format!("{UNIT} --scale 1")),
        65,
        &["outside of the domain", "0 to 1"],
    );
    let meant =
        digits.of(bytes, right, &format!("{UNIT} --scale 1 --accept outside-domain,large-eps"));
    // The domain then cuts the region away from the input.
    assert!(meant.exits(65).stderr.contains("input"));
}

#[test]
fn an_epsilon_of_half_the_domain_is_refused() {
    let digits = Digits::new();
    let eps = |eps: &str| digits.of(same, right, eps);
    refused(
        eps("--eps 8 --domain 0,1"),
        65,
        &["ε = 8", "half of the width of the domain, 0 to 1", "8/255", "--accept large-eps"],
    );
    refused(eps("--eps 25.5 --domain none"), 65, &["ε = 25.5", "range of the values"]);
    refused(eps("--eps 0.51 --domain 0,1"), 65, &["0.51"]);
    warned(eps("--eps 0.5 --domain 0,1"), &[]);
    warned(eps("--eps 8 --domain 0,1 --accept large-eps"), &[]);
    warned(eps("--eps 0 --domain 0,1"), &["ε = 0"]);
    // The Euclidean norm is measured by the diagonal, 28 here.
    warned(eps("--eps 13 --domain 0,1 --norm l2"), &[]);
    refused(eps("--eps 14.1 --domain 0,1 --norm l2"), 65, &["14.1"]);
    refused(eps("--eps 0.1 --domain 1,0"), 64, &["domain: found 1,0"]);
}

#[test]
fn labels_that_are_none() {
    let digits = Digits::new();
    refused(digits.of(same, |_, l| l as f64 + 1.0, UNIT), 65, &["label 10", "count from 1"]);
    refused(digits.of(same, |_, l| l as f64 + 0.5, UNIT), 65, &["5.5", "--labels"]);
    refused(digits.of(same, |_, l| l as f64 - 1.0, UNIT), 65, &["'-1'", "(0, 1, …)"]);
    digits.write(&[INPUTS, 1, 28, 28], &digits.images, &digits.labels());
    let hot: Vec<u8> =
        digits.labels.iter().flat_map(|l| (0..10).map(move |c| u8::from(c == *l))).collect();
    digits.npy("labels.npy", "|u1", &[INPUTS, 10], &hot);
    refused(digits.attack(UNIT), 65, &["one-hot", "argmax"]);
    // Inputs and labels in each other's place.
    std::fs::copy(digits.bench.path("images.npy"), digits.bench.path("labels.npy")).unwrap();
    refused(digits.attack(UNIT), 65, &["labels of shape", "28"]);
}

#[test]
fn labels_of_something_else() {
    let digits = Digits::new();
    // From 1 on, with the last digit left out so that all are classes.
    let from_one = digits.of(same, |_, l| if l == 9 { 9.0 } else { l as f64 + 1.0 }, UNIT);
    warned(
        from_one,
        &["no input has the label 0", "hardly more than by guessing", "labels count from 1"],
    );
    let turned = digits.of(same, |_, l| ((3 * l + 1) % 10) as f64, UNIT);
    warned(turned, &["hardly more than by guessing", "the classes are in another order"]);
    let shifted = digits.of(same, |i, _| digits.labels[(i + 1) % INPUTS] as f64, UNIT);
    warned(shifted, &["hardly more than by guessing"]);
    warned(digits.of(same, |_, _| 3.0, UNIT), &["all inputs have the label 3", "hardly more"]);
}

#[test]
fn images_that_the_network_was_not_trained_on() {
    let digits = Digits::new();
    let inverted = digits.of(|x| 1.0 - x, right, UNIT);
    warned(inverted, &["hardly more", "is predicted for 5", "60 with bright and dark swapped"]);
    let turned: Vec<f32> = digits
        .images
        .chunks(784)
        .flat_map(|image| (0..784).map(move |at| image[28 * (at % 28) + at / 28]))
        .collect();
    digits.write(&[INPUTS, 1, 28, 28], &turned, &digits.labels());
    warned(digits.attack(UNIT), &["60 with rows and columns swapped"]);
    warned(
        digits.of(|_| 0.5, right, UNIT),
        &["all values are 0.5", "copies", "different labels", "hardly more", "for all inputs"],
    );
    let nan = digits.of(|x| if x > 0.99 { f32::NAN } else { x }, right, UNIT);
    refused(nan, 65, &["NaN or infinite"]);
    let infinite = digits.of(|x| if x > 0.99 { f32::INFINITY } else { x }, right, UNIT);
    refused(infinite, 65, &["NaN or infinite"]);
}

#[test]
fn a_wrong_normalisation() {
    let digits = Digits::new();
    let normalised = |x: f32| (x - 0.1307) / 0.3081;
    let given = "--eps 0.1 --domain none --mean 0.1307 --std 0.3081";
    warned(digits.of(same, right, given), &[]);
    warned(digits.of(normalised, right, given), &["are the data normalised already"]);
    let bytes = digits.of(same, right, "--eps 0.1 --domain none --mean 33 --std 78");
    warned(
        bytes,
        &[
            "mean and std in other units",
            "hardly more",
            "for all inputs",
            "as numbers from 0 to 255",
        ],
    );
}

#[test]
fn files_that_are_something_else() {
    let digits = Digits::new();
    digits.write(&[784, INPUTS], &digits.images, &digits.labels());
    refused(digits.attack(UNIT), 65, &["784 inputs but 60 labels", "transposed"]);
    digits.write(
        &[2 * INPUTS, 784],
        &[&digits.images[..], &digits.images].concat(),
        &[digits.labels(), digits.labels()].concat(),
    );
    warned(digits.attack(UNIT), &["60 of 120 inputs are copies"]);
    let mut order: Vec<usize> = (0..INPUTS).collect();
    order.sort_by_key(|i| digits.labels[*i]);
    let images: Vec<f32> =
        order.iter().flat_map(|i| digits.images[784 * i..784 * (i + 1)].to_vec()).collect();
    let labels: Vec<f64> = order.iter().map(|i| digits.labels[*i] as f64).collect();
    digits.write(&[INPUTS, 784], &images, &labels);
    warned(digits.attack(&format!("{UNIT} --limit 20")), &["sorted by label"]);

    let bench = &digits.bench;
    bench.write("empty.npz", "");
    bench.write(
        "pointer.onnx",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    );
    bench.write("model.pt", "PK\u{3}\u{4}");
    bench.write("net.h5", "no matter");
    for (model, data, words) in [
        ("net.nnet", "empty.npz", vec!["empty.npz", "is empty"]),
        ("pointer.onnx", "data.csv", vec!["git lfs pull"]),
        ("model.pt", "data.csv", vec!["PyTorch", "torch.onnx.export"]),
        ("net.h5", "data.csv", vec!["Keras", "tf2onnx"]),
        ("data.csv", "net.nnet", vec!["data.csv", "comes first"]),
        ("net.nnet", "net.nnet", vec!["a network, which goes before --data"]),
        ("net.nnet", "model.pt", vec!["pickles", "numpy.savez"]),
    ] {
        refused(bench.run(&format!("certify {model} --data {data} --eps 0.1")), 65, &words);
    }
}

#[test]
fn tables_with_columns_that_are_no_features() {
    let bench = Bench::new(20);
    let data = bench.text("data.csv");
    let numbered = |name: &str, first: usize| {
        let lines = data.lines().enumerate().map(|(row, line)| match row {
            0 => format!("{name},{line}\n"),
            row => format!("{},{line}\n", row - 1 + first),
        });
        lines.collect::<String>()
    };
    let run = |arguments: &str| {
        bench.run(&format!("certify net.nnet --data t.csv --eps 0.01 --domain none {arguments}"))
    };
    bench.write("t.csv", &numbered("id", 1));
    refused(run(""), 65, &["column 'id' only counts the rows", "--drop-columns id"]);
    warned(run("--drop-columns id"), &["no more than"]);
    refused(run("--accept counting-column"), 65, &["5 values", "4"]);
    bench.write("t.csv", &numbered("", 0));
    refused(run(""), 65, &["column without a name", "--drop-columns 0"]);
    warned(run("--drop-columns 0"), &["no more than"]);
    refused(run("--drop-columns e"), 65, &["'e'", "--drop-columns NAME"]);
    bench.write("t.csv", data.split_once('\n').unwrap().1);
    refused(run(""), 65, &["first line holds numbers", "'a,b,label'"]);
    bench.write("t.csv", &data.replace("label", "Target").replace(",1\n", ",1.0\n"));
    warned(run(""), &["no more than"]);
    bench.write("t.csv", &data.replace("label", "z"));
    refused(run(""), 65, &["--label-column"]);
}

#[test]
fn audits_and_properties_refuse_and_warn_alike() {
    let digits = Digits::new();
    digits.write(&[INPUTS, 1, 28, 28], &digits.images, &digits.labels());
    let model = committed("models/mnist/mlp_cert.onnx");
    let plan = |eps: &str, more: &str| {
        format!(
            "[report]\ntitle = \"t\"\n[[data]]\nname = \"d\"\nfile = \"images.npy\"\nlimit = 20\nepsilons = [{eps}]\n{more}\n\
             [data.read]\nlabels_file = \"{}\"\n[[model]]\nname = \"m\"\nfile = \"{}\"\n[[method]]\nkind = \"ibp\"\n",
            digits.bench.path("labels.npy").display(),
            model.display()
        )
    };
    digits.bench.write("a.toml", &plan("8", ""));
    refused(digits.bench.run("audit a.toml"), 65, &["a.toml:", "data[0]", "ε = 8"]);
    digits.bench.write("a.toml", &plan("0.01", "l2_epsilons = [100]"));
    refused(digits.bench.run("audit a.toml"), 65, &["a.toml:", "ε = 100"]);
    digits.bench.write("a.toml", &plan("0.01", ""));
    warned(digits.bench.run("audit a.toml -q"), &["no domain"]);
    let report = digits.bench.report("audit-out");
    assert!(report["looks"][0]["as_read"]["warnings"][0].as_str().unwrap().contains("no domain"));
    let page = digits.bench.text("audit-out/report.html");
    assert!(page.contains("no domain is given"));
    let spec =
        format!("spec {} --data images.npy --labels-file labels.npy --index 0", model.display());
    refused(digits.bench.run(&format!("{spec} --eps 8")), 65, &["ε = 8"]);
    let ran = digits.bench.run(&format!("{spec} --eps 0.1")).exits(0);
    assert!(ran.stderr.contains("warning: no domain"), "{}", ran.stderr);
}
