//! Tests of the VNN-LIB reader on small texts.

use super::*;

fn read(body: &str) -> Result<Property, PropertyError> {
    let text = format!(
        "(declare-const X_0 Real)\n(declare-const X_1 Real)\n\
         (declare-const Y_0 Real)\n(declare-const Y_1 Real)\n{body}"
    );
    parse_vnnlib("test.vnnlib", text.as_bytes(), 2, 2)
}
