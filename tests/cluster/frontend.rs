//! What a Dockerfile may say that the Engine's own frontend of 20.10 has never heard of: a current
//! Engine builds it, from exactly the files that count; the old one's error names the line.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Project, Wharf, output, part};

/// By image: its Dockerfile, what the image holds, a file that counts for it, one that does not,
/// and what the old Engine's error points at.
struct Case {
    name: &'static str,
    dockerfile: &'static str,
    holds: &'static [&'static str],
    counts: &'static str,
    other: &'static str,
    blamed: &'static str,
}

const CASES: [Case; 5] = [
    Case {
        name: "heredoc",
        dockerfile: "FROM scratch\nCOPY a.txt /\nCOPY <<EOF /b.txt\nd/y.md\nEOF\n",
        holds: &["a.txt", "b.txt"],
        counts: "a.txt",
        other: "d/y.md",
        blamed: "heredoc:4",
    },
    Case {
        name: "link",
        dockerfile: "FROM scratch\nCOPY --link a.txt /a.txt\n",
        holds: &["a.txt"],
        counts: "a.txt",
        other: "b.txt",
        blamed: "link:2 `COPY --link a.txt /a.txt`",
    },
    Case {
        name: "parents",
        dockerfile: "FROM scratch\n\nCOPY --parents d/e/f.txt /p/\n",
        holds: &["p", "p/d", "p/d/e", "p/d/e/f.txt"],
        counts: "d/e/f.txt",
        other: "d/e/g.txt",
        blamed: "parents:3 `COPY --parents d/e/f.txt /p/`",
    },
    Case {
        name: "exclude",
        dockerfile: "FROM scratch\nCOPY a.txt /\nCOPY --exclude=**/*.md d /x/\n",
        holds: &["a.txt", "x", "x/e", "x/e/f.txt", "x/e/g.txt", "x/t.txt"],
        counts: "d/t.txt",
        other: "d/y.md",
        blamed: "exclude:3 `COPY --exclude=**/*.md d /x/`",
    },
    Case {
        name: "named",
        dockerfile: "FROM scratch\nCOPY a.txt /\nCOPY --from=other o.txt /\n",
        holds: &["a.txt", "o.txt"],
        counts: "elsewhere/o.txt",
        other: "b.txt",
        blamed: "named:3 `COPY --from=other o.txt /`",
    },
];

fn project() -> Project {
    let project = Project::of("frontend", &[]);
    let mut config = "images:\n".to_owned();
    for case in &CASES {
        project.write(case.name, case.dockerfile);
        let contexts = match case.name {
            "named" => ", contexts: {other: elsewhere}",
            _ => "",
        };
        config += &format!("  {0}: {{dockerfile: {0}{contexts}}}\n", case.name);
    }
    project.write("wharf.yaml", &config);
    for path in ["a.txt", "b.txt", "d/t.txt", "d/y.md", "d/e/f.txt", "d/e/g.txt"] {
        project.write(path, project.namespace());
    }
    for path in ["elsewhere/o.txt", "elsewhere/p.txt"] {
        project.write(path, project.namespace());
    }
    project
}

/// The tags that `wharf build` prints.
fn tags(project: &Project) -> BTreeMap<String, String> {
    let (ended, reports) = Wharf::run(project, &["build"]);
    assert!(ended.success(), "{reports:?}");
    let data = reports.iter().find(|told| told["what"] == "images").expect("they are printed");
    let images = data["data"]["images"].as_object().expect("a map").iter();
    let text = |tag: &Value| tag.as_str().expect("a reference").to_owned();
    images.map(|(name, tag)| (name.clone(), text(tag))).collect()
}

#[test]
#[ignore = "needs Docker"]
fn a_current_engine_builds_what_an_old_one_has_never_heard_of() {
    let engine = part("engine-current").remove("DOCKER_HOST").expect("it is exported");
    let mut project = project();
    project.set_variable("DOCKER_HOST", &engine);
    let docker = |args: &[&str]| output("docker", &[&["-H", &engine], args].concat());
    let first = tags(&project);
    for case in &CASES {
        let container = docker(&["create", &first[case.name], "none"]);
        let archive = std::process::Command::new("docker")
            .args(["-H", &engine, "export", container.trim()])
            .output()
            .expect("docker is there");
        docker(&["rm", container.trim()]);
        let mut archive = tar::Archive::new(&archive.stdout[..]);
        let entries = archive.entries().expect("a tar archive").map(|entry| {
            let entry = entry.expect("a whole entry");
            let path = entry.path().expect("a path");
            path.to_string_lossy().trim_end_matches('/').to_owned()
        });
        // What the Engine itself puts into every container.
        let own = |path: &String| {
            ![".dockerenv", "dev", "etc", "proc", "sys"]
                .iter()
                .any(|own| path.split('/').next() == Some(own))
        };
        let mut holds: Vec<String> = entries.filter(own).collect();
        holds.sort();
        assert_eq!(holds, case.holds, "{}", case.name);
    }

    let check = |what: &dyn Fn(&Case) -> &'static str, differs: bool| {
        for case in &CASES {
            let before = tags(&project);
            let path = what(case);
            let text = project.read(path);
            project.write(path, &format!("{text}, edited"));
            let same = tags(&project)[case.name] == before[case.name];
            assert_eq!(same, !differs, "{}: {path}", case.name);
        }
    };
    check(&|case| case.other, false);
    check(&|case| case.counts, true);
    let images =
        output("docker", &["-H", &engine, "images", "--format", "{{.Repository}}:{{.Tag}}"]);
    let is_ours =
        |image: &&str| CASES.iter().any(|case| image.split(':').next() == Some(case.name));
    let mut remove = vec!["rmi", "-f"];
    remove.extend(images.lines().filter(is_ours));
    docker(&remove);
}

#[test]
#[ignore = "needs Docker"]
fn an_old_engines_error_names_the_line() {
    let version = output("docker", &["version", "--format", "{{.Server.Version}}"]);
    assert!(version.starts_with("20."), "this is about the testbed's Engine, not {version}");
    let project = project();
    let (ended, reports) = Wharf::run(&project, &["build"]);
    assert_eq!(ended.code(), Some(1));
    for case in &CASES {
        let failed = reports.iter().find(|told| {
            told["report"] == "artifact" && told["name"] == case.name && told["news"] == "failed"
        });
        let what = failed.expect(case.name)["what"].as_str().expect("it says what");
        assert!(what.contains(case.blamed), "{}: {what}", case.name);
    }
}
