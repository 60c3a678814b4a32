// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The board's status as a page for people and as JSON for programs.

use crate::bitmap::Svg;
use core::fmt::{self, Write};

/// What the board tells about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Name of the board: letters, digits and plain punctuation, as it goes into HTML and JSON as is.
    pub board: &'static str,
    /// Milliseconds since the server started.
    pub uptime_ms: u64,
    /// Hardware address of the network card.
    pub mac: [u8; 6],
    /// Address in use.
    pub ip: [u8; 4],
    /// Frames received by the server.
    pub rx_frames: u32,
    /// Frames transmitted by the server.
    pub tx_frames: u32,
    /// Bits drawn for this request; `None` when the board has no source of them.
    pub random: Option<[u8; 32]>,
}

struct Mac([u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, output: &mut fmt::Formatter) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(output, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

struct Ip([u8; 4]);

impl fmt::Display for Ip {
    fn fmt(&self, output: &mut fmt::Formatter) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(output, "{a}.{b}.{c}.{d}")
    }
}

struct Hex<'b>(&'b [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, output: &mut fmt::Formatter) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(output, "{byte:02x}"))
    }
}

impl Status {
    /// Writes the page.
    ///
    /// # Errors
    ///
    /// When `output` is full.
    pub fn html(&self, output: &mut dyn Write) -> fmt::Result {
        let Self {
            board,
            uptime_ms,
            rx_frames,
            tx_frames,
            ..
        } = self;
        let (seconds, millis) = (uptime_ms / 1000, uptime_ms % 1000);
        write!(
            output,
            "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{board}</title>\
             <style>body{{font-family:sans-serif;margin:2em}}td{{padding:.2em 1em .2em 0}}</style>\
             </head><body><h1>{board}</h1><p>Served by a Tock process.</p><table>\
             <tr><td>Uptime<td>{seconds}.{millis:03} s\
             <tr><td>MAC<td>{}<tr><td>IP<td>{}\
             <tr><td>Frames received<td>{rx_frames}<tr><td>Frames transmitted<td>{tx_frames}\
             </table><h2>256 random bits, drawn for this request</h2>",
            Mac(self.mac),
            Ip(self.ip),
        )?;
        match &self.random {
            Some(bits) => write!(output, "{}", Svg(bits))?,
            None => output.write_str("<p>This board has no entropy device.</p>")?,
        }
        output.write_str("<p><a href=\"/api/status\">as JSON</a></p></body></html>\n")
    }

    /// Writes one JSON object.
    ///
    /// # Errors
    ///
    /// When `output` is full.
    pub fn json(&self, output: &mut dyn Write) -> fmt::Result {
        let Self {
            board,
            uptime_ms,
            rx_frames,
            tx_frames,
            ..
        } = self;
        write!(
            output,
            "{{\"board\":\"{board}\",\"uptime_ms\":{uptime_ms},\"mac\":\"{}\",\"ip\":\"{}\",\
             \"rx_frames\":{rx_frames},\"tx_frames\":{tx_frames},\"random\":",
            Mac(self.mac),
            Ip(self.ip),
        )?;
        match &self.random {
            Some(bits) => writeln!(output, "\"{}\"}}", Hex(bits)),
            None => output.write_str("null}\n"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The longest numbers, and the bits with the most runs.
    pub(crate) const LONGEST: Status = Status {
        board: "qemu_rv32_virt",
        uptime_ms: u64::MAX,
        mac: [0xFF; 6],
        ip: [255; 4],
        rx_frames: u32::MAX,
        tx_frames: u32::MAX,
        random: Some([0x55; 32]),
    };

    #[test]
    fn the_page_shows_every_value() {
        let mut page = String::new();
        let status = Status {
            uptime_ms: 61_005,
            mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
            ip: [10, 0, 2, 15],
            rx_frames: 1234,
            tx_frames: 567,
            ..LONGEST
        };
        status.html(&mut page).unwrap();
        for value in [
            "qemu_rv32_virt",
            "61.005 s",
            "52:54:00:12:34:56",
            "10.0.2.15",
            "1234",
            "567",
            "<svg",
        ] {
            assert!(page.contains(value), "{value}");
        }
    }

    #[test]
    fn missing_entropy_is_said_and_null() {
        let status = Status {
            random: None,
            ..LONGEST
        };
        let (mut page, mut json) = (String::new(), String::new());
        status.html(&mut page).unwrap();
        status.json(&mut json).unwrap();
        assert!(page.contains("no entropy device"));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(json["random"].is_null());
    }

    proptest! {
        #[test]
        fn the_json_reads_back(uptime_ms: u64, rx_frames: u32, random: [u8; 32]) {
            let mut text = String::new();
            let status = Status { uptime_ms, rx_frames, random: Some(random), ..LONGEST };
            status.json(&mut text).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&json["board"], "qemu_rv32_virt");
            prop_assert_eq!(&json["uptime_ms"], uptime_ms);
            prop_assert_eq!(&json["rx_frames"], rx_frames);
            prop_assert_eq!(&json["tx_frames"], u32::MAX);
            prop_assert_eq!(&json["mac"], "ff:ff:ff:ff:ff:ff");
            prop_assert_eq!(&json["ip"], "255.255.255.255");
            let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(&json["random"], hex.as_str());
        }
    }
}
