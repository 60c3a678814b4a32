// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is measured.

/// Chains that are published together, or as many at a time as the queue has room for.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// One chain of one descriptor.
    One,
    /// One chain of two descriptors. Of ours the device reads both, as a header and its frame; of the other
    /// queue's it writes the second, with which that one costs less.
    Two,
    /// Sixteen chains of one descriptor.
    Batch,
}

/// All shapes, with their names in the table.
pub const SHAPES: [(&str, Shape); 3] = [
    ("1 descriptor", Shape::One),
    ("2 descriptors", Shape::Two),
    ("batch of 16", Shape::Batch),
];

/// All queue sizes.
pub const SIZES: [usize; 3] = [4, 64, 256];
