//! Flags and commands as people and their scripts know them from Skaffold, in wharf's own words.
//!
//! Only what wharf does not have itself is reworded, before clap sees it: a flag with the same
//! meaning takes its place, one that has no use here is left out, and one that cannot be carried
//! out is answered by a sentence that knows it.

use std::ffi::OsString;

use crate::report::Failure;

/// The command line in wharf's words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reworded {
    pub(super) args: Vec<OsString>,
    /// Variables as if they had been set.
    pub(super) variables: Vec<(String, String)>,
    /// What a person should know.
    pub(super) remarks: Vec<String>,
    /// Flags that mean something, or are rightly passed over, for a configuration of Skaffold's
    /// alone.
    pub(super) theirs: Vec<&'static str>,
}

/// What stands behind a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Nothing, or `=true` and `=false`.
    Switch,
    /// A value, behind `=` or as the next word.
    Value,
    /// Perhaps a value, behind `=` only.
    Perhaps,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    /// Another flag with the same value.
    Flag(&'static str),
    /// One word where it is on, another where it is off; nothing where that is empty.
    Words(&'static str, &'static str),
    Variable(&'static str),
    /// A name of what to work on.
    Name,
    /// Wharf does the same or better without it.
    Nothing,
    /// It works without; the sentence says what wharf does.
    Told(&'static str),
    Refused(&'static str),
}

use Becomes::{Flag, Name, Nothing, Refused, Told, Variable, Words};
use Takes::{Perhaps, Switch, Value};

/// Commands that Skaffold has too.
const COMMANDS: &[&str] = &[
    "dev", "run", "build", "deploy", "render", "apply", "delete", "config", "test", "verify",
    "exec",
];

/// Skaffold's commands that wharf has by another name, or not.
const OTHER_COMMANDS: &[(&str, Result<&str, &str>)] = &[
    ("diagnose", Ok("config")),
    ("debug", Ok("dev")),
    ("fix", Err("any version is read as it is; `wharf init` writes the same as a `wharf.yaml`")),
    ("inspect", Err("`wharf config --json` says what the configuration amounts to")),
    ("filter", Err("it is Skaffold's own post-renderer; wharf brings its own")),
    ("generate-pipeline", Err("wharf writes no pipelines; `wharf run` works in any")),
    ("lint", Err("`wharf config` says what is wrong with a configuration")),
    ("survey", Err("wharf asks nobody anything")),
    ("credits", Err("see the LICENSE file")),
    ("options", Err("`wharf COMMAND --help` lists all flags")),
    ("find-configs", Err("wharf reads the configuration in the folder, or the one named by `-f`")),
];

/// Long name, short name, what stands behind it, what becomes of it.
const FLAGS: &[(&str, &str, Takes, Becomes)] = &[
    ("--filename", "", Value, Flag("--file")),
    ("--kube-context", "", Value, Flag("--context")),
    ("--kubeconfig", "", Value, Variable("KUBECONFIG")),
    ("--default-repo", "-d", Value, Variable("SKAFFOLD_DEFAULT_REPO")),
    ("--tag", "-t", Value, Variable("SKAFFOLD_TAG")),
    ("--build-image", "-b", Value, Name),
    ("--watch-image", "-w", Value, Name),
    ("--build-artifacts", "-a", Value, Flag("--images")),
    ("--status-check", "", Switch, Words("--wait=true", "--wait=false")),
    ("--cache-artifacts", "", Switch, Words("", "--no-cache")),
    ("--remote-cache-dir", "", Value, Variable("SKAFFOLD_REMOTE_CACHE_DIR")),
    ("--sync-remote-cache", "", Value, Variable("SKAFFOLD_SYNC_REMOTE_CACHE")),
    ("--profile-auto-activation", "", Switch, Variable("SKAFFOLD_PROFILE_AUTO_ACTIVATION")),
    ("--propagate-profiles", "", Switch, Variable("SKAFFOLD_PROPAGATE_PROFILES")),
    ("--no-prune", "", Switch, Nothing),
    ("--no-prune-children", "", Switch, Nothing),
    ("--mute-logs", "", Value, Nothing),
    ("--build-concurrency", "", Value, Nothing),
    ("--cache-file", "", Value, Nothing),
    ("--config", "-c", Value, Nothing),
    ("--assume-yes", "", Switch, Nothing),
    ("--auto-create-config", "", Switch, Nothing),
    ("--interactive", "", Switch, Nothing),
    ("--timestamps", "", Switch, Nothing),
    ("--update-check", "", Switch, Nothing),
    ("--detect-minikube", "", Switch, Nothing),
    // It is no permission, as `--context` is.
    ("--minikube-profile", "", Value, Told("name its context instead: `--context NAME`")),
    (
        "--enable-rpc",
        "",
        Switch,
        Told("there is no port to control wharf by; `--json` reports everything"),
    ),
    (
        "--rpc-port",
        "",
        Value,
        Told("there is no port to control wharf by; `--json` reports everything"),
    ),
    (
        "--rpc-http-port",
        "",
        Value,
        Told("there is no port to control wharf by; `--json` reports everything"),
    ),
    ("--event-log-file", "", Value, Flag("--record")),
    ("--iterative-status-check", "", Switch, Nothing),
    ("--fast-fail-status-check", "", Switch, Nothing),
    ("--tolerate-failures-until-deadline", "", Switch, Nothing),
    ("--wait-for-deletions", "", Switch, Nothing),
    ("--wait-for-deletions-delay", "", Value, Nothing),
    ("--wait-for-deletions-max", "", Value, Nothing),
    ("--wait-for-connection", "", Switch, Nothing),
    ("--enable-platform-node-affinity", "", Switch, Nothing),
    ("--check-cluster-node-platforms", "", Switch, Nothing),
    ("--disable-multi-platform-build", "", Switch, Nothing),
    ("--skip-tests", "", Switch, Variable("SKAFFOLD_SKIP_TESTS")),
    ("--skip-render", "", Switch, Nothing),
    ("--skip-build-dependencies", "", Switch, Nothing),
    (
        "--force",
        "",
        Switch,
        Told("what cannot be changed in place is not replaced by force: delete it first"),
    ),
    ("--keep-running-on-failure", "", Switch, Nothing),
    ("--watch-poll-interval", "-i", Value, Nothing),
    ("--auto-build", "", Switch, Words("", "--manual")),
    ("--auto-deploy", "", Switch, Words("", "--manual")),
    ("--auto-sync", "", Switch, Nothing),
    ("--toot", "", Switch, Nothing),
    ("--load-images", "", Switch, Nothing),
    ("--label", "-l", Value, Told("objects get no further labels")),
    ("--hydration-dir", "", Value, Nothing),
    (
        "--insecure-registry",
        "",
        Value,
        Told("a registry without TLS is named in the file: `insecureRegistries`"),
    ),
    ("--push", "", Switch, Told("images are pushed where there is a registry: `--default-repo`")),
    (
        "--resource-selector-rules-file",
        "",
        Value,
        Variable("SKAFFOLD_RESOURCE_SELECTOR_RULES_FILE"),
    ),
    ("--status-check-selectors", "", Value, Nothing),
    ("--loud", "", Switch, Nothing),
    ("--digest-source", "", Value, Variable("SKAFFOLD_DIGEST_SOURCE")),
    ("--set", "", Value, Variable("SKAFFOLD_SET")),
    ("--set-value-file", "", Value, Variable("SKAFFOLD_SET_VALUE_FILE")),
    ("--yaml-only", "", Switch, Nothing),
    ("--enable-templating", "", Switch, Nothing),
    ("--protocols", "", Value, Nothing),
    ("--compose-file", "", Value, Refused("wharf reads no Compose files")),
];

/// What does in a `wharf.yaml` what these do for Skaffold's configuration.
const OWN_WAYS: &[(&str, &str)] = &[
    ("--auto-create-config", "`wharf init` writes a configuration"),
    ("--auto-sync", "a file that changed is built anew; `--manual` waits for a key"),
    ("--build-concurrency", "as many builds run at once as the machine has cores"),
    ("--cache-file", "the cache lies in XDG_STATE_HOME"),
    ("--config", "wharf has no settings of its own beside the project's; `-f FILE` names that"),
    ("--default-repo", "name a `registry` in the configuration"),
    ("--disable-multi-platform-build", "`--platform`, or `images.NAME.platform`"),
    ("--event-log-file", "`--json` reports everything on stdout"),
    ("--fast-fail-status-check", "what no time can mend ends the wait at once"),
    ("--hydration-dir", "`wharf render -o FILE` writes the manifests"),
    ("--load-images", "images are loaded unless there is a `registry` in the configuration"),
    ("--mute-logs", "`logs: false`, or `logs.exclude`, in the configuration; `-q`"),
    ("--profile-auto-activation", "`-p NAME` chooses profiles, and nothing else does"),
    ("--propagate-profiles", "`-p NAME` chooses profiles, and nothing else does"),
    ("--set", "`releases.NAME.set`, or `manifests.NAME.setters`, in the configuration"),
    ("--set-value-file", "`releases.NAME.values` in the configuration"),
    ("--skip-tests", "there are no tests in a `wharf.yaml`"),
    ("--status-check", "`wait: false` of a release in the configuration"),
    ("--tag", "`images.NAME.tag` in the configuration"),
    ("--watch-poll-interval", "`--poll` looks at files from time to time"),
];

/// The answer to flags that only a configuration of Skaffold's knows, where there is none.
pub(super) fn foreign(flags: &[&'static str]) -> Failure {
    let names: Vec<String> = flags.iter().map(|flag| format!("`{flag}`")).collect();
    let verb = if flags.len() == 1 { "is a flag" } else { "are flags" };
    let what = format!("{} {verb} for a `skaffold.yaml`, and there is none", names.join(", "));
    let failure = Failure::request("wharf::cli::skaffold_flag", what);
    flags.iter().fold(failure, |failure, flag| {
        match OWN_WAYS.iter().find(|(name, _)| name == flag) {
            Some((_, way)) => failure.help(format!("instead of `{flag}`: {way}")),
            None => failure.help(format!("leave out `{flag}`")),
        }
    })
}

/// Levels of `-v LEVEL`, and how much wharf says then.
const LEVELS: &[(&str, &str)] = &[
    ("panic", ""),
    ("fatal", ""),
    ("error", ""),
    ("warn", ""),
    ("warning", ""),
    ("info", "-v"),
    ("debug", "-vv"),
    ("trace", "-vv"),
];

/// Brings a command line into wharf's words.
///
/// # Errors
///
/// The sentence that answers a command or flag that wharf has no counterpart for.
pub(super) fn reworded(args: impl IntoIterator<Item = OsString>) -> Result<Reworded, String> {
    let mut out = Reworded::default();
    let args: Vec<OsString> = args.into_iter().collect();
    refuse_loose_switches(&args)?;
    let mut args = args.into_iter().peekable();
    out.args.extend(args.next());
    let mut command: Option<String> = None;
    while let Some(arg) = args.next() {
        let Some(text) = arg.to_str().map(str::to_owned) else {
            out.args.push(arg);
            continue;
        };
        if text == "--" {
            out.args.push(arg);
            out.args.extend(args);
            break;
        }
        if command.is_none() && !text.starts_with('-') {
            if let Some((_, other)) = OTHER_COMMANDS.iter().find(|(name, _)| *name == text) {
                let own = other.map_err(|why| format!("wharf has no command `{text}`: {why}"))?;
                if text == "debug" {
                    let remark = "no debugger is attached: the images run as they are built";
                    out.remarks.push(remark.to_owned());
                }
                command = Some(own.to_owned());
                out.args.push(own.into());
                continue;
            }
            // The value of a flag before the command is no command.
            let is_known = COMMANDS.contains(&text.as_str());
            command = is_known.then(|| text.clone());
            out.args.push(arg);
            continue;
        }
        if let Some(word) = level(&text, args.peek().and_then(|next| next.to_str())) {
            if !text.contains('=') && text.len() <= "--verbosity".len() && !is_glued(&text) {
                args.next();
            }
            out.args.extend((!word.is_empty()).then(|| word.into()));
            continue;
        }
        let is_there = command.is_some();
        match entry(&text, command.as_deref()).filter(|_| is_there) {
            None => out.args.push(arg),
            Some(((long, _, takes, becomes), glued)) => {
                let value = match takes {
                    Value if glued.is_none() => {
                        args.next().map(|v| v.to_string_lossy().into_owned())
                    }
                    Value | Switch | Perhaps => glued,
                };
                put(&mut out, long, becomes, value, command.as_deref())?;
            }
        }
    }
    out.args.dedup_by(|one, other| one == other && *one == "--manual");
    Ok(out)
}

/// `--cleanup false` would mean the name `false`.
fn refuse_loose_switches(args: &[OsString]) -> Result<(), String> {
    for pair in args.windows(2) {
        let [Some(flag), Some(value)] = [pair[0].to_str(), pair[1].to_str()] else { continue };
        if flag == "--" {
            break;
        }
        if SWITCHES.contains(&flag) && matches!(value, "true" | "false") {
            return Err(format!("`{flag} {value}` is written with `=`: `{flag}={value}`"));
        }
    }
    Ok(())
}

/// Wharf's own flags that are `true` or `false`.
const SWITCHES: &[&str] = &["--cleanup", "--tail", "--port-forward", "--wait"];

type Entry = (&'static str, &'static str, Takes, Becomes);

/// The table's line for `text`, and the value that is glued to it.
fn entry(text: &str, command: Option<&str>) -> Option<(Entry, Option<String>)> {
    let special: &[Entry] = match command {
        Some("dev" | "run" | "deploy") => &[
            ("--trigger", "", Value, Words("", "")),
            // Skaffold's modes: `--port-forward=user,services`.
            ("--port-forward", "", Perhaps, Words("--port-forward", "--port-forward=false")),
        ],
        _ => &[],
    };
    // `-i` is another flag where images are named.
    let is_images =
        matches!(command, Some("deploy" | "render" | "apply" | "test" | "verify" | "exec"));
    let mut all = special.iter().chain(FLAGS);
    let (name, glued) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    if name.starts_with("--") {
        return all.find(|(long, ..)| *long == name).map(|entry| (*entry, glued));
    }
    let is_own = |short: &str| short == "-i" && is_images || short == "-a";
    let short = text.get(..2).filter(|short| short.starts_with('-'))?;
    let entry = all.find(|(_, other, ..)| *other == short && !is_own(short))?;
    let rest = text[2..].trim_start_matches('=');
    Some((*entry, (!rest.is_empty()).then(|| rest.to_owned())))
}

fn put(
    out: &mut Reworded,
    long: &'static str,
    becomes: Becomes,
    value: Option<String>,
    command: Option<&str>,
) -> Result<(), String> {
    let is_on = !matches!(value.as_deref(), Some("false" | "off" | "0"));
    if long == "--trigger" {
        match value.as_deref() {
            Some("polling") => out.args.push("--poll".into()),
            Some("manual") => out.args.push("--manual".into()),
            _ => {}
        }
        return Ok(());
    }
    if long == "--port-forward" {
        return port_forward(out, value.as_deref().unwrap_or("true"));
    }
    if long == "--digest-source" {
        match value.as_deref() {
            Some("none" | "local") => {}
            Some("remote" | "tag") => out.remarks.push(
                "`--digest-source`: images are named by what they hold, by their digest once they \
                 are pushed; `-i NAME=IMAGE` names another"
                    .to_owned(),
            ),
            _ => return Err("`--digest-source` is `remote`, `local`, `tag` or `none`".to_owned()),
        }
    }
    let waits = matches!(command, Some("run" | "deploy" | "apply"));
    let records = matches!(command, Some("dev" | "run" | "build" | "deploy"));
    let is_theirs = match becomes {
        Nothing => true,
        Variable(name) => name != "KUBECONFIG",
        Flag("--record") => !records,
        Words(..) => long == "--status-check" && !waits && !is_on,
        Flag(_) | Name | Told(_) | Refused(_) => false,
    };
    if is_theirs && !out.theirs.contains(&long) {
        out.theirs.push(long);
    }
    match becomes {
        // `dev` always looks whether things become ready.
        Words(on, off) if long != "--status-check" || waits => {
            let word = if is_on { on } else { off };
            out.args.extend((!word.is_empty()).then(|| word.into()));
        }
        Words(..) | Nothing => {}
        Flag("--record") if !records => {}
        Flag(flag) => {
            out.args.push(flag.into());
            out.args.extend(value.map(Into::into));
        }
        // Each one adds to those before.
        Variable(name @ "SKAFFOLD_SET") => {
            let earlier = out.variables.iter().position(|(other, _)| other == name);
            let earlier = earlier.map(|index| out.variables.remove(index).1);
            let all = earlier.into_iter().chain(value).collect::<Vec<_>>().join("\n");
            out.variables.push((name.to_owned(), all));
        }
        Variable(name) => {
            out.variables.push((name.to_owned(), value.unwrap_or_else(|| "true".to_owned())));
        }
        Name => {
            let names = value.unwrap_or_default();
            out.args.extend(names.split(',').filter(|name| !name.is_empty()).map(Into::into));
        }
        Told(instead) => {
            if is_on {
                out.remarks.push(format!("`{long}`: {instead}"));
            }
        }
        Refused(why) => {
            if is_on {
                return Err(format!("wharf does not have `{long}`: {why}"));
            }
        }
    }
    Ok(())
}

/// `--port-forward=user,services`: ports that are named, and those of services besides.
fn port_forward(out: &mut Reworded, modes: &str) -> Result<(), String> {
    let modes: Vec<&str> = modes.split(',').map(str::trim).collect();
    let known = ["true", "1", "user", "services", "debug", "pods", "off", "false", "0"];
    if let Some(other) = modes.iter().find(|mode| !known.contains(mode)) {
        return Err(format!(
            "`--port-forward={other}`: the modes are `user`, `services`, `pods`, `debug` and `off`"
        ));
    }
    if modes.iter().any(|mode| matches!(*mode, "off" | "false" | "0")) {
        out.args.push("--port-forward=false".into());
        return Ok(());
    }
    out.args.push("--port-forward".into());
    if modes.iter().any(|mode| matches!(*mode, "pods" | "debug")) {
        let remark = "`--port-forward`: ports of pods are opened where `portForward` names them";
        out.remarks.push(remark.to_owned());
    }
    let modes = modes.iter().map(|mode| if *mode == "1" { "true" } else { mode });
    let modes = modes.collect::<Vec<_>>().join(",");
    out.variables.push(("SKAFFOLD_PORT_FORWARD".to_owned(), modes));
    Ok(())
}

/// Whether a level stands behind `-v` without a space.
fn is_glued(text: &str) -> bool {
    text.starts_with("-v") && text.len() > 2 && !text.starts_with("--")
}

/// What wharf calls Skaffold's `-v LEVEL` and `--verbosity LEVEL`; absent where it is not that.
fn level(text: &str, next: Option<&str>) -> Option<&'static str> {
    let known = |name: &str| LEVELS.iter().find(|(level, _)| *level == name).map(|(_, word)| *word);
    match text {
        "-v" | "--verbosity" => known(next?),
        _ => known(text.strip_prefix("--verbosity=").or_else(|| text.strip_prefix("-v"))?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> Result<Reworded, String> {
        reworded(line.split(' ').map(OsString::from))
    }

    fn own(line: &str) -> String {
        let args = said(line).unwrap().args;
        args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn flags_of_scripts_become_wharfs() {
        for (theirs, ours) in [
            ("wharf dev --kube-context kind-x -p a -n ns", "wharf dev --context kind-x -p a -n ns"),
            (
                "wharf run --filename=x.yaml --status-check=false",
                "wharf run --file x.yaml --wait=false",
            ),
            ("wharf dev --status-check=false", "wharf dev"),
            ("wharf run -v debug", "wharf run -vv"),
            ("wharf run -vinfo", "wharf run -v"),
            ("wharf run -v", "wharf run -v"),
            ("wharf run -v api", "wharf run -v api"),
            ("wharf run --verbosity=warn --verbosity info", "wharf run -v"),
            ("wharf dev --trigger polling -i 500", "wharf dev --poll"),
            ("wharf dev --auto-build=false --auto-deploy=false", "wharf dev --manual"),
            ("wharf dev --port-forward=user,services", "wharf dev --port-forward"),
            ("wharf dev --port-forward=off", "wharf dev --port-forward=false"),
            ("wharf build -b api,web --cache-artifacts=false", "wharf build api web --no-cache"),
            ("wharf deploy --build-artifacts=x.json", "wharf deploy --images x.json"),
            ("wharf deploy -a x.json -i api=api:1", "wharf deploy -a x.json -i api=api:1"),
            ("wharf diagnose --yaml-only", "wharf config"),
            ("wharf run -- -d x", "wharf run -- -d x"),
            ("wharf logs -f", "wharf logs -f"),
        ] {
            assert_eq!(own(theirs), ours, "{theirs}");
        }
    }

    #[test]
    fn settings_become_variables() {
        let said = said("wharf build -d localhost:5000 --tag=v1 --kubeconfig k").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [
            pair("SKAFFOLD_DEFAULT_REPO", "localhost:5000"),
            pair("SKAFFOLD_TAG", "v1"),
            pair("KUBECONFIG", "k"),
        ];
        assert_eq!(said.variables, expected);
        let of = |line: &str| super::tests::said(line).unwrap();
        let forward = of("wharf dev --port-forward=user,services");
        assert_eq!(forward.variables, [pair("SKAFFOLD_PORT_FORWARD", "user,services")]);
        assert_eq!(
            of("wharf run --port-forward").variables,
            [pair("SKAFFOLD_PORT_FORWARD", "true")]
        );
        assert_eq!(of("wharf run --port-forward=off").variables, []);
        let none = of("wharf render --digest-source none");
        assert_eq!(none.variables, [pair("SKAFFOLD_DIGEST_SOURCE", "none")]);
        assert!(of("wharf render --digest-source=tag").remarks[0].contains("by what they hold"));
        let set = super::tests::said("wharf render --set a=b --set c=[d,e]").unwrap();
        assert_eq!(set.variables, [pair("SKAFFOLD_SET", "a=b\nc=[d,e]")]);
        assert_eq!(said.args.len(), 2);
    }

    #[test]
    fn flags_that_only_their_configuration_knows_are_remembered() {
        let theirs = |line: &str| said(line).unwrap().theirs;
        assert_eq!(
            theirs("wharf run -d x --timestamps -t=v1 -d y -p a"),
            ["--default-repo", "--timestamps", "--tag",]
        );
        assert_eq!(theirs("wharf dev --status-check=false"), ["--status-check"]);
        let nothing =
            theirs("wharf run --kubeconfig k --status-check=false -b api --kube-context c");
        assert_eq!(nothing, [""; 0]);
        for (flag, _) in OWN_WAYS {
            assert!(FLAGS.iter().any(|(long, ..)| long == flag), "{flag}");
        }
    }

    #[test]
    fn a_profile_of_minikube_is_no_permission() {
        let said = said("wharf dev --minikube-profile prod").unwrap();
        assert_eq!(said.args, ["wharf", "dev"]);
        assert!(said.remarks[0].contains("`--context NAME`"), "{:?}", said.remarks);
    }

    #[test]
    fn what_has_no_counterpart_is_answered() {
        assert!(said("wharf fix").unwrap_err().contains("any version is read as it is"));
        assert!(said("wharf dev --port-forward=all").unwrap_err().contains("the modes are"));
        assert!(said("wharf render --digest-source=x").unwrap_err().contains("`remote`, `local`"));
        assert!(said("wharf run --compose-file x").unwrap_err().contains("no Compose files"));
        assert!(said("wharf dev --cleanup false").unwrap_err().contains("`--cleanup=false`"));
        assert_eq!(own("wharf run -- --tail false"), "wharf run -- --tail false");
        assert!(said("wharf dev --enable-rpc").unwrap().remarks[0].contains("`--json` reports"));
        assert_eq!(own("wharf --help"), "wharf --help");
    }
}
