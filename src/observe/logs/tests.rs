//! Lines: read, told apart, made fit for a terminal.

#![expect(clippy::needless_pass_by_value, reason = "cases read better without `&`")]

use std::collections::VecDeque;
use std::io;

use futures::io::Cursor;
use futures::stream::{self, StreamExt};
use futures::{FutureExt, TryStreamExt};
use k8s_openapi::jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::dedupe::{Mark, Seen};
use super::instance::{instance, is_named};
use super::line::tidy;
use super::read::{Lines, RawLine};

fn read(bytes: &[u8]) -> Vec<RawLine> {
    let mut lines = Lines::new(Cursor::new(bytes));
    std::iter::from_fn(|| lines.next().now_or_never().unwrap().unwrap()).collect()
}

fn text(line: &RawLine) -> String {
    String::from_utf8_lossy(&line.text).into_owned()
}

#[test]
fn a_line_is_parted_from_its_stamp() {
    let lines = read(b"2026-11-02T10:11:12.000000001Z hello world\n2026-11-02T10:11:13Z \n");
    assert_eq!(lines.iter().map(text).collect::<Vec<_>>(), ["hello world", ""]);
    assert_eq!(lines[0].stamp.as_ref().unwrap().0, "2026-11-02T10:11:12.000000001Z");
    assert!(lines.iter().all(|line| line.is_whole && line.mark().is_some()));
}

#[test]
fn an_empty_line_may_be_a_bare_stamp() {
    let lines = read(b"2026-11-02T10:11:13Z\n");
    assert_eq!((text(&lines[0]), lines[0].mark().is_some()), (String::new(), true));
}

#[test]
fn what_kubelet_says_itself_has_no_stamp() {
    let lines = read(b"failed to create fsnotify watcher: too many open files");
    assert_eq!(text(&lines[0]), "failed to create fsnotify watcher: too many open files");
    assert_eq!((lines[0].mark(), lines[0].is_whole), (None, false));
}

#[test]
fn of_a_very_long_line_only_the_beginning_is_kept() {
    let mut bytes = b"2026-11-02T10:11:13Z ".to_vec();
    bytes.extend(std::iter::repeat_n(b'x', 3_000_000));
    bytes.extend(b"\n2026-11-02T10:11:13Z next\n");
    let lines = read(&bytes);
    assert_eq!(lines[0].length, 3_000_000);
    assert!(lines[0].text.len() < 40_000, "{}", lines[0].text.len());
    assert_eq!(text(&lines[1]), "next");
}

#[test]
fn two_long_lines_that_differ_at_the_end_are_two() {
    let line = |end: &str| format!("2026-11-02T10:11:13Z {}{end}\n", "x".repeat(100_000));
    let lines = read(format!("{}{}", line("a"), line("b")).as_bytes());
    assert_ne!(lines[0].mark(), lines[1].mark());
}

proptest! {
    #[test]
    fn lines_do_not_depend_on_how_their_bytes_arrive(
        texts in vec("[a-z é]{0,12}", 0..8), cuts in vec(1_usize..9, 1..60),
    ) {
        let whole: String =
            texts.iter().map(|text| format!("2026-11-02T10:11:13.000000001Z {text}\n")).collect();
        let mut rest = whole.as_bytes();
        let mut pieces: VecDeque<io::Result<Vec<u8>>> = VecDeque::new();
        for cut in cuts.iter().cycle().take(whole.len()) {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            if piece.is_empty() { break }
            pieces.push_back(Ok(piece.to_vec()));
            rest = after;
        }
        let mut lines = Lines::new(stream::iter(pieces).boxed().into_async_read());
        let mut read = Vec::new();
        while let Some(line) = lines.next().now_or_never().unwrap().unwrap() {
            read.push(text(&line));
        }
        prop_assert_eq!(read, texts);
    }
}

