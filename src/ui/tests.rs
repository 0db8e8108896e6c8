//! What a person and a program see of each report.

use std::time::Duration;

use insta::assert_snapshot;
use tokio_util::sync::CancellationToken;

use super::clean::{Colours, clean};
use super::screen::Screen;
use super::show::Show;
use super::*;
use crate::model::{ArtifactName, ImageRef, Leftover, ReleaseName, WorkloadKind, WorkloadRef};
use crate::report::{
    ArtifactNews, Check, CheckState, Failure, ForwardNews, LogLine, ReleaseNews, Report,
};

mod documented;
mod sample;

use sample::*;

/// What stands on stdout and stderr after `reports`, one second apart.
fn shown(form: Form, verbose: u8, reports: &[Report]) -> String {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut show = Show::new(
        Screen::new(&mut stdout, &mut stderr, false, false),
        UiOptions { verbose, ..options(form) },
    )
    .in_window(|| (100, 24));
    for (second, report) in reports.iter().enumerate() {
        let now = Duration::from_secs(second as u64);
        show.take(report, now);
        show.draw(now);
    }
    show.end();
    drop(show);
    let stdout = String::from_utf8(stdout).unwrap();
    let stderr = screen(&String::from_utf8(stderr).unwrap());
    if stdout.is_empty() { stderr } else { format!("{stderr}stdout:\n{stdout}") }
}

fn options(form: Form) -> UiOptions {
    UiOptions {
        form,
        colour_stdout: false,
        colour_stderr: false,
        quiet: false,
        verbose: 0,
        takes_back: true,
        keys: form == Form::Terminal,
        manual: false,
        stdout_closed: CancellationToken::new(),
    }
}

/// What a terminal shows of `text`: "up N lines, clear to the end" takes lines away again.
fn screen(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        let mut line = line;
        while let Some(rest) = line.strip_prefix("\x1b[") {
            let (count, rest) = rest.split_once("A\r\x1b[J").expect("only this sequence is used");
            lines.truncate(lines.len() - count.parse::<usize>().unwrap());
            line = rest;
        }
        if !line.is_empty() {
            lines.push(line.to_owned());
        }
    }
    lines.concat()
}

/// What a terminal shows while the last of `reports` is the latest news.
fn meanwhile(reports: &[Report]) -> String {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut show =
        Show::new(Screen::new(&mut stdout, &mut stderr, false, false), options(Form::Terminal))
            .in_window(|| (80, 24));
    for report in reports {
        show.take(report, Duration::ZERO);
        show.draw(Duration::from_millis(3400));
    }
    drop(show);
    screen(&String::from_utf8(stderr).unwrap())
}

