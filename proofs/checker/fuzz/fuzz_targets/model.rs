//! Any bytes as an ONNX model: a circuit or an error, never a panic.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = certus_check::onnx::read(bytes);
});
