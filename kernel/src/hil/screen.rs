// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Screens: pixels to a display, and the display's settings.
//!
//! A picture is sent in two steps: choose the rectangle, then write its pixels, row by row.

use core::ops::{Add, Sub};

use crate::ErrorCode;
use crate::utilities::leasable_buffer::SubSliceMut;

/// How the picture is turned against the display, clockwise in quarter turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenRotation {
    /// Not at all.
    Normal,
    /// By a quarter turn.
    Rotated90,
    /// By a half turn.
    Rotated180,
    /// By three quarter turns.
    Rotated270,
}

impl ScreenRotation {
    const TURNS: [Self; 4] = [
        Self::Normal,
        Self::Rotated90,
        Self::Rotated180,
        Self::Rotated270,
    ];
}

impl Add for ScreenRotation {
    type Output = Self;

    /// Turns by both.
    fn add(self, further: Self) -> Self {
        Self::TURNS[(self as usize + further as usize) % 4]
    }
}

impl Sub for ScreenRotation {
    type Output = Self;

    /// Turns back by `back`.
    fn sub(self, back: Self) -> Self {
        Self::TURNS[(self as usize + 4 - back as usize) % 4]
    }
}

/// How a pixel is stored. The numbers are part of the system call ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[allow(non_camel_case_types, reason = "the names are those that drivers use")]
pub enum ScreenPixelFormat {
    /// One bit, eight pixels of a row in a byte.
    Mono = 0,
    /// One byte: three bits red, three green, two blue.
    RGB_332 = 1,
    /// Two bytes: five bits red, six green, five blue.
    RGB_565 = 2,
    /// Three bytes: red, green, blue.
    RGB_888 = 3,
    /// Four bytes: blue, green, red, opacity. Little-endian words of opacity, red, green, blue.
    BGRA_8888 = 4,
    /// Half a byte: one bit each of intensity, red, green and blue.
    RGB_4BIT = 5,
    /// One bit, eight pixels of a column in a byte.
    Mono_8BitPage = 6,
}

impl ScreenPixelFormat {
    /// Counts the bits that one pixel takes.
    pub fn get_bits_per_pixel(&self) -> usize {
        match self {
            Self::Mono | Self::Mono_8BitPage => 1,
            Self::RGB_4BIT => 4,
            Self::RGB_332 => 8,
            Self::RGB_565 => 16,
            Self::RGB_888 => 24,
            Self::BGRA_8888 => 32,
        }
    }
}

/// A screen's settings. Each change that returns `Ok` ends with a
/// [`command_complete`](ScreenSetupClient::command_complete).
pub trait ScreenSetup<'a> {
    /// Names the client to be told.
    fn set_client(&self, client: &'a dyn ScreenSetupClient);

    /// Chooses the resolution: width and height in pixels.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NOSUPPORT`] if it is not among the supported ones, [`ErrorCode::BUSY`] while
    /// another change runs.
    fn set_resolution(&self, resolution: (usize, usize)) -> Result<(), ErrorCode>;

    /// Chooses the pixel format. Errors are those of [`set_resolution`](Self::set_resolution).
    fn set_pixel_format(&self, format: ScreenPixelFormat) -> Result<(), ErrorCode>;

    /// Chooses the rotation. Errors are those of [`set_resolution`](Self::set_resolution).
    fn set_rotation(&self, rotation: ScreenRotation) -> Result<(), ErrorCode>;

    /// Counts the supported resolutions.
    fn get_num_supported_resolutions(&self) -> usize;

    /// Returns a supported resolution, width and height; `None` from the count on.
    fn get_supported_resolution(&self, index: usize) -> Option<(usize, usize)>;

    /// Counts the supported pixel formats.
    fn get_num_supported_pixel_formats(&self) -> usize;

    /// Returns a supported pixel format; `None` from the count on.
    fn get_supported_pixel_format(&self, index: usize) -> Option<ScreenPixelFormat>;
}

/// A screen to draw on.
pub trait Screen<'a> {
    /// Names the client to be told.
    fn set_client(&self, client: &'a dyn ScreenClient);

    /// Returns width and height in pixels, under the present rotation.
    fn get_resolution(&self) -> (usize, usize);

    /// Returns the pixel format that [`write`](Self::write) expects.
    fn get_pixel_format(&self) -> ScreenPixelFormat;

    /// Returns the present rotation.
    fn get_rotation(&self) -> ScreenRotation;

    /// Chooses the rectangle that the next pixels fill: the pixel at its upper left, and its size.
    ///
    /// Ends with a [`command_complete`](ScreenClient::command_complete).
    ///
    /// # Errors
    ///
    /// [`ErrorCode::INVAL`] if the rectangle leaves the screen, [`ErrorCode::BUSY`] while another
    /// operation runs, [`ErrorCode::OFF`] while the screen is off.
    fn set_write_frame(
        &self,
        x: usize,
        y: usize,
        width: usize,
        height: usize,
    ) -> Result<(), ErrorCode>;

    /// Writes the active window of `buffer` to the rectangle: from its first pixel on, or with
    /// `continue_write` from where the last write ended.
    ///
    /// Ends with a [`write_complete`](ScreenClient::write_complete), which returns the buffer.
    ///
    /// # Errors
    ///
    /// As for [`set_write_frame`](Self::set_write_frame), and [`ErrorCode::SIZE`] if the pixels do
    /// not fit the rectangle. The buffer is given up then.
    fn write(
        &self,
        buffer: SubSliceMut<'static, u8>,
        continue_write: bool,
    ) -> Result<(), ErrorCode>;

    /// Chooses the brightness, from 0 for dark to 65535; a screen may know only dark and bright.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NOSUPPORT`] if it cannot be changed.
    fn set_brightness(&self, brightness: u16) -> Result<(), ErrorCode>;

    /// Switches the screen on or off.
    ///
    /// Once it is on it reports [`screen_is_ready`](ScreenClient::screen_is_ready).
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NOSUPPORT`] if it cannot be switched.
    fn set_power(&self, enabled: bool) -> Result<(), ErrorCode>;

    /// Inverts all colours, or ends doing so.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::NOSUPPORT`] if the screen cannot do that.
    fn set_invert(&self, enabled: bool) -> Result<(), ErrorCode>;
}

/// A screen whose settings can be changed.
pub trait ScreenAdvanced<'a>: Screen<'a> + ScreenSetup<'a> {}

impl<'a, T: Screen<'a> + ScreenSetup<'a>> ScreenAdvanced<'a> for T {}

/// A user of a screen's settings.
pub trait ScreenSetupClient {
    /// A change has ended.
    fn command_complete(&self, r: Result<(), ErrorCode>);
}

/// A user of a screen.
pub trait ScreenClient {
    /// An operation other than a write has ended.
    fn command_complete(&self, result: Result<(), ErrorCode>);

    /// A write has ended; `buffer` is the one that was written.
    fn write_complete(&self, buffer: SubSliceMut<'static, u8>, result: Result<(), ErrorCode>);

    /// The screen is on and takes operations.
    fn screen_is_ready(&self);
}

#[cfg(test)]
mod tests {
    use super::ScreenRotation::{self, Normal, Rotated90, Rotated180, Rotated270};

    #[test]
    fn rotations_add_up_to_a_full_turn_and_undo_each_other() {
        assert_eq!(Rotated90 + Rotated180, Rotated270);
        assert_eq!(Rotated270 + Rotated180, Rotated90);
        assert_eq!(Normal - Rotated90, Rotated270);
        for a in ScreenRotation::TURNS {
            for b in ScreenRotation::TURNS {
                assert_eq!(a + b - b, a);
            }
        }
    }
}
