//! Real children: `sh` is everywhere.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::*;

fn tools() -> Tools {
    let path = OsString::from("/usr/bin:/bin");
    Tools::new(BTreeMap::from([(OsString::from("PATH"), path)]))
}

fn sh(script: &str) -> ToolCommand {
    tools().command("sh").arg("-c").arg(script)
}

#[tokio::test]
async fn output_and_stdin_pass_through() {
    let output = sh("cat; echo remark >&2").stdin("hello").run().await.unwrap();
    assert_eq!(output.text(), "hello");
    assert_eq!(output.stderr_tail, ["remark"]);
}

#[tokio::test]
async fn a_failure_shows_the_command_and_its_last_lines() {
    let error = sh("echo it broke >&2; exit 3").run().await.unwrap_err();
    assert_eq!(error.to_string(), "`sh -c 'echo it broke >&2; exit 3'` ended with status 3");
    assert_eq!(error.output_tail(), ["it broke"]);
    assert_eq!(error.code(), Some(3));
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let error = tools().command("no-such-program").run().await.unwrap_err();
    assert_eq!(error.to_string(), "`no-such-program` is not on the PATH");
}

#[tokio::test]
async fn cancelling_ends_grandchildren_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let cancel = CancellationToken::new();
    let run =
        sh(&format!("sleep 1000 & echo $! > {}; wait", file.display())).cancelled_by(&cancel).run();
    let watch = async {
        loop {
            if let Ok(text) = std::fs::read_to_string(&file)
                && let Ok(pid) = text.trim().parse::<i32>()
            {
                cancel.cancel();
                return pid;
            }
            tokio::task::yield_now().await;
        }
    };
    let (result, pid) = tokio::join!(run, watch);
    assert!(matches!(result, Err(ToolError::Cancelled { .. })));
    let gone = async {
        while is_alive(pid) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the grandchild ends");
}

#[tokio::test]
async fn a_time_limit_ends_it() {
    let error = sh("sleep 1000").time_limit(Duration::from_millis(50)).run().await.unwrap_err();
    assert!(matches!(error, ToolError::TimedOut { .. }));
}

/// A zombie (reparented and not reaped yet) counts as dead.
fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')))
}
