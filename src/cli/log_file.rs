//! The developers' own log: to a file always, and with `-v` through `ui`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::report::{Report, Reporter};

/// A log that has grown beyond this becomes `wharf.log.1`, in place of the one before.
const LARGEST_BYTES: u64 = 4_000_000;

/// As long as this lives, the log goes to `ui` too. The subscriber itself lives as long as the
/// process, and must not keep the reporter: `ui` ends when the last reporter is gone.
pub(super) struct Told(Arc<Mutex<Option<Reporter>>>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Sends the log to `state/wharf.log` and, as `verbose` asks, to `reporter`.
pub(super) fn start(state: &Path, verbose: u8, reporter: &Reporter) -> Told {
    let shared = Arc::new(Mutex::new(Some(reporter.clone())));
    // Without a log file everything else works: a read-only state folder is told elsewhere.
    let file = open(state).ok().map(|file| {
        tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(Mutex::new(file))
            .with_filter(targets(Level::DEBUG, LevelFilter::INFO))
    });
    let filter = match verbose {
        0 => None,
        1 => Some(targets(Level::INFO, LevelFilter::WARN)),
        2 => Some(targets(Level::DEBUG, LevelFilter::INFO)),
        _ => Some(targets(Level::TRACE, LevelFilter::DEBUG)),
    };
    let told = filter.map(|filter| {
        tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .without_time()
            .with_writer(Teller(Arc::clone(&shared)))
            .with_filter(filter)
    });
    // Fails only where a subscriber is set already, which tests do.
    let _ = tracing_subscriber::registry().with(file).with(told).try_init();
    Told(shared)
}

fn targets(own: Level, others: LevelFilter) -> Targets {
    Targets::new().with_target("wharf", own).with_default(others)
}

fn open(state: &Path) -> io::Result<File> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state)?;
    let path = state.join("wharf.log");
    if path.metadata().is_ok_and(|meta| meta.len() > LARGEST_BYTES) {
        std::fs::rename(&path, state.join("wharf.log.1"))?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// Makes reports of lines. One event is one write.
struct Teller(Arc<Mutex<Option<Reporter>>>);

impl<'a> MakeWriter<'a> for Teller {
    type Writer = &'a Self;
    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Write for &Teller {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(reporter) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
            reporter.tell(Report::Trace { text });
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
