//! What the tests share: the shared benchmark folder, and a tiny reader of .npz files.
#![allow(dead_code)]
pub mod models;
pub mod onnx;

use certus_check::circuit::{Circuit, Node};
use certus_check::map::Scratch;
use std::io::Read;
use std::path::PathBuf;

/// `../shared/bench` beside the repository, or `None` with a word on the terminal.
pub fn bench() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/bench");
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

/// Every file below a folder.
pub fn below(folder: &std::path::Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { below(&path, found) } else { found.push(path) }
    }
}

/// Unpacks a gzip file, or reads a plain one.
pub fn read(path: &std::path::Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut out = vec![];
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut out).unwrap();
    out
}

/// An f32 array of an .npz file: its shape and its values.
pub fn npz(bytes: &[u8], name: &str) -> (Vec<usize>, Vec<f32>) {
    let u16 = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()) as usize;
    let u32 = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let end = bytes.windows(4).rposition(|w| w == b"PK\x05\x06").unwrap();
    let (count, mut at) = (u16(end + 10), u32(end + 16));
    for _ in 0..count {
        let (method, packed, local) = (u16(at + 10), u32(at + 20), u32(at + 42));
        let entry = std::str::from_utf8(&bytes[at + 46..at + 46 + u16(at + 28)]).unwrap();
        if entry == format!("{name}.npy") {
            let start = local + 30 + u16(local + 26) + u16(local + 28);
            let data = &bytes[start..start + packed];
            let mut out = vec![];
            match method {
                0 => out = data.to_vec(),
                _ => _ = flate2::read::DeflateDecoder::new(data).read_to_end(&mut out).unwrap(),
            }
            return npy(&out);
        }
        at += 46 + u16(at + 28) + u16(at + 30) + u16(at + 32);
    }
    panic!("no array {name}");
}

fn npy(bytes: &[u8]) -> (Vec<usize>, Vec<f32>) {
    let length = u16::from_le_bytes(bytes[8..10].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(header.contains("<f4") && header.contains("False"), "{header}");
    let shape = header.split_once('(').unwrap().1.split_once(')').unwrap().0;
    let shape = shape.split(',').filter_map(|d| d.trim().parse().ok()).collect();
    let data = bytes[10 + length..].as_chunks::<4>().0.iter().map(|c| f32::from_le_bytes(*c));
    (shape, data.collect())
}

/// A network's outputs at x, in f64.
pub fn evaluate(circuit: &Circuit, x: &[f64]) -> Vec<f64> {
    let mut values: Vec<Vec<f64>> = vec![];
    let mut scratch = Scratch::default();
    for node in circuit.nodes() {
        values.push(match node {
            Node::Input => x.to_vec(),
            Node::Relu { source, .. } => values[*source].iter().map(|v| v.max(0.0)).collect(),
            Node::Affine(a) => {
                let mut y = a.bias.clone();
                for (source, map) in &a.terms {
                    let x = &values[*source];
                    for (i, y) in y.iter_mut().enumerate() {
                        map.row(i, &mut scratch).each(|j, w| *y += w * x[j]);
                    }
                }
                y
            }
        });
    }
    values.swap_remove(circuit.output())
}