#[test]
fn colours_stay_and_everything_else_that_moves_a_cursor_goes() {
    let check = |bytes: &[u8], shown: &str| assert_eq!(tidy(bytes), shown, "{bytes:?}");
    check(b"plain\ttext", "plain\ttext");
    check(b"windows\r\n", "windows");
    check(b"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m");
    check(b"\x1b[1;38:5:9mleft on", "\x1b[1;38:5:9mleft on\x1b[0m");
    check(b"\x1b[2J\x1b[Hclear", "clear");
    check(b"\x1b]0;title\x07text", "text");
    check(b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link");
    check(b"\x1b(Bset", "set");
    check(b"\x1b[?25lhidden\x1b[?25h", "hidden");
    check(b"10 %\r50 %\r100 %", "100 %");
    check(b"bell\x07 and back\x08space", "bell and backspace");
    check(b"bad \xff\xfe bytes", "bad \u{fffd}\u{fffd} bytes");
    check(b"cut \x1b[3", "cut ");
    check(b"cut \x1b", "cut ");
    check("eight bit \u{9b}31mred".as_bytes(), "eight bit red");
    check("snow ☃".as_bytes(), "snow ☃");
}

proptest! {
    #[test]
    fn no_line_can_move_the_cursor(bytes in vec(any::<u8>(), 0..200)) {
        let shown = tidy(&bytes);
        let mut rest = shown.as_str();
        while let Some(at) = rest.find('\u{1b}') {
            let sequence = &rest[at..];
            let end = sequence.find('m').expect("a colour ends with m");
            prop_assert!(sequence[2..end].bytes().all(|b| b.is_ascii_digit() || b";:".contains(&b)));
            rest = &sequence[end + 1..];
        }
        let moves = |c: char| c.is_control() && !matches!(c, '\t' | '\u{1b}');
        prop_assert!(!shown.contains(moves));
    }
}

#[test]
fn a_very_long_line_is_cut() {
    let shown = tidy("é".repeat(100_000).as_bytes());
    assert!(shown.ends_with('…') && shown.len() <= 16 * 1024 + 3, "{}", shown.len());
}

/// A log as kubelet keeps it: `(nanoseconds, text)` in the order of the file.
type Log = Vec<(i64, u8)>;

fn mark(line: (i64, u8)) -> Mark {
    let (nanos, text) = line;
    let stamp = Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
    Mark { stamp, text: u64::from(text) }
}

/// What kubelet answers: every line of the file that is not older than asked for.
fn answer(log: &Log, since: Option<Timestamp>) -> impl Iterator<Item = (i64, u8)> {
    let since = since.map_or(0, Timestamp::as_nanosecond);
    log.iter().copied().filter(move |(nanos, _)| i128::from(*nanos) >= since)
}

proptest! {
    #[test]
    fn no_break_of_the_stream_loses_or_repeats_a_line(
        // Steps of time: often none, sometimes more than the overlap, sometimes back.
        steps in vec((prop_oneof![Just(0_i64), 1_i64..1_000, 1_i64..4_000_000_000], 0_u8..3, 0_i64..900_000_000), 0..120),
        breaks in vec((0_usize..40, 0_usize..40), 0..20),
    ) {
        let mut now = 1_700_000_000_000_000_000;
        let log: Log = steps.into_iter().map(|(step, text, back)| {
            now += step;
            // Lines of stderr may be stamped before those of stdout that stand above them.
            (if step == 0 { now - back } else { now }, text)
        }).collect();
        let mut seen = Seen::default();
        let mut told = Vec::new();
        let mut written = 0;
        for (more, read) in breaks.into_iter().chain([(usize::MAX, usize::MAX)]) {
            written = log.len().min(written + more.min(log.len()));
            let there: Log = log[..written].to_vec();
            let since = seen.take_up();
            for line in answer(&there, since).take(read) {
                if seen.is_new(mark(line)) {
                    told.push(line);
                }
            }
        }
        let mut expected = log.clone();
        expected.sort_unstable();
        told.sort_unstable();
        prop_assert_eq!(told, expected);
    }
}

#[test]
fn lines_that_are_alike_to_the_nanosecond_are_counted() {
    let line = (1_700_000_000_000_000_007, 1);
    let mut seen = Seen::default();
    assert_eq!([line; 3].map(|line| seen.is_new(mark(line))), [true, true, true]);
    seen.take_up();
    assert_eq!([line; 4].map(|line| seen.is_new(mark(line))), [false, false, false, true]);
}

#[test]
fn a_new_file_without_anything_known_is_noticed() {
    let mut seen = Seen::default();
    seen.take_up();
    assert!(seen.has_overlap(), "nothing was seen yet");
    seen.is_new(mark((1_700_000_000_000_000_000, 1)));
    seen.is_new(mark((1_700_000_000_500_000_000, 2)));
    seen.take_up();
    seen.is_new(mark((1_700_000_000_500_000_000, 2)));
    assert!(seen.has_overlap());
    seen.take_up();
    assert!(!seen.has_overlap());
}

#[test]
fn little_is_remembered_of_a_long_log() {
    let mut seen = Seen::default();
    for second in 0..10_000 {
        seen.is_new(mark((1_700_000_000_000_000_000 + second * 1_000_000_000, 1)));
    }
    assert!(format!("{seen:?}").len() < 3_000);
}

fn pod(status: serde_json::Value) -> k8s_openapi::api::core::v1::Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "api-1"},
        "spec": {"containers": [{"name": "api"}]},
        "status": {"containerStatuses": [status]},
    }))
    .unwrap()
}

#[test]
fn a_container_that_waits_to_be_started_again_has_the_log_of_its_last_run() {
    let waiting = pod(json!({
        "name": "api", "image": "api", "imageID": "", "ready": false, "restartCount": 2,
        "containerID": "containerd://b", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1, "containerID": "containerd://b"}},
    }));
    let run = instance(&waiting, "api").unwrap();
    assert_eq!((run.id.as_str(), run.is_running, run.restarts), ("containerd://b", false, 2));
    let new = pod(json!({
        "name": "api", "image": "api", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ContainerCreating"}},
    }));
    assert_eq!(instance(&new, "api"), None);
    assert!(!is_named(&new, "api") && is_named(&new, "debugger"));
}
