// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Line settings as register values.

use kernel::ErrorCode;
use kernel::hil::uart::{Parameters, Parity, StopBits, Width};

/// Input clock of the port, in Hz.
const CLOCK: u32 = 3_686_400;
/// Clock ticks per bit at divisor 1.
const OVERSAMPLING: u32 = 16;

/// Returns the line control byte and the divisor for `params`.
///
/// # Errors
///
/// - `INVAL`: a baud rate of zero.
/// - `NOSUPPORT`: hardware flow control, or a baud rate that the divisor cannot reach.
pub(super) fn settings(params: &Parameters) -> Result<(u8, u16), ErrorCode> {
    if params.baud_rate == 0 {
        return Err(ErrorCode::INVAL);
    }
    if params.hw_flow_control {
        return Err(ErrorCode::NOSUPPORT);
    }
    let divisor = CLOCK / OVERSAMPLING / params.baud_rate;
    let divisor = u16::try_from(divisor).map_err(|_| ErrorCode::NOSUPPORT)?;
    if divisor == 0 {
        return Err(ErrorCode::NOSUPPORT);
    }
    let width = match params.width {
        Width::Six => 0b01,
        Width::Seven => 0b10,
        Width::Eight => 0b11,
    };
    let stop = match params.stop_bits {
        StopBits::One => 0,
        StopBits::Two => 1 << 2,
    };
    let parity = match params.parity {
        Parity::None => 0,
        Parity::Odd => 0b01 << 3,
        Parity::Even => 0b11 << 3,
    };
    Ok((width | stop | parity, divisor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_baud_rate(baud_rate: u32) -> Parameters {
        Parameters {
            baud_rate,
            width: Width::Eight,
            parity: Parity::None,
            stop_bits: StopBits::One,
            hw_flow_control: false,
        }
    }

    #[test]
    fn common_settings() {
        assert_eq!(settings(&with_baud_rate(115_200)), Ok((0b011, 2)));
        let even = Parameters {
            width: Width::Seven,
            parity: Parity::Even,
            stop_bits: StopBits::Two,
            ..with_baud_rate(9_600)
        };
        assert_eq!(settings(&even), Ok((0b1_1110, 24)));
    }

    #[test]
    fn what_the_port_cannot_do_is_refused() {
        assert_eq!(settings(&with_baud_rate(0)), Err(ErrorCode::INVAL));
        assert_eq!(settings(&with_baud_rate(1)), Err(ErrorCode::NOSUPPORT));
        assert_eq!(
            settings(&with_baud_rate(460_800)),
            Err(ErrorCode::NOSUPPORT)
        );
        let flow = Parameters {
            hw_flow_control: true,
            ..with_baud_rate(115_200)
        };
        assert_eq!(settings(&flow), Err(ErrorCode::NOSUPPORT));
    }
}
