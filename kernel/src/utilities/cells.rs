// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The cells that drivers keep their state in, from `tock-cells`.

pub use tock_cells::map_cell::MapCell;
pub use tock_cells::numeric_cell_ext::NumericCellExt;
pub use tock_cells::optional_cell::OptionalCell;
pub use tock_cells::take_cell::TakeCell;
