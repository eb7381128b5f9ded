//! The house rules that a compiler does not enforce: dependency order, a first line for every file, who may print.

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every .rs file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The modules in the order in which src/lib.rs lists them, `a` → `b`.
fn order() -> Vec<String> {
    let lib = read(&root().join("src/lib.rs"));
    let listed = lib.split("in dependency order").nth(1).expect("the list of modules");
    let mut modules = Vec::new();
    for line in listed.lines().skip(1).skip_while(|line| !line.contains("→")) {
        if !line.contains('→') {
            break;
        }
        modules.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    modules
}

/// The top-level module of a file in src, `None` for lib.rs and main.rs.
fn module(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!["lib", "main"].contains(&name)).then(|| name.to_owned())
}

/// Names that follow `crate::`, also those in braces.
fn uses(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for after in text.split("crate::").skip(1) {
        if let Some(group) = after.strip_prefix('{') {
            let mut depth = 0;
            let mut fresh = true;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        names.push(std::mem::take(&mut name));
                        fresh = true;
                    }
                    c if depth == 0 && fresh && is_name(c) => name.push(c),
                    ':' => fresh = false,
                    _ => {}
                }
            }
            names.push(name);
        } else {
            names.push(after.chars().take_while(|&c| is_name(c)).collect());
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The text without `//` comments, where examples may name anything.
fn code(text: &str) -> String {
    let strip = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    text.lines().map(strip).collect::<Vec<_>>().join("\n")
}

#[test]
fn modules_use_only_those_before_them() {
    let order = order();
    let place = |name: &str| order.iter().position(|module| module == name);
    let mut breaches = Vec::new();
    for file in files(&root().join("src")) {
        let Some(module) = module(&file) else { continue };
        let here = place(&module).unwrap_or_else(|| panic!("src/lib.rs does not list {module}"));
        for used in uses(&code(&read(&file))) {
            match place(&used) {
                Some(there) if there <= here => {}
                _ => breaches.push(format!("{} uses {used}", file.display())),
            }
        }
    }
    assert!(breaches.is_empty(), "order is {order:?}:\n{}", breaches.join("\n"));
}

#[test]
fn every_listed_module_exists() {
    let order = order();
    assert!(order.len() >= 8, "{order:?}");
    for module in &order {
        let src = root().join("src");
        assert!(
            src.join(module).is_dir() || src.join(format!("{module}.rs")).is_file(),
            "src/lib.rs lists {module}"
        );
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let folders = ["src", "tests", "benches", "proofs/checker"].map(|folder| root().join(folder));
    for file in folders.iter().filter(|folder| folder.is_dir()).flat_map(|folder| files(folder)) {
        let text = read(&file);
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.len() > 10 && first.starts_with("//! "),
            "{} opens with: {first}",
            file.display()
        );
    }
}

#[test]
fn only_the_command_line_prints_exits_and_reads_the_environment() {
    let forbidden = [
        "println!",
        "eprintln!",
        "print!",
        "eprint!",
        "dbg!",
        "std::env::",
        "process::exit",
        "io::stdout",
        "io::stderr",
    ];
    for file in files(&root().join("src")) {
        // How many cases random tests take is asked of the environment, in a file for tests alone.
        if matches!(module(&file).as_deref(), None | Some("cli"))
            || file.ends_with("num/hostile.rs")
        {
            continue;
        }
        let code = code(&read(&file));
        for word in forbidden {
            assert!(!code.contains(word), "{} has {word}", file.display());
        }
    }
}

/// What is stored or printed says how where it is defined: in `audit` and `report`, and in the few files named here. Only `report` and
/// `cli` write JSON.
#[test]
fn what_is_stored_says_so_where_it_is_defined() {
    let stored =
        ["src/verify.rs", "src/attack/masking.rs", "src/load/network.rs", "src/cli/output.rs"];
    for file in files(&root().join("src")) {
        let module = module(&file).unwrap_or_default();
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap();
        let text = read(&file);
        let code = code(text.split("#[cfg(test)]").next().unwrap_or_default());
        let derives = code.contains("Serialize");
        let may = ["audit", "report"].contains(&module.as_str()) || stored.contains(&name);
        assert!(may || !derives, "{name} is stored, and no file says so");
        let writes = ["serde_json::to_string", "serde_json::to_vec", "serde_json::to_writer"];
        let json = ["report", "cli"].contains(&module.as_str());
        assert!(json || !writes.iter().any(|word| code.contains(word)), "{name} writes JSON");
    }
}

/// The code of a file of src without its tests, which come last.
fn without_tests(file: &Path) -> String {
    let code = code(&read(file));
    code.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// Files of src that are no tests and not the operators' own, nor those of the laws, which judge operators and so know them by themselves.
fn files_beside_operators() -> impl Iterator<Item = PathBuf> {
    let own = root().join("src/net/op");
    let judges = root().join("src/testing");
    let is_test = |file: &Path| file.components().any(|part| part.as_os_str() == "tests");
    files(&root().join("src")).into_iter().filter(move |file| {
        let exempt = file.starts_with(&own) || file.starts_with(&judges);
        !exempt && !file.ends_with("tests.rs") && !is_test(file)
    })
}

/// Whoever reads a file names the functions it makes nodes of; who walks through a network asks them.
#[test]
fn one_elementwise_function_is_told_from_another_in_its_room() {
    let makers = [
        "src/load/onnx/elementwise.rs",
        "src/load/onnx/gate.rs",
        "src/load/onnx/smooth.rs",
        "src/net/graph.rs",
    ];
    for file in files_beside_operators() {
        let code = without_tests(&file);
        let makes = makers.iter().any(|maker| file.ends_with(maker));
        for name in code.split("Function::").skip(1).filter(|name| !name.starts_with("ONNX")) {
            let after = name.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).trim_start();
            let told_apart = after.starts_with("=>") || after.starts_with('|');
            assert!(makes && !told_apart, "{} names {name:.20}", file.display());
        }
    }
}

#[test]
fn no_kind_of_node_is_passed_over_in_silence() {
    let mut matches = 0;
    for file in files_beside_operators() {
        // For every open brace: whether it has an arm for a kind of node, and one for whatever is left.
        let mut open = vec![[false; 2]];
        for line in without_tests(&file).lines() {
            let arm = line.trim_start();
            if let Some(block) = open.last_mut() {
                block[0] |= arm.starts_with("Op::") || arm.starts_with("(Op::");
                block[1] |= arm.starts_with("_ =>") || arm.starts_with("_ if");
            }
            for brace in arm.chars().filter(|c| "{}".contains(*c)) {
                if brace == '{' {
                    open.push([false; 2]);
                } else if let Some([kind, rest]) = open.pop() {
                    matches += usize::from(kind);
                    assert!(
                        !(kind && rest),
                        "{} has `_` beside a kind of node: {arm}",
                        file.display()
                    );
                }
            }
        }
    }
    assert!(matches > 8, "only {matches} matches on kinds of nodes were found");
}

/// A new norm is one file of spec, one of attack, and the moves of random search; plans have a list of Euclidean steps.
#[test]
fn one_norm_is_told_from_another_in_its_room() {
    let rooms = ["spec/norm.rs", "attack/norm.rs", "attack/square.rs", "audit/plan/read.rs"];
    for file in files_beside_operators() {
        let told_apart = ["Norm::Linf =>", "Norm::L2 =>", "== Norm::", "!= Norm::"];
        let found = told_apart.iter().any(|arm| without_tests(&file).contains(arm));
        let own = rooms.iter().chain(&["spec/region.rs"]).any(|room| file.ends_with(room));
        assert!(own || !found, "{} tells norms apart", file.display());
    }
}
