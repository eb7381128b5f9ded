//! Small hand-made models.
use super::onnx::Model;

/// FORMAT.md's example: r0 = (x, −x), r1 = |x| − 3/4, y = x + relu(r1).
pub fn example() -> Vec<u8> {
    Model::new(&[1, 1])
        .f32s("w0", &[1, 2], &[1.0, -1.0])
        .f32s("w1", &[2, 1], &[1.0, 1.0])
        .f32s("b1", &[1], &[-0.75])
        .node("MatMul x w0 -> z0")
        .node("Relu z0 -> h0")
        .node("MatMul h0 w1 -> p1")
        .node("Add p1 b1 -> z1")
        .node("Relu z1 -> h1")
        .node("Add x h1 -> y")
        .bytes()
}
