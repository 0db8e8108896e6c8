//! How arguments become options, and what the environment says.

use std::path::PathBuf;

use clap::CommandFactory as _;

use super::environment::Environment;
use super::*;

fn parsed(arguments: &str) -> Cli {
    let words = std::iter::once("wharf").chain(arguments.split_whitespace());
    Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{arguments}: {error}"))
}

fn options(arguments: &str) -> LoopOptions {
    let cli = parsed(arguments);
    cli.command.loop_options(&cli.global).expect("a command of the loop")
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_is_in_the_help_and_tells_examples() {
    let shown: Vec<&str> = SECTIONS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    for subcommand in Cli::command().get_subcommands() {
        let name = subcommand.get_name();
        if subcommand.is_hide_set() {
            continue;
        }
        assert!(shown.contains(&name), "`{name}` is in no section of the help");
        assert!(subcommand.get_about().is_some(), "`{name}` says nothing about itself");
        let needs_no_example = name == "version";
        assert!(needs_no_example || subcommand.get_after_help().is_some(), "`{name}`");
    }
    assert_eq!(shown.len(), Cli::command().get_subcommands().filter(|c| !c.is_hide_set()).count());
}

#[test]
fn defaults_are_those_of_the_command() {
    let dev = options("dev");
    assert!(dev.cleanup && dev.tail && dev.port_forward && dev.wait && dev.stays());
    let run = options("run");
    assert!(!run.cleanup && !run.tail && !run.port_forward && run.wait && !run.stays());
    assert!(options("run --tail").stays());
    assert!(!options("build").stays());
}

#[test]
fn flags_reach_the_options() {
    let dev = options("dev api web --cleanup=false --keep-data --poll --tail=false --no-cache");
    assert_eq!(dev.names, ["api", "web"]);
    assert!(!dev.cleanup && dev.keep_data && dev.poll && !dev.tail && dev.no_cache);
    assert!(options("dev --cleanup").cleanup);
    assert!(!options("run --wait=false").wait);
    let build = options("build --platform linux/arm64 --file-output out.json");
    assert_eq!(build.platform.unwrap().to_string(), "linux/arm64");
    assert_eq!(build.file_output, Some(PathBuf::from("out.json")));
    assert_eq!(options("deploy --images x.json").images, ["x.json"]);
    assert_eq!(options("dev --record r.jsonl").record, Some(PathBuf::from("r.jsonl")));
}

#[test]
fn global_flags_may_stand_before_or_behind_the_command() {
    for arguments in ["-f a.yaml -p ci -p eu -n dev dev", "dev -f a.yaml -p ci -p eu -n dev"] {
        let dev = options(arguments);
        assert_eq!(dev.file, Some(PathBuf::from("a.yaml")), "{arguments}");
        assert_eq!(dev.profiles, ["ci", "eu"], "{arguments}");
        assert_eq!(dev.namespace.unwrap().as_str(), "dev", "{arguments}");
    }
}

#[test]
fn f_of_logs_means_follow_and_the_file_still_has_its_long_flag() {
    for arguments in ["-f a.yaml logs -f api", "logs --file a.yaml -f api"] {
        let cli = parsed(arguments);
        assert_eq!(cli.global.file, Some(PathBuf::from("a.yaml")), "{arguments}");
        let Command::Logs(logs) = cli.command else { panic!("{arguments}") };
        assert!(logs.request().follow);
        assert_eq!(logs.request().names, ["api"]);
    }
}

#[test]
fn folders_follow_the_xdg_specification() {
    let paths = |variables: &[(&str, &str)]| {
        let paths = Environment::of(variables).paths().unwrap();
        let text = |path: PathBuf| path.display().to_string();
        [text(paths.state), text(paths.cache), text(paths.runtime)]
    };
    assert_eq!(
        paths(&[("HOME", "/home/me")]),
        ["/home/me/.local/state/wharf", "/home/me/.cache/wharf", "/home/me/.local/state/wharf/run"]
    );
    assert_eq!(
        paths(&[
            ("HOME", "/home/me"),
            ("XDG_STATE_HOME", "/state"),
            ("XDG_CACHE_HOME", "relative"),
            ("XDG_RUNTIME_DIR", "/tmp"),
        ]),
        ["/state/wharf", "/home/me/.cache/wharf", "/tmp/wharf"]
    );
}

#[test]
fn the_environment_s_wishes_about_output_are_read() {
    let wishes = |variables: &[(&str, &str)]| Environment::of(variables).wishes();
    assert!(wishes(&[("NO_COLOR", "1")]).no_colour);
    assert!(!wishes(&[("NO_COLOR", "")]).no_colour);
    assert!(wishes(&[("CLICOLOR", "0")]).clicolour_off);
    assert!(!wishes(&[("CLICOLOR_FORCE", "0")]).clicolour_force);
    assert!(wishes(&[("TERM", "dumb")]).dumb);
}
