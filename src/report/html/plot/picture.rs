//! Inputs that are images, as PNG in the page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Height and width of an image that an input of this shape is; `None` where it is none: [28, 28], [1, 28, 28], [3, 32, 32].
pub(in crate::report::html) fn size(shape: &[usize]) -> Option<(usize, usize, usize)> {
    let (channels, height, width) = match *shape {
        [height, width] => (1, height, width),
        [channels @ (1 | 3), height, width] => (channels, height, width),
        _ => return None,
    };
    let possible = |side: usize| (4..=1024).contains(&side);
    (possible(height) && possible(width)).then_some((channels, height, width))
}

/// An image as the text of a `data:` URI: values in row-major order, channels first, from black at `low` to white at `high`.
pub(in crate::report::html) fn data_uri(
    values: &[f64],
    (channels, height, width): (usize, usize, usize),
    (low, high): (f64, f64),
) -> Option<String> {
    let pixels = height * width;
    if values.len() != channels * pixels || high <= low {
        return None;
    }
    let byte = |value: f64| (255.0 * (value - low) / (high - low)).round().clamp(0.0, 255.0) as u8;
    let bytes: Vec<u8> = (0..pixels)
        .flat_map(|pixel| (0..channels).map(move |channel| channel * pixels + pixel))
        .map(|at| byte(values[at]))
        .collect();
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, width as u32, height as u32);
    encoder.set_color(if channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&bytes).ok()?;
    writer.finish().ok()?;
    Some(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}
