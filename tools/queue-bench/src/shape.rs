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

/// Which buffers one or two chains take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffers {
    /// The same at each round.
    Same,
    /// Two in turn.
    InTurn,
}

impl Buffers {
    /// The buffer for a round.
    pub fn at(self, round: u32) -> usize {
        match self {
            Self::Same => 0,
            Self::InTurn => round as usize % 2,
        }
    }
}

/// All shapes, with their names in the table.
pub const SHAPES: [(&str, Shape, Buffers); 5] = [
    ("1 descriptor", Shape::One, Buffers::Same),
    ("1, two buffers in turn", Shape::One, Buffers::InTurn),
    ("2 descriptors", Shape::Two, Buffers::Same),
    ("2, two buffers in turn", Shape::Two, Buffers::InTurn),
    ("batch of 16", Shape::Batch, Buffers::Same),
];

/// All queue sizes.
pub const SIZES: [usize; 3] = [4, 64, 256];
