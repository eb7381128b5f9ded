//! Writes networks whose answer is known by construction, as a list for `certus bench`: docs/testing.md, "Ground truth".
//!
//! cargo run --release --example ground_truth -- DIR [COUNT]   (COUNT of each kind; 29 unless given, 203 in all)

use certus::internal::testing::truth::{Construction, Known};
use std::fmt::Write as _;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("where to? give a folder")?);
    let count: usize = arguments.next().map_or(Ok(29), |text| text.parse())?;
    for part in ["onnx", "vnnlib"] {
        std::fs::create_dir_all(folder.join(part))?;
    }
    let mut list = String::new();
    for construction in Construction::ALL {
        for k in 0..count {
            // Sizes from a few neurons to those of the literature.
            let known = Known::new(construction, 1 + k % 10, k as u64);
            let name = format!("{construction}_{k:03}");
            let (model, property) =
                known.case.model().zip(known.case.property()).ok_or("no file holds it")?;
            std::fs::write(folder.join(format!("onnx/{name}.onnx")), model)?;
            std::fs::write(folder.join(format!("vnnlib/{name}.vnnlib")), property)?;
            let expected = if known.holds { "unsat" } else { "sat" };
            writeln!(list, "onnx/{name}.onnx,vnnlib/{name}.vnnlib,60,{expected}")?;
        }
    }
    std::fs::write(folder.join("instances.csv"), list)?;
    println!("{} networks in {}", Construction::ALL.len() * count, folder.display());
    Ok(())
}
