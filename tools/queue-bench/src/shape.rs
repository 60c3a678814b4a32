// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is measured.

/// A batch of chains that are published together, or as many at a time as the queue has room for.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How it is called in the table.
    pub name: &'static str,
    /// Descriptors of a chain.
    pub links: u16,
    /// Chains of a batch.
    pub chains: u16,
}

/// All shapes.
pub const SHAPES: [Shape; 3] = [
    Shape {
        name: "1 descriptor",
        links: 1,
        chains: 1,
    },
    Shape {
        name: "2 descriptors",
        links: 2,
        chains: 1,
    },
    Shape {
        name: "batch of 16",
        links: 1,
        chains: 16,
    },
];

/// All queue sizes.
pub const SIZES: [usize; 3] = [4, 64, 256];
