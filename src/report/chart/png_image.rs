//! Pictures as PNG, for mail: most programs that show mail show no SVG
//! (<https://www.caniemail.com/features/image-svg/>).

use plotters::prelude::BitMapBackend;

use super::Chart;

impl Chart {
    /// The picture as a PNG file, on white; `None` if it cannot be drawn, as one without any extent.
    #[must_use]
    pub fn to_png(&self) -> Option<Vec<u8>> {
        let mut pixels = vec![u8::MAX; 3 * self.width as usize * self.height as usize];
        self.draw(BitMapBackend::with_buffer(&mut pixels, (self.width, self.height))).ok()?;
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header().ok()?;
        writer.write_image_data(&pixels).ok()?;
        writer.finish().ok()?;
        Some(file)
    }
}
