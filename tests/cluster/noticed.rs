//! What counts as a save and what does not, and that each kind leads to what it changes, no more.

use std::fs;
use std::io::Write as _;

use crate::support::{Project, Wharf, get, kubectl, wait_for};

fn serves(port: u16, text: &str) {
    wait_for(text, || (get(port, "/")? == text).then_some(()));
}

#[test]
#[ignore = "needs a cluster"]
fn every_editors_save_is_one_build_and_its_temporary_files_are_none() {
    let project = Project::web();
    let mut wharf = Wharf::start(&project, &["dev"]);
    let port = wharf.port("service/web");
    assert_eq!(wharf.round(), 0);
    let folder = project.folder().join("www");
    let page = folder.join("index.html");
    let stamp = project.namespace().to_owned();
    let mut builds = wharf.told("web", "built");

    // What editors leave beside a file while it is open, or on the way to a save.
    let temporary = [
        ".index.html.swp",
        ".index.html.swx",
        "4913",
        "index.html~",
        ".#index.html",
        "#index.html#",
        "index.html___jb_tmp___",
        "index.html___jb_old___",
        ".goutputstream-8AB3K2",
    ];
    type Save<'a> = (&'a str, Box<dyn Fn(&str) + 'a>);
    let aside = |name: &str, text: &str| {
        let new = folder.join(name);
        fs::write(&new, text).expect("a file can be written");
        fs::rename(new, &page).expect("a file can be renamed");
    };
    let saves: [Save<'_>; 6] = [
        (
            "vim",
            Box::new(|text| {
                fs::write(folder.join("4913"), "").expect("a file can be written");
                fs::remove_file(folder.join("4913")).expect("it can be removed");
                fs::rename(&page, folder.join("index.html~")).expect("a file can be renamed");
                fs::write(&page, text).expect("a file can be written");
                fs::remove_file(folder.join("index.html~")).expect("it can be removed");
            }),
        ),
        (
            "emacs",
            Box::new(|text| {
                fs::copy(&page, folder.join("index.html~")).expect("a file can be copied");
                fs::write(&page, text).expect("a file can be written");
                let _ = fs::remove_file(folder.join("#index.html#"));
            }),
        ),
        (
            "jetbrains",
            Box::new(|text| {
                fs::write(folder.join("index.html___jb_tmp___"), text)
                    .expect("a file can be written");
                fs::rename(&page, folder.join("index.html___jb_old___"))
                    .expect("it can be renamed");
                fs::rename(folder.join("index.html___jb_tmp___"), &page)
                    .expect("it can be renamed");
                fs::remove_file(folder.join("index.html___jb_old___")).expect("it can be removed");
            }),
        ),
        // As VS Code does where it saves atomically.
        ("vscode", Box::new(|text| aside("index.html.vsctmp", text))),
        ("gedit", Box::new(|text| aside(".goutputstream-8AB3K2", text))),
        (
            "in place, in two steps",
            Box::new(|text| {
                let mut file = fs::File::create(&page).expect("a file can be made");
                let (one, two) = text.split_at(2);
                file.write_all(one.as_bytes()).expect("it can be written");
                file.flush().expect("it can be written");
                file.write_all(two.as_bytes()).expect("it can be written");
            }),
        ),
    ];
    for (editor, save) in saves {
        for name in temporary {
            fs::write(folder.join(name), editor).expect("a file can be written");
        }
        let text = format!("{stamp} saved by {editor}");
        save(&text);
        assert_eq!(wharf.round(), 0, "{editor}");
        serves(port, &text);
        builds += 1;
        assert_eq!(wharf.told("web", "built"), builds, "{editor}: one build a save");
        for name in temporary {
            let _ = fs::remove_file(folder.join(name));
        }
    }
    assert_eq!(wharf.interrupt(), Some(0));
}

