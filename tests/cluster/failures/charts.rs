//! Charts that lie in a repository or a registry: fetched by version, and what is said when they
//! are not there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use super::{failure, mended, times_told};
use crate::support::{HelmCount, Project, Wharf, free_port, kubectl, output, part};

#[test]
#[ignore = "needs a cluster"]
fn a_chart_comes_from_a_repository_or_a_registry_in_the_version_that_is_asked_for() {
    let registry = part("registry").remove("WHARF_REGISTRY").expect("it is exported");
    let mut project = Project::web();
    let repository = project.home().join("repository");
    std::fs::create_dir_all(&repository).expect("a folder can be made");
    let (chart, to) = (project.folder().join("chart"), repository.display().to_string());
    let oci = format!("oci://{registry}/{}", project.namespace());
    for version in ["0.1.0", "0.2.0"] {
        let text = format!("apiVersion: v2\nname: web\nversion: {version}\n");
        project.write("chart/Chart.yaml", &text);
        project.edit(
            "chart/templates/web.yaml",
            "kind: Service\nmetadata: {name: web",
            "kind: Service\nmetadata: {labels: {version: \"{{ .Chart.Version }}\"}, name: web",
        );
        let chart = chart.display().to_string();
        output("helm", &["package", &chart, "-d", &to]);
        let packed = format!("{to}/web-{version}.tgz");
        output("helm", &["push", &packed, &oci, "--plain-http"]);
        project.edit(
            "chart/templates/web.yaml",
            "metadata: {labels: {version: \"{{ .Chart.Version }}\"}, name: web",
            "metadata: {name: web",
        );
    }
    output("helm", &["repo", "index", &to]);
    std::fs::remove_dir_all(chart).expect("it can be removed");
    let http = format!("http://127.0.0.1:{}", serve(repository));
    project.write(".dockerignore", "*\n!www\n");
    let helm = HelmCount::start(&mut project);

    let write = |release: &str| {
        let text = format!("images: {{web: {{context: .}}}}\nreleases:\n  web: {{{release}}}\n");
        project.write("wharf.yaml", &text);
    };
    let in_repository = |url: &str, version: &str| {
        write(&format!("chart: web, repo: \"{url}\", version: {version}"));
    };
    let in_registry = |place: &str, version: &str| {
        write(&format!("chart: {place}/web, version: {version}, flags: [--plain-http]"));
    };
    let version = || {
        let version = "jsonpath={.metadata.labels.version}";
        kubectl(&["get", "service/web", "-n", project.namespace(), "-o", version])
    };
    let unchanged = |how: &str| {
        helm.take();
        let (ended, told) = Wharf::run(&project, &["run"]);
        assert_eq!(ended.code(), Some(0), "{how}: {told:#?}");
        assert_eq!(helm.take(), Vec::<String>::new(), "{how}: the same version is the same chart");
    };

    in_repository(&http, "0.1.0");
    let (ended, told) = Wharf::run(&project, &["run"]);
    assert_eq!(ended.code(), Some(0), "{told:#?}");
    assert_eq!(version(), "0.1.0");
    unchanged("from the repository");

    let mut wharf = Wharf::start(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    in_repository(&http, "0.2.0");
    mended(&mut wharf);
    assert_eq!(version(), "0.2.0");
    in_repository(&http, "9.9.9");
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    web  failed: there is no chart `web` in version 9.9.9 in http://127.0.0.1:PORT
    help: see what there is: `helm show chart web --repo http://127.0.0.1:PORT`
    [wharf::render::no_such_chart]
    ");
    assert_eq!(wharf.round(), 1);
    in_repository(&format!("http://127.0.0.1:{}", free_port()), "0.2.0");
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    web  failed: the chart `web` cannot be fetched: http://127.0.0.1:PORT does not answer
      dial tcp 127.0.0.1:PORT: connect: connection refused
    [wharf::render::chart_unreachable]
    ");
    assert_eq!(wharf.round(), 1);

    in_registry(&oci, "0.1.0");
    mended(&mut wharf);
    assert_eq!(version(), "0.1.0");
    in_registry(&oci, "9.9.9");
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    web  failed: there is no chart `web` in version 9.9.9 in oci://127.0.0.1:PORT/NAMESPACE
    help: see what there is: `helm show chart oci://127.0.0.1:PORT/NAMESPACE/web`
    [wharf::render::no_such_chart]
    ");
    assert_eq!(wharf.round(), 1);
    in_registry(&format!("oci://127.0.0.1:{}/charts", free_port()), "0.2.0");
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    web  failed: the chart `web` cannot be fetched: oci://127.0.0.1:PORT/charts does not answer
      dial tcp 127.0.0.1:PORT: connect: connection refused
    [wharf::render::chart_unreachable]
    ");
    assert_eq!(wharf.round(), 1);
    in_registry(&oci, "0.2.0");
    mended(&mut wharf);
    assert_eq!(version(), "0.2.0");
    for code in ["wharf::render::no_such_chart", "wharf::render::chart_unreachable"] {
        assert_eq!(times_told(&wharf, code), 2, "{code}");
    }
    assert_eq!(wharf.interrupt(), Some(0));
    in_registry(&oci, "0.2.0");
    let (ended, _) = Wharf::run(&project, &["run"]);
    assert_eq!(ended.code(), Some(0));
    unchanged("from the registry");
    let (ended, _) = Wharf::run(&project, &["delete"]);
    assert_eq!(ended.code(), Some(0));
}

/// Serves the files of a folder for as long as the test runs; returns its port.
fn serve(folder: PathBuf) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let folder = folder.clone();
            std::thread::spawn(move || answer(client, &folder));
        }
    });
    port
}

fn answer(mut client: TcpStream, folder: &Path) -> Option<()> {
    let mut lines = BufReader::new(client.try_clone().ok()?).lines().map_while(Result::ok);
    let first = lines.next()?;
    lines.find(String::is_empty)?;
    let path = first.split(' ').nth(1)?.trim_start_matches('/');
    let (status, body) = match std::fs::read(folder.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    client.write_all(head.as_bytes()).and_then(|()| client.write_all(&body)).ok()
}
