// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The `web` app over TCP, through QEMU's user network.

use std::collections::HashSet;
use std::io::Write;
use std::time::Instant;

use board_runner::qemu::Qemu;
use boot_tests::{
    Board, Guest, MUTE_ENTROPY, PATIENCE, connect, each_qemu, get, read_response, send, try_get,
};
use serde_json::Value;

const REQUESTS: usize = 1_000;

/// Boots a board with the web server, waits until it has its address, and returns its port.
fn boot(qemu: &Qemu) -> (Guest, u16) {
    let mut guest = Board::on(qemu)
        .apps(&["random", "web"])
        .entropy()
        .user_network()
        .boot();
    guest.expect_line("the server's address", |line| {
        line.starts_with("web: ") && line.contains("10.0.2.15")
    });
    let port = guest.web_port();
    (guest, port)
}

#[test]
fn the_page_and_the_status_describe_the_board() {
    each_qemu(|qemu| {
        let (_guest, port) = boot(qemu);
        let page = get(port, "/");
        assert_eq!(page.status, 200);
        assert!(
            page.header("content-type")
                .is_some_and(|kind| kind.starts_with("text/html"))
        );
        let text = page.text();
        for part in ["<svg", "qemu_rv32_virt", "10.0.2.15", "52:54:00:12:34:56"] {
            assert!(text.contains(part), "no {part} in:\n{text}");
        }
        let status = get(port, "/api/status");
        assert_eq!(status.header("content-type"), Some("application/json"));
        let status = status.json();
        assert_eq!(status["board"], "qemu_rv32_virt");
        assert_eq!(status["mac"], "52:54:00:12:34:56");
        assert_eq!(status["ip"], "10.0.2.15");
        let later = get(port, "/api/status").json();
        let counter = |status: &Value, name: &str| status[name].as_u64().expect("a number");
        for name in ["rx_frames", "tx_frames"] {
            assert!(
                counter(&status, name) < counter(&later, name),
                "{status} {later}"
            );
        }
        assert!(
            counter(&status, "uptime_ms") <= counter(&later, "uptime_ms"),
            "{status} {later}"
        );
    });
}

#[test]
fn a_thousand_requests_in_a_row_get_a_thousand_random_numbers() {
    each_qemu(|qemu| {
        let (guest, port) = boot(qemu);
        let mut numbers = HashSet::new();
        for request in 0..REQUESTS {
            let response = get(port, "/api/status");
            let number = response.json()["random"].as_str().map(str::to_owned);
            match (response.status, number) {
                (200, Some(number)) if number.len() == 64 && numbers.insert(number.clone()) => {}
                other => guest.fail_with(&format!("answer {request} is {other:?}")),
            }
        }
    });
}

#[test]
fn requests_that_cannot_be_served_get_the_status_that_says_why() {
    each_qemu(|qemu| {
        let (_guest, port) = boot(qemu);
        let endless = format!(
            "GET / HTTP/1.1\r\nHost: b\r\nX: {}\r\n\r\n",
            "x".repeat(20_000)
        );
        let cases: [(&[u8], u16); 7] = [
            (
                b"GET /nowhere HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n",
                404,
            ),
            (
                b"GET /api HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n",
                404,
            ),
            (
                b"POST / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n",
                405,
            ),
            (b"nonsense\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
            (endless.as_bytes(), 431),
        ];
        for (request, status) in cases {
            let shown = String::from_utf8_lossy(&request[..request.len().min(40)]).into_owned();
            let answer = send(port, request)
                .expect("an answer")
                .map(|response| response.status);
            assert_eq!(answer, Some(status), "{shown:?}");
        }
        assert_eq!(get(port, "/").status, 200);
    });
}

#[test]
fn a_slow_client_neither_blocks_the_others_nor_waits_for_ever() {
    each_qemu(|qemu| {
        let (_guest, port) = boot(qemu);
        let mut slow = connect(port);
        slow.write_all(b"GET / HT")
            .expect("the server takes a part");
        for _ in 0..5 {
            assert_eq!(get(port, "/api/status").status, 200);
        }
        // The rest never comes; the server ends the connection by itself.
        let answer = read_response(&mut slow)
            .expect("an end")
            .map(|response| response.status);
        assert!(matches!(answer, None | Some(408)), "{answer:?}");
        assert_eq!(get(port, "/api/status").status, 200);
    });
}

#[test]
fn many_connections_that_say_nothing_leave_the_server_usable() {
    each_qemu(|qemu| {
        let (_guest, port) = boot(qemu);
        let idle: Vec<_> = (0..20).map(|_| connect(port)).collect();
        drop(idle);
        // While the server is still busy with those, it turns away who comes next.
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = try_get(port, "/") {
            assert!(Instant::now() < deadline, "{error}");
        }
    });
}

#[test]
fn a_mute_entropy_device_costs_the_page_its_random_bits_and_nothing_else() {
    each_qemu(|qemu| {
        let mut guest = Board::on(qemu)
            .apps(&["web"])
            .with(&MUTE_ENTROPY)
            .user_network()
            .boot();
        guest.expect("web: http://10.0.2.15/");
        let port = guest.web_port();
        for _ in 0..20 {
            let status = get(port, "/api/status").json();
            assert!(status["random"].is_null(), "{status}");
            assert_eq!(get(port, "/").status, 200);
        }
    });
}