#[test]
fn the_start_of_dev_on_a_terminal() {
    assert_snapshot!(shown(Form::Terminal, 0, &start()), @r#"
    shop on kind-dev, namespace shop: 3 images, 2 releases (wharf.yaml)
    web     built      1.9s   web:77aa01c2d3e4f506   loaded 0.31s, 31 MB of 212 MB
    base    built      3.1s   base:9c01b7de44103f2a
    shop    deployed   1.2s   revision 8   (migrate hook 0.60s)   settled 2.3s
    web     forwarded         http://127.0.0.1:8080
    api     forwarded         127.0.0.1:19000
    done in 7.42s; unchanged: 1 image, 1 release
    watching 1,214 files; ctrl+c stops and takes everything back; ? shows keys
    "#);
}

#[test]
fn the_start_of_dev_in_a_log() {
    assert_snapshot!(shown(Form::Plain, 0, &start()), @r#"
    shop on kind-dev, namespace shop: 3 images, 2 releases (wharf.yaml)
    base    building          first build
    web     waits for         `base`
    base    built      3.1s   base:9c01b7de44103f2a
    web     building          base image `base` changed
    web     built      1.9s   web:77aa01c2d3e4f506
    web     loaded     0.31s  31 MB of 212 MB
    shop    deploying         image `web` changed
    shop    hook              job/migrate running
    shop    hook              job/migrate succeeded 0.60s
    shop    deployed   1.2s   revision 8
    shop    settled    2.3s
    web     forwarded         http://127.0.0.1:8080
    api     forwarded         127.0.0.1:19000
    done in 7.42s; unchanged: 1 image, 1 release
    watching 1,214 files; ctrl+c stops and takes everything back
    "#);
}

#[test]
fn a_log_names_a_wait_once_it_lasts() {
    let waits = |text: &str| {
        let news = ReleaseNews::Settling { waits: vec![text.to_owned()] };
        Report::Release { name: ReleaseName::parse("shop").unwrap(), news }
    };
    let reports = [
        waits("deployment/web: pod web-1 is starting"),
        waits("deployment/web: pod web-1 waits for its readiness probe (dial 10.0.0.1: refused)"),
        waits("deployment/web: pod web-1 waits for its readiness probe (dial 10.0.0.2: refused)"),
        waits("deployment/web: pod web-1 waits for its readiness probe (dial 10.0.0.3: refused)"),
        waits("deployment/web: pod web-1 waits for its readiness probe (dial 10.0.0.4: refused)"),
        waits("deployment/web: waits for 1 old pods to go"),
    ];
    let line = "shop    settling          deployment/web: pod web-1 waits for its readiness probe (dial 10.0.0.3: refused)\n";
    assert_eq!(shown(Form::Plain, 0, &reports), line);
}

#[test]
fn a_log_tells_a_trouble_of_pods_once() {
    let release = |news| Report::Release { name: ReleaseName::parse("shop").unwrap(), news };
    let trouble = |pod: &str, mended| Report::Pod {
        workload: Some(WorkloadRef {
            kind: WorkloadKind::Deployment,
            namespace: crate::model::Namespace::parse("shop").unwrap(),
            name: "web".to_owned(),
        }),
        pod: pod.to_owned(),
        container: Some("web".to_owned()),
        what: "cannot start: couldn't find key ulr in ConfigMap shop/settings".to_owned(),
        last_lines: vec!["reading the settings".to_owned()],
        mended,
    };
    let wait = "deployment/web: pod web-1 cannot start `web`: couldn't find key ulr in ConfigMap shop/settings";
    let settling = || release(ReleaseNews::Settling { waits: vec![wait.to_owned()] });
    let what = "deployment/web: container `web` cannot start: couldn't find key ulr in ConfigMap shop/settings";
    let mut failure = Failure::work("wharf::observe::missing", what);
    failure.why = vec!["reading the settings".to_owned()];
    failure.help = vec!["add `ulr` to it".to_owned()];
    let failed = || release(ReleaseNews::Failed(failure.clone()));
    let deploying = || release(ReleaseNews::Deploying { why: "chart changed".to_owned() });
    let reports = [
        settling(),
        trouble("web-1", false),
        trouble("web-2", false),
        settling(),
        settling(),
        settling(),
        failed(),
        deploying(),
        failed(),
        trouble("web-3", false),
    ];
    assert_snapshot!(shown(Form::Plain, 0, &reports), @r"
    web     trouble: pod web-1, container web: cannot start: couldn't find key ulr in ConfigMap shop/settings
              reading the settings
    shop    failed: deployment/web: container `web` cannot start, as told above
            help: add `ulr` to it
            [wharf::observe::missing]
    shop    deploying         chart changed
    shop    failed: deployment/web: container `web` cannot start: couldn't find key ulr in ConfigMap shop/settings
              reading the settings
            help: add `ulr` to it
            [wharf::observe::missing]
    ");
}

#[test]
fn what_all_images_fail_of_is_told_once() {
    let mut failure = Failure::work("wharf::docker::unreachable", "cannot reach Docker");
    failure.help = vec!["start it".to_owned()];
    let failed = |name: &str| artifact(name, ArtifactNews::Failed(failure.clone()));
    let round = Report::Round {
        took: Duration::from_secs(1),
        live: None,
        ready: None,
        failed: 2,
        first: true,
    };
    let reports = [failed("api"), failed("web"), round, failed("web")];
    assert_snapshot!(shown(Form::Plain, 0, &reports), @r"
    api     failed: cannot reach Docker
            help: start it
            [wharf::docker::unreachable]
    web     failed: as `api`
            [wharf::docker::unreachable]
    2 failed, after 1.00s
    web     failed: cannot reach Docker
            help: start it
            [wharf::docker::unreachable]
    ");
}

#[test]
fn progress_is_shown_while_it_lasts() {
    assert_snapshot!(meanwhile(&in_progress()), @r#"
    shop on kind-dev, namespace shop: 3 images, 2 releases (wharf.yaml)
    base    built      3.1s   base:9c01b7de44103f2a
    web     building   3.4s   [2/5] RUN pip install -r requirements.txt
    db      settling   3.4s   statefulset/db: 0 of 1 ready
    shop    waits for         `db`
    "#);
}

#[test]
fn a_small_round_is_one_line_on_a_terminal() {
    assert_snapshot!(shown(Form::Terminal, 0, &small_round()), @r#"
    done in 1.00s
    web     cart.py: built, loaded, deployed   total 1.10s (live 0.62s, ready 1.10s)
    services/web/cart.py changed; nothing to do: what runs is up to date
    "#);
}

#[test]
fn a_line_that_is_too_long_for_the_terminal_leaves_the_sizes_out() {
    let narrow = |columns| {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let streams = Screen::new(&mut stdout, &mut stderr, false, false);
        let mut show = Show::new(streams, options(Form::Terminal)).in_window(columns);
        for report in &small_round()[..10] {
            show.take(report, Duration::ZERO);
            show.draw(Duration::ZERO);
        }
        drop(show);
        screen(&String::from_utf8(stderr).unwrap())
    };
    assert_snapshot!(narrow(|| (200, 24)), @r#"
    done in 1.00s
    web     services/web/cart.py: built 0.11s · loaded 0.08s, 12 KB of 212 MB · deployed 0.20s   total 1.10s (live 0.62s, ready 1.10s)
    "#);
    assert_snapshot!(narrow(|| (110, 24)), @r#"
    done in 1.00s
    web     cart.py: built 0.11s · loaded 0.08s · deployed 0.20s   total 1.10s (live 0.62s, ready 1.10s)
    "#);
    assert_snapshot!(narrow(|| (82, 24)), @r#"
    done in 1.00s
    web     cart.py: built, loaded, deployed   total 1.10s (live 0.62s, ready 1.10s)
    "#);
    assert_snapshot!(narrow(|| (60, 24)), @r#"
    done in 1.00s
    services/web/cart.py changed
    web     built      0.11s  web:88   loaded 0.08s
    shop    deployed   0.20s  revision 9   settled 0.84s
    total 1.10s (live 0.62s, ready 1.10s)
    "#);
}

#[test]
fn a_table_that_is_too_wide_for_the_terminal_leaves_the_sizes_out() {
    let narrow = |window| {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let streams = Screen::new(&mut stdout, &mut stderr, false, false);
        let mut show = Show::new(streams, options(Form::Terminal)).in_window(window);
        for report in &start() {
            show.take(report, Duration::ZERO);
            show.draw(Duration::ZERO);
        }
        drop(show);
        let text = screen(&String::from_utf8(stderr).unwrap());
        text.lines().find(|line| line.starts_with("web ")).unwrap().to_owned()
    };
    let whole = "web     built      1.9s   web:77aa01c2d3e4f506   loaded 0.31s, 31 MB of 212 MB";
    assert_eq!(narrow(|| (100, 24)), whole);
    assert_eq!(
        narrow(|| (72, 24)),
        "web     built      1.9s   web:77aa01c2d3e4f506   loaded 0.31s"
    );
}

#[test]
fn saves_that_wait_for_a_key_say_so() {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let streams = Screen::new(&mut stdout, &mut stderr, false, false);
    let manual = UiOptions { manual: true, ..options(Form::Terminal) };
    let mut show = Show::new(streams, manual);
    show.take(&Report::Watching { files: 32 }, Duration::ZERO);
    show.draw(Duration::ZERO);
    drop(show);
    let line = "watching 32 files; saves wait for r; ctrl+c takes everything back; ? shows keys";
    assert_eq!(screen(&String::from_utf8(stderr).unwrap()).trim_end(), line);
}

#[test]
fn what_a_narrower_terminal_has_wrapped_is_erased_too() {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut screen = Screen::new(&mut stdout, &mut stderr, false, false);
    let row = |text: &str| super::line::Line::new().and(text);
    screen.draw(vec![row(&"x".repeat(70)), row("short")], (80, 24));
    screen.fit(30);
    screen.draw(vec![], (30, 24));
    drop(screen);
    let text = String::from_utf8(stderr).unwrap();
    assert!(text.ends_with("short\n\x1b[4A\r\x1b[J"), "{text:?}");
}

#[test]
fn what_is_unchanged_is_counted_and_named_only_when_asked_for() {
    let unchanged = [start()[0].clone(), start()[2].clone(), start()[10].clone()];
    let live = release("db", ReleaseNews::Live { took: Duration::from_millis(20) });
    let reports = [&unchanged[..], &[live, small_round()[0].clone()]].concat();
    let [terminal, plain] = [Form::Terminal, Form::Plain].map(|form| shown(form, 0, &reports));
    assert_eq!(terminal, plain);
    assert_snapshot!(plain, @r#"
    shop on kind-dev, namespace shop: 3 images, 2 releases (wharf.yaml)
    done in 1.00s; unchanged: 1 image, 1 release
    "#);
    let [terminal, plain] = [Form::Terminal, Form::Plain].map(|form| shown(form, 1, &reports));
    assert_eq!(terminal, plain);
    assert_snapshot!(plain, @r#"
    shop on kind-dev, namespace shop: 3 images, 2 releases (wharf.yaml)
    api     unchanged         api:3f2a9c01b7de4410
    db      unchanged         revision 3
    done in 1.00s; unchanged: 1 image, 1 release
    "#);
}

#[test]
fn a_wait_for_the_start_is_over_when_it_has_begun() {
    let waits = Report::Waiting { name: "wharf".into(), why: "the cluster to answer".into() };
    let began = [waits.clone(), start()[0].clone()];
    assert_eq!(meanwhile(&[waits]), "wharf   waits for         the cluster to answer\n");
    assert!(!meanwhile(&began).contains("waits"), "{}", meanwhile(&began));
}

#[test]
fn names_that_were_asked_for_are_in_the_first_line() {
    let Report::Started { project, context, namespace, file, .. } = start()[0].clone() else {
        panic!("the first report is `started`");
    };
    let names = |asked_for: &[&str], releases| Report::Started {
        project: project.clone(),
        context: context.clone(),
        namespace: namespace.clone(),
        artifacts: 1,
        releases,
        artifact_names: vec![],
        release_names: vec![],
        asked_for: asked_for.iter().map(|&name| name.to_owned()).collect(),
        file: file.clone(),
    };
    assert_snapshot!(shown(Form::Plain, 0, &[names(&["api", "db"], 2), names(&[], 0)]), @r#"
    shop on kind-dev, namespace shop: api, db (wharf.yaml)
    shop on kind-dev, namespace shop: 1 image (wharf.yaml)
    "#);
}

#[test]
fn a_round_in_a_log_is_told_as_it_happens() {
    assert_snapshot!(shown(Form::Plain, 0, &small_round()), @r#"
    done in 1.00s
    services/web/cart.py changed
    web     building          services/web/cart.py changed
    web     built      0.11s  web:88
    web     loaded     0.08s  12 KB of 212 MB
    shop    deploying         image `web` changed
    shop    deployed   0.20s  revision 9
    shop    live       0.62s  service/web
    shop    settled    0.84s
    web     services/web/cart.py: built, loaded, deployed   total 1.10s (live 0.62s, ready 1.10s)
    services/web/cart.py changed
    nothing to do: what runs is up to date
    "#);
}

#[test]
fn a_larger_round_is_a_line_where_it_fits_and_a_table_where_not() {
    assert_snapshot!(shown(Form::Terminal, 0, &large_round()), @r#"
    done in 1.00s
    a.py and 1,999 more: api, web built, loaded · shop deployed   total 12s (live 12s, ready 12s)
    "#);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let streams = Screen::new(&mut stdout, &mut stderr, false, false);
    let mut show = Show::new(streams, options(Form::Terminal)).in_window(|| (80, 24));
    for report in &large_round() {
        show.take(report, Duration::ZERO);
        show.draw(Duration::ZERO);
    }
    drop(show);
    assert_snapshot!(screen(&String::from_utf8(stderr).unwrap()), @r#"
    done in 1.00s
    a.py, b.py, c.py and 1,997 more changed
    api     built      0.50s  api:99   loaded 0.08s, 12 KB of 212 MB
    web     built      0.11s  web:88   loaded 0.08s, 12 KB of 212 MB
    shop    deployed   0.20s  revision 9   settled 0.84s
    total 12s (live 12s, ready 12s)
    "#);
}

#[test]
fn a_failed_build_says_what_is_still_live() {
    assert_snapshot!(shown(Form::Terminal, 0, &failed_round()), @r#"
    api     loaded     0.08s  12 KB of 212 MB
    done in 1.00s
    services/api/main.py changed
    api     failed: Dockerfile:7 `RUN pip install -r requirements.txt` exited with 1
              ERROR: No matching distribution found for flaks==3.0
            help: the full log: `wharf logs --build api`
            still live: api:3f2a9c01b7de4410
            [wharf::build::step_failed]
    1 failed, after 1.20s
    "#);
}

#[test]
fn troubles_are_told_with_their_reasons() {
    assert_snapshot!(shown(Form::Plain, 0, &troubles()), @r#"
    error: unknown key `contxt`
     --> wharf.yaml:3:5
      |
    3 |     contxt: services/api
      |     ^^^^^^
      help: did you mean `context`?
      [wharf::config::unknown_key]
    error: a task panicked
        index out of bounds
      help: this is a mistake of wharf's own; record it with `--record FILE` and report it
      [wharf::bug]
    shop    failed: the API server refused service `web`
              spec.ports[0].port: Invalid value: 99999
              must be between 1 and 65535
            [wharf::deploy::refused]
    shop    drifted           deployment/web was scaled to 0
    shop    rolled back       to revision 7
    web     failed: port 8080 is taken
              process 4711 (nginx) listens on it
            help: end it, or set `local:` of this forward to another port
            [wharf::observe::port_taken]
    worker  trouble: pod worker-7d9f-x2kqz, container worker: crashed with status 1, 3 restarts
              Traceback (most recent call last):
              KeyError: 'DB'
    worker  mended            pod worker-7d9f-x2kqz is well again
    wrote wharf.yaml
    warning: the limit of watches is reached; looking every 2 s instead
      help: sudo sysctl fs.inotify.max_user_watches=524288
    watching 1 file; ctrl+c stops and takes everything back
    "#);
}

#[test]
fn the_same_troubles_on_a_terminal() {
    assert_snapshot!(shown(Form::Terminal, 0, &troubles()), @r#"
    error: unknown key `contxt`
     --> wharf.yaml:3:5
      |
    3 |     contxt: services/api
      |     ^^^^^^
      help: did you mean `context`?
      [wharf::config::unknown_key]
    error: a task panicked
        index out of bounds
      help: this is a mistake of wharf's own; record it with `--record FILE` and report it
      [wharf::bug]
    shop    failed: the API server refused service `web`
              spec.ports[0].port: Invalid value: 99999
              must be between 1 and 65535
            [wharf::deploy::refused]
    shop    drifted           deployment/web was scaled to 0 (r sets it right)
    shop    rolled back       to revision 7
    web     failed: port 8080 is taken
              process 4711 (nginx) listens on it
            help: end it, or set `local:` of this forward to another port
            [wharf::observe::port_taken]
    worker  trouble: pod worker-7d9f-x2kqz, container worker: crashed with status 1, 3 restarts
              Traceback (most recent call last):
              KeyError: 'DB'
    worker  mended            pod worker-7d9f-x2kqz is well again
    wrote wharf.yaml
    warning: the limit of watches is reached; looking every 2 s instead
      help: sudo sysctl fs.inotify.max_user_watches=524288
    watching 1 file; ctrl+c stops and takes everything back; ? shows keys
    "#);
}

#[test]
fn leaving_tells_what_was_taken_back() {
    assert_snapshot!(shown(Form::Terminal, 0, &leaving(false)), @r#"
    stopping; ctrl+c again leaves at once
    uninstalled `shop`
    stopped in 1.3s; nothing left behind (kept: db, namespace shop)
    "#);
    assert_snapshot!(shown(Form::Plain, 0, &leaving(true)), @r#"
    api     building          services/api/main.py changed
    stopping; ctrl+c again leaves at once
    uninstalled `shop`
    stopped in 1.3s; 1 thing left behind (kept: db, namespace shop)
      release `shop` in namespace `dev`: no answer within 60 s
        remove it: helm uninstall shop -n dev
    "#);
}

#[test]
fn more_is_said_when_asked_for() {
    assert_snapshot!(shown(Form::Plain, 1, &verbose()), @r#"
    web     step              [2/5] RUN pip install   2.2s
    web     step              [1/5] FROM python:3.11-slim   cached
    README.md changed; nothing depends on it
    web     closed            service/web
    DEBUG wharf::docker: connected
    "#);
    assert_snapshot!(shown(Form::Plain, 0, &verbose()), @"DEBUG wharf::docker: connected");
}

#[test]
fn data_checks_and_logs_go_to_stdout() {
    assert_snapshot!(shown(Form::Plain, 0, &data()), @r#"
    stdout:
    web | 10.244.0.7 GET /cart 200
    web/x2kqz | ready
    web[proxy] | listening
    web        | -- 3 lines were lost: kubelet had dropped them
    api:1f3c
    ok    docker       Engine 20.10.24
    fail  helm         it is not on the PATH
                       help: install Helm 3 or 4
    "#);
}

#[test]
fn each_report_is_one_json_object() {
    let all = every_report();
    let text = shown(Form::Json, 0, &all);
    let text = text.strip_prefix("stdout:\n").unwrap();
    assert_eq!(text.lines().count(), all.len());
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value["report"].is_string(), "{line}");
    }
    assert_snapshot!(text, @r#"
    {"report":"started","project":"shop","context":"kind-dev","namespace":"shop","artifacts":3,"releases":2,"artifact_names":["api","base","web"],"release_names":["db","shop"],"asked_for":[],"file":"wharf.yaml"}
    {"report":"artifact","name":"base","news":"building","image":"x:1","why":"first build"}
    {"report":"artifact","name":"api","news":"unchanged","image":"api:3f2a9c01b7de4410","found":"nodes"}
    {"report":"waiting","name":"web","why":"`base`"}
    {"report":"artifact","name":"base","news":"step","step":"[build 1/2] FROM alpine:3.20","cached":true,"done":true,"seconds":0.0}
    {"report":"artifact","name":"base","news":"step","step":"[build 2/2] RUN apk add curl","cached":false,"done":true,"seconds":2.2}
    {"report":"artifact","name":"base","news":"built","image":"base:9c01b7de44103f2a","seconds":3.1,"cached":[3,4]}
    {"report":"artifact","name":"web","news":"building","image":"x:1","why":"base image `base` changed"}
    {"report":"artifact","name":"web","news":"built","image":"web:77aa01c2d3e4f506","seconds":1.9,"cached":[3,4]}
    {"report":"artifact","name":"web","news":"delivered","image":"web:77aa01c2d3e4f506","how":"loaded","sent_bytes":31000000,"total_bytes":212000000,"seconds":0.31}
    {"report":"release","name":"db","news":"unchanged","revision":3}
    {"report":"release","name":"shop","news":"deploying","why":"image `web` changed"}
    {"report":"release","name":"shop","news":"hook","hook":"job/migrate","state":"running","seconds":null}
    {"report":"release","name":"shop","news":"hook","hook":"job/migrate","state":"succeeded","seconds":0.6}
    {"report":"release","name":"shop","news":"deployed","revision":8,"pruned":[],"seconds":1.2}
    {"report":"release","name":"shop","news":"settling","waits":["deployment/web: 0 of 2 ready"]}
    {"report":"release","name":"shop","news":"live","seconds":2.3}
    {"report":"forward","target":"service/web","news":"open","local":"127.0.0.1:8080","remote":"http"}
    {"report":"forward","target":"deployment/api","news":"open","local":"127.0.0.1:19000","remote":"9000"}
    {"report":"round","seconds":7.42,"live_seconds":null,"ready_seconds":null,"failed":0,"first":true}
    {"report":"watching","files":1214}
    {"report":"round","seconds":1.0,"live_seconds":null,"ready_seconds":null,"failed":0,"first":true}
    {"report":"changed","paths":["a.py","b.py","c.py","d.py"],"count":2000,"ignored":false}
    {"report":"artifact","name":"web","news":"building","image":"x:1","why":"a.py changed"}
    {"report":"artifact","name":"api","news":"building","image":"x:1","why":"b.py changed"}
    {"report":"artifact","name":"web","news":"cancelled"}
    {"report":"artifact","name":"api","news":"built","image":"api:99","seconds":0.5,"cached":[3,4]}
    {"report":"artifact","name":"web","news":"building","image":"x:1","why":"c.py changed"}
    {"report":"artifact","name":"web","news":"built","image":"web:88","seconds":0.11,"cached":[3,4]}
    {"report":"artifact","name":"web","news":"delivered","image":"web:88","how":"loaded","sent_bytes":12000,"total_bytes":212000000,"seconds":0.08}
    {"report":"artifact","name":"api","news":"delivered","image":"api:99","how":"loaded","sent_bytes":12000,"total_bytes":212000000,"seconds":0.08}
    {"report":"release","name":"shop","news":"deployed","revision":9,"pruned":[],"seconds":0.2}
    {"report":"release","name":"shop","news":"answers","target":"service/web","seconds":11.6}
    {"report":"release","name":"shop","news":"live","seconds":0.84}
    {"report":"round","seconds":12.3,"live_seconds":11.6,"ready_seconds":12.3,"failed":0,"first":false}
    {"report":"artifact","name":"api","news":"delivered","image":"api:3f2a9c01b7de4410","how":"loaded","sent_bytes":12000,"total_bytes":212000000,"seconds":0.08}
    {"report":"round","seconds":1.0,"live_seconds":null,"ready_seconds":null,"failed":0,"first":true}
    {"report":"changed","paths":["services/api/main.py"],"count":1,"ignored":false}
    {"report":"artifact","name":"api","news":"building","image":"x:1","why":"services/api/main.py changed"}
    {"report":"artifact","name":"api","news":"failed","what":"Dockerfile:7 `RUN pip install -r requirements.txt` exited with 1","why":["ERROR: No matching distribution found for flaks==3.0"],"help":["the full log: `wharf logs --build api`"],"code":"wharf::build::step_failed","kind":"work"}
    {"report":"round","seconds":1.2,"live_seconds":null,"ready_seconds":null,"failed":1,"first":false}
    {"report":"failed","what":"unknown key `contxt`","why":[],"help":["did you mean `context`?"],"code":"wharf::config::unknown_key","kind":"request","snippet":" --> wharf.yaml:3:5\n  |\n3 |     contxt: services/api\n  |     ^^^^^^"}
    {"report":"failed","what":"a task panicked","why":["index out of bounds"],"help":[],"code":"wharf::bug","kind":"bug"}
    {"report":"release","name":"shop","news":"failed","what":"the API server refused service `web`","why":["spec.ports[0].port: Invalid value: 99999","must be between 1 and 65535"],"help":[],"code":"wharf::deploy::refused","kind":"work"}
    {"report":"release","name":"shop","news":"drifted","what":["deployment/web was scaled to 0"]}
    {"report":"release","name":"shop","news":"rolled_back","revision":7}
    {"report":"forward","target":"service/web","news":"failed","what":"port 8080 is taken","why":["process 4711 (nginx) listens on it"],"help":["end it, or set `local:` of this forward to another port"],"code":"wharf::observe::port_taken","kind":"work"}
    {"report":"pod","workload":{"kind":"deployment","namespace":"shop","name":"worker"},"pod":"worker-7d9f-x2kqz","container":"worker","what":"crashed with status 1, 3 restarts","last_lines":["Traceback (most recent call last):","KeyError: 'DB'"],"mended":false}
    {"report":"pod","workload":{"kind":"deployment","namespace":"shop","name":"worker"},"pod":"worker-7d9f-x2kqz","container":null,"what":"","last_lines":[],"mended":true}
    {"report":"note","text":"wrote wharf.yaml"}
    {"report":"warning","text":"the limit of watches is reached; looking every 2 s instead","help":"sudo sysctl fs.inotify.max_user_watches=524288"}
    {"report":"watching","files":1}
    {"report":"artifact","name":"api","news":"building","image":"x:1","why":"services/api/main.py changed"}
    {"report":"leaving"}
    {"report":"undone","what":"uninstalled `shop`"}
    {"report":"forward","target":"service/web","news":"closed"}
    {"report":"stopped","seconds":1.3,"leftovers":[{"what":"release `shop` in namespace `dev`","why":"no answer within 60 s","by_hand":"helm uninstall shop -n dev"}],"kept":["db","namespace shop"]}
    {"report":"artifact","name":"web","news":"step","step":"[2/5] RUN pip install","cached":false,"done":true,"seconds":2.2}
    {"report":"artifact","name":"web","news":"step","step":"[1/5] FROM python:3.11-slim","cached":true,"done":true,"seconds":0.0}
    {"report":"changed","paths":["README.md"],"count":1,"ignored":true}
    {"report":"forward","target":"service/web","news":"closed"}
    {"report":"trace","text":"DEBUG wharf::docker: connected"}
    {"report":"log","workload":"web","replica":null,"container":null,"stamp":"2026-11-21T10:00:00.000000001Z","text":"10.244.0.7 GET /cart 200","prefix":null,"remark":false}
    {"report":"log","workload":"web","replica":"x2kqz","container":null,"stamp":"2026-11-21T10:00:00.000000001Z","text":"\u001b[32mready\u001b[0m","prefix":null,"remark":false}
    {"report":"log","workload":"web","replica":null,"container":"proxy","stamp":"2026-11-21T10:00:00.000000001Z","text":"listening","prefix":null,"remark":false}
    {"report":"log","workload":"web","replica":null,"container":null,"stamp":"2026-11-21T10:00:00.000000001Z","text":"3 lines were lost: kubelet had dropped them","prefix":null,"remark":true}
    {"report":"data","what":"images","data":{"images":{"api":"api:1f3c"}}}
    {"report":"check","name":"docker","state":"ok","what":"Engine 20.10.24","help":[]}
    {"report":"check","name":"helm","state":"fail","what":"it is not on the PATH","help":["install Helm 3 or 4"]}
    {"report":"release","name":"shop","news":"patched","lags":true,"seconds":0.05}
    {"report":"release","name":"shop","news":"answers","target":"service/web","seconds":0.62}
    {"report":"round","seconds":1.1,"live_seconds":0.62,"ready_seconds":1.1,"failed":0,"first":false}
    {"report":"release","name":"shop","news":"recorded","revision":10,"changed":[],"seconds":0.4}
    {"report":"artifact","name":"web","news":"sending","sent_bytes":4200000,"total_bytes":31000000}
    "#);
}

#[test]
fn quiet_leaves_failures_warnings_and_data() {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let options = UiOptions { quiet: true, ..options(Form::Terminal) };
    let mut show = Show::new(Screen::new(&mut stdout, &mut stderr, false, false), options);
    for report in start().iter().chain(&failed_round()).chain(&leaving(false)).chain(&data()) {
        show.take(report, Duration::ZERO);
        show.draw(Duration::ZERO);
    }
    show.end();
    drop(show);
    assert_snapshot!(String::from_utf8(stderr).unwrap(), @r#"
    api     failed: Dockerfile:7 `RUN pip install -r requirements.txt` exited with 1
              ERROR: No matching distribution found for flaks==3.0
            help: the full log: `wharf logs --build api`
            still live: api:3f2a9c01b7de4410
            [wharf::build::step_failed]
    "#);
    assert!(String::from_utf8(stdout).unwrap().contains("GET /cart 200"));
}

#[test]
fn colour_only_repeats_what_the_words_say() {
    let coloured = |colour| {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let screen = Screen::new(&mut stdout, &mut stderr, colour, colour);
        let mut show = Show::new(screen, options(Form::Plain));
        every_report().iter().for_each(|report| show.take(report, Duration::ZERO));
        show.end();
        drop(show);
        (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    };
    let (stdout, stderr) = coloured(true);
    assert!(stdout.contains("\x1b[") && stderr.contains("\x1b["));
    let strip = |text: &str| anstream::adapter::strip_str(text).to_string();
    let bare = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!((bare(&strip(&stdout)), bare(&strip(&stderr))), {
        let (stdout, stderr) = coloured(false);
        (bare(&stdout), bare(&stderr))
    });
}

#[test]
fn foreign_text_cannot_move_the_cursor() {
    let check = |text: &str, kept: &str, dropped: &str| {
        assert_eq!(clean(text, Colours::Keep), kept, "{text:?}");
        assert_eq!(clean(text, Colours::Drop), dropped, "{text:?}");
    };
    check("plain", "plain", "plain");
    check("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m\x1b[0m", "red");
    check("\x1b[2J\x1b[Hgone", "gone", "gone");
    check("\x1b]0;title\x07text", "text", "text");
    check("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link", "link");
    check("10 %\r50 %\r100 %\r\n", "100 %", "100 %");
    check("a\tb\x07\x08", "a    b", "a    b");
    check("\x1b[38;2;1;2;3mx", "\x1b[38;2;1;2;3mx\x1b[0m", "x");
    check("cut \x1b[", "cut ", "cut ");
    check("grüße 日本", "grüße 日本", "grüße 日本");
}

#[test]
fn a_row_is_cut_to_the_width_of_the_terminal() {
    let cut = |text: &str, width| {
        let mut out = String::new();
        super::line::Line::new().and(text).cut(width).write(false, &mut out);
        out.trim_end().to_owned()
    };
    assert_eq!(cut("building api", 20), "building api");
    assert_eq!(cut("building api", 8), "buildin…");
    assert_eq!(cut("日本語日本語", 6), "日本…");
}

#[test]
fn amounts_read_well() {
    let seconds = |ms| amount::seconds(Duration::from_millis(ms));
    let all: Vec<_> = [8, 310, 994, 996, 3_140, 9_960, 48_200, 59_600, 125_000].map(seconds).into();
    assert_eq!(all.join(" "), "0.01s 0.31s 0.99s 1.0s 3.1s 10s 48s 1m00s 2m05s");
    let all: Vec<_> =
        [0, 812, 999, 1_000, 12_345, 999_600, 31_000_000, 4_700_000_000].map(amount::bytes).into();
    assert_eq!(all.join(", "), "0 B, 812 B, 999 B, 1.0 KB, 12 KB, 1.0 MB, 31 MB, 4.7 GB");
    let all: Vec<_> = [0, 999, 1_000, 1_214_000].map(amount::count).into();
    assert_eq!(all.join(" "), "0 999 1,000 1,214,000");
}

#[test]
fn colour_is_decided_by_flag_then_environment_then_stream() {
    let no = Wishes { no_colour: true, ..Wishes::default() };
    let force = Wishes { clicolour_force: true, ..Wishes::default() };
    let off = Wishes { clicolour_off: true, ..Wishes::default() };
    assert!(no.colour(Colour::Always, false));
    assert!(!force.colour(Colour::Never, true));
    assert!(!no.colour(Colour::Auto, true));
    assert!(force.colour(Colour::Auto, false));
    assert!(!off.colour(Colour::Auto, true));
    assert!(Wishes::default().colour(Colour::Auto, true));
    assert!(!Wishes::default().colour(Colour::Auto, false));
}

#[test]
fn a_closed_stdout_is_noticed_and_survived() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let options = options(Form::Plain);
    let closed = options.stdout_closed.clone();
    let mut show = Show::new(Screen::new(Closed, Closed, false, false), options);
    every_report().iter().for_each(|report| show.take(report, Duration::ZERO));
    show.draw(Duration::ZERO);
    show.end();
    assert!(closed.is_cancelled());
}