#[test]
#[ignore = "needs a cluster"]
fn a_save_leads_to_what_it_changes_and_to_nothing_else() {
    let project = Project::web();
    project.write(
        "wharf.yaml",
        "images: {web: {}}\nreleases: {web: {chart: chart, values: [dev.yaml]}}\n\
         manifests: {more: more/*.yaml}\nkustomize: {k: k}\nforward: [service/web]\n",
    );
    project.write(".dockerignore", "*\n!www\n");
    project.write("dev.yaml", "note: one\n");
    let noted = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: note}\n\
                 data: {note: \"{{ .Values.note }}\"}\n";
    project.write("chart/templates/note.yaml", noted);
    let map = |name: &str, text: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{text: {text}}}\n"
        )
    };
    project.write("more/more.yaml", &map("more", "one"));
    project.write("k/kustomization.yaml", "resources: [k.yaml]\n");
    project.write("k/k.yaml", &map("k", "one"));
    project.write("later/later.yaml", &map("later", "one"));
    let mut wharf = Wharf::start(&project, &["dev", "--poll"]);
    let port = wharf.port("service/web");
    assert_eq!(wharf.round(), 0);
    serves(port, &project.read("www/index.html"));

    // Each edit, and which releases are deployed because of it.
    let releases = ["web", "more", "k", "later"];
    let deployed = |wharf: &Wharf| releases.map(|release| wharf.told(release, "deployed"));
    let data = |name: &str, key: &str| {
        let path = format!("jsonpath={{.data.{key}}}");
        kubectl(&["get", "configmap", name, "-n", project.namespace(), "-o", &path])
    };
    let round = |wharf: &mut Wharf, what: &str, expected, edit: &dyn Fn()| {
        let before = deployed(wharf);
        edit();
        wharf.next(what, |told| (told["report"] == "round").then_some(()));
        let now = deployed(wharf);
        let news: Vec<usize> = now.iter().zip(before).map(|(now, before)| now - before).collect();
        assert_eq!(news, expected, "{what}");
    };
    round(&mut wharf, "a template", [1, 0, 0, 0], &|| {
        project.edit("chart/templates/note.yaml", "{{ .Values.note }}", "v {{ .Values.note }}");
    });
    assert_eq!(data("note", "note"), "v one");
    round(&mut wharf, "a values file", [1, 0, 0, 0], &|| project.edit("dev.yaml", "one", "two"));
    assert_eq!(data("note", "note"), "v two");
    round(&mut wharf, "a manifest", [0, 1, 0, 0], &|| project.edit("more/more.yaml", "one", "two"));
    assert_eq!(data("more", "text"), "two");
    round(&mut wharf, "a kustomization", [0, 0, 1, 0], &|| project.edit("k/k.yaml", "one", "two"));
    assert_eq!(data("k", "text"), "two");
    round(&mut wharf, "the configuration", [0, 0, 0, 1], &|| {
        project.edit("wharf.yaml", "more/*.yaml", "more/*.yaml, later: later/*.yaml");
    });
    assert_eq!(data("later", "text"), "one");

    // A typo: shown, and the loop goes on with the last good one.
    project.edit("wharf.yaml", "images:", "imagse:");
    let shown = wharf.next("the typo", |told| {
        (told["report"] == "failed").then(|| told["what"].as_str().map(str::to_owned))?
    });
    assert!(shown.contains("imagse"), "{shown}");
    assert_eq!(wharf.round(), 1);
    project.edit("more/more.yaml", "two", "three");
    assert_eq!(wharf.round(), 1);
    assert_eq!(data("more", "text"), "three");
    let before = deployed(&wharf);
    project.edit("wharf.yaml", "imagse:", "images:");
    project.edit("wharf.yaml", ", later: later/*.yaml", "");
    assert_eq!(wharf.round(), 0);
    wait_for("the dropped release is gone", || {
        let left = ["get", "configmap", "later", "-n", project.namespace(), "--ignore-not-found"];
        kubectl(&left).is_empty().then_some(())
    });
    assert_eq!(deployed(&wharf), before);
    assert_eq!(wharf.told("web", "building"), 1, "nothing but the first start built anything");
    assert_eq!(wharf.interrupt(), Some(0));
}

#[test]
#[ignore = "needs a cluster"]
fn saves_wait_for_the_key_when_asked_to() {
    let project = Project::web();
    let mut wharf = Wharf::start_in_terminal(&project, &["dev", "--manual"]);
    let port = wharf.port("service/web");
    assert_eq!(wharf.round(), 0);
    let first = project.read("www/index.html");
    project.edit("www/index.html", "first", "second");
    project.edit("www/index.html", "second", "third");
    wharf.press(b"r");
    assert_eq!(wharf.round(), 0);
    serves(port, &first.replace("first", "third"));
    assert_eq!(wharf.told("web", "built"), 2, "one build for both saves");
    wharf.press(b"\x03");
    assert_eq!(wharf.wait().code(), Some(0));
}

#[test]
#[ignore = "needs a cluster"]
fn without_a_file_what_appears_joins_and_what_goes_leaves() {
    let project = Project::web();
    let mut wharf = Wharf::start(&project, &["dev"]);
    assert_eq!(wharf.round(), 0);
    let pods =
        || kubectl(&["get", "pods", "-n", project.namespace(), "-l", "app=web", "-o", "name"]);
    let before = pods();

    project.write(
        "worker/Dockerfile",
        "FROM busybox:1.36\nCOPY run.sh /\nCMD [\"sh\", \"/run.sh\"]\n",
    );
    let script = format!("echo {} works; exec sleep 10000\n", project.namespace());
    project.write("worker/run.sh", &script);
    let worker = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: worker}\nspec:\n  \
        selector: {matchLabels: {app: worker}}\n  template:\n    metadata: {labels: {app: worker}}\n    \
        spec:\n      terminationGracePeriodSeconds: 0\n      containers: [{name: worker, image: worker}]\n";
    project.write("k8s/worker.yaml", worker);
    assert_eq!(wharf.round(), 0);
    wait_for("what it prints", || {
        let works = |told: &serde_json::Value| {
            told["report"] == "log"
                && told["text"].as_str().is_some_and(|text| text.ends_with("works"))
        };
        wharf.reports().iter().any(works).then_some(())
    });
    let told = wharf.reports().len();

    fs::remove_dir_all(project.folder().join("worker")).expect("it can be removed");
    fs::remove_dir_all(project.folder().join("k8s")).expect("it can be removed");
    wait_for("it is gone", || {
        let left = ["get", "deployment", "worker", "-n", project.namespace(), "--ignore-not-found"];
        kubectl(&left).is_empty().then_some(())
    });
    assert_eq!(wharf.round(), 0);
    let bad = |report: &&serde_json::Value| {
        report["news"] == "failed" || report["news"] == "drifted" || report["report"] == "failed"
    };
    let reports = wharf.reports();
    assert_eq!(reports[told..].iter().find(bad), None, "it goes without a complaint");
    assert_eq!(pods(), before, "the other one never noticed");
    assert_eq!(wharf.interrupt(), Some(0));
}
