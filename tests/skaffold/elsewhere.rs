//! What a configuration takes from elsewhere: other repositories, manifests of the web. Both are
//! asked for again each time, and lie in a cache for whoever is offline.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use super::{Outcome, outcome, request};

fn git(folder: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A repository with a module in `deep/`, whose image is called `name`.
struct Repository(tempfile::TempDir);

impl Repository {
    fn new(name: &str) -> Self {
        let own = Self(tempfile::tempdir().unwrap());
        git(own.0.path(), &["init", "--quiet"]);
        own.commit(name);
        own
    }

    fn commit(&self, name: &str) {
        let folder = self.0.path().join("deep");
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "apiVersion: skaffold/v4beta11\nkind: Config\nmetadata: {{name: deep}}\n\
             build: {{artifacts: [{{image: {name}}}]}}\n---\n\
             apiVersion: skaffold/v4beta11\nkind: Config\nmetadata: {{name: other}}\n\
             build: {{artifacts: [{{image: other}}]}}\n"
        );
        std::fs::write(folder.join("skaffold.yaml"), text).unwrap();
        std::fs::write(folder.join("Dockerfile"), "FROM busybox\n").unwrap();
        git(self.0.path(), &["add", "-A"]);
        git(self.0.path(), &["commit", "--quiet", "--allow-empty", "-m", name]);
    }

    fn address(&self) -> String {
        format!("file://{}", self.0.path().display())
    }
}

struct Place {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
    offline: bool,
}

impl Place {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("apiVersion: skaffold/v4beta14\nkind: Config\n{text}");
        std::fs::write(folder.path().join("skaffold.yaml"), text).unwrap();
        Self { folder, variables: vec![], offline: false }
    }

    fn read(&self) -> Result<Outcome, String> {
        let mut request = request(self.folder.path());
        let pairs = self.variables.iter();
        request.environment.extend(pairs.map(|(name, value)| ((*name).to_owned(), value.clone())));
        request.offline = self.offline;
        outcome(&request, self.folder.path())
    }

    fn images(&self) -> Vec<String> {
        let read = self.read().unwrap();
        let names = read.lines.iter().filter_map(|line| line.strip_prefix("images."));
        let mut names: Vec<String> =
            names.filter_map(|line| Some(line.split(['.', ':']).next()?.to_owned())).collect();
        names.dedup();
        names
    }
}

#[test]
fn a_module_of_another_repository_is_kept_up_to_date_as_asked() {
    let repository = Repository::new("first");
    git(repository.0.path(), &["tag", "v1"]);
    let hash = git(repository.0.path(), &["rev-parse", "HEAD"]);
    git(repository.0.path(), &["checkout", "--quiet", "-b", "side"]);
    repository.commit("aside");
    git(repository.0.path(), &["checkout", "--quiet", "main"]);
    let of = |more: &str| {
        Place::new(&format!(
            "requires: [{{configs: [deep], git: {{repo: '{}', path: deep, {more}}}}}]\n",
            repository.address()
        ))
    };
    let (main, side, tag, commit) =
        (of(""), of("ref: side"), of("ref: v1"), of(&format!("ref: {hash}")));
    let (left, missing) = (of("sync: false"), {
        let mut place = of("");
        place.variables.push(("SKAFFOLD_SYNC_REMOTE_CACHE", "missing".to_owned()));
        place
    });
    for (place, name) in [(&main, "first"), (&side, "aside"), (&tag, "first"), (&commit, "first")] {
        assert_eq!(place.images(), [name]);
    }
    assert_eq!((left.images(), missing.images()), (vec!["first".into()], vec!["first".into()]));

    repository.commit("second");
    assert_eq!(main.images(), ["second"], "it is brought up to date");
    assert_eq!(tag.images(), ["first"], "a tag stays");
    assert_eq!(commit.images(), ["first"], "and so does a commit");
    assert_eq!(left.images(), ["first"], "it is asked to be left alone");
    assert_eq!(missing.images(), ["first"], "and so is everything that is there");
    // What was rewritten there is what is here.
    git(repository.0.path(), &["checkout", "--quiet", "side"]);
    git(repository.0.path(), &["reset", "--quiet", "--hard", "v1"]);
    repository.commit("rewritten");
    assert_eq!(side.images(), ["rewritten"]);

    let mut never = of("");
    never.variables.push(("SKAFFOLD_SYNC_REMOTE_CACHE", "never".to_owned()));
    let said = never.read().err().unwrap();
    assert!(said.contains("it is not in the cache, and `--sync-remote-cache=never`"), "{said}");
}

#[test]
fn whoever_is_offline_has_the_repository_of_last_time() {
    let repository = Repository::new("first");
    let mut place = Place::new(&format!(
        "requires: [{{configs: [deep], git: {{repo: '{}', path: deep}}}}]\n",
        repository.address()
    ));
    place.offline = true;
    let said = place.read().err().unwrap();
    assert!(said.contains("`--offline` asks nobody"), "{said}");
    place.offline = false;
    assert_eq!(place.images(), ["first"]);
    // A folder of its own may hold the cache.
    let cache = tempfile::tempdir().unwrap();
    place.variables.push(("SKAFFOLD_REMOTE_CACHE_DIR", cache.path().display().to_string()));
    assert_eq!(place.images(), ["first"]);
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 1);
    place.variables.clear();

    repository.commit("second");
    place.offline = true;
    assert_eq!(place.images(), ["first"], "nobody is asked");
    place.offline = false;
    let away = repository.0.path().with_extension("away");
    std::fs::rename(repository.0.path(), &away).unwrap();
    let read = place.read().unwrap();
    assert!(read.notes.contains("is taken from the cache"), "{}", read.notes);
    assert_eq!(place.images(), ["first"]);
    std::fs::rename(&away, repository.0.path()).unwrap();
    assert_eq!(place.images(), ["second"]);
}

#[test]
fn a_reference_that_is_not_there_is_refused_where_it_stands() {
    let repository = Repository::new("first");
    let place = Place::new(&format!(
        "requires:\n- git:\n    repo: {}\n    path: deep\n    ref: nowhere\n",
        repository.address()
    ));
    let said = place.read().err().unwrap();
    assert!(said.contains("has no `nowhere`") && said.contains("skaffold.yaml:7"), "{said}");
    let place = Place::new(&format!(
        "requires:\n- git: {{repo: {}, path: elsewhere}}\n",
        repository.address()
    ));
    let said = place.read().err().unwrap();
    assert!(said.contains("`elsewhere` does not exist"), "{said}");
}

/// A web server of one file.
struct Server {
    address: String,
    /// What it has, with its entity tag; nothing: it says 404.
    file: Arc<Mutex<Option<(String, String)>>>,
    /// The status of each answer.
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (file, answers) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(vec![])));
        let own = Self { address, file: file.clone(), answers: answers.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &file, &answers);
            }
        });
        own
    }

    fn has(&self, text: &str, mark: &str) {
        *self.file.lock().unwrap() = Some((text.to_owned(), mark.to_owned()));
    }

    fn answered(&self) -> Vec<u16> {
        std::mem::take(&mut self.answers.lock().unwrap())
    }
}

fn answer(
    mut stream: TcpStream,
    file: &Mutex<Option<(String, String)>>,
    answers: &Mutex<Vec<u16>>,
) {
    let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    if lines.is_empty() {
        return;
    }
    let known = lines
        .iter()
        .find_map(|line| line.to_lowercase().strip_prefix("if-none-match: ").map(str::to_owned));
    let (status, head, body) = match &*file.lock().unwrap() {
        _ if lines[0].contains("/old") => (302, "location: new.yaml\r\n".to_owned(), String::new()),
        None => (404, String::new(), "not here".to_owned()),
        Some((_, mark)) if known.as_deref() == Some(mark) => (304, String::new(), String::new()),
        Some((text, mark)) => (200, format!("etag: {mark}\r\n"), text.clone()),
    };
    answers.lock().unwrap().push(status);
    let length =
        if status == 304 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let _ = write!(stream, "HTTP/1.1 {status} X\r\n{head}{length}connection: close\r\n\r\n{body}");
}

fn manifest(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

fn kept(read: &Outcome, folder: &Path) -> String {
    let line = read.lines.iter().find(|line| line.starts_with("manifests")).unwrap();
    let path = line.split_once(": ").unwrap().1;
    std::fs::read_to_string(PathBuf::from(path.replace("FOLDER", &folder.display().to_string())))
        .or_else(|_| std::fs::read_to_string(folder.join(path)))
        .unwrap()
}

#[test]
fn a_manifest_of_the_web_is_downloaded_when_it_changes() {
    let server = Server::start();
    let place =
        Place::new(&format!("manifests: {{rawYaml: ['{}/deep/old.yaml']}}\n", server.address));
    let folder = place.folder.path();
    server.has(&manifest("one"), "\"a\"");
    assert_eq!(kept(&place.read().unwrap(), folder), manifest("one"));
    assert_eq!(server.answered(), [302, 200]);
    assert_eq!(kept(&place.read().unwrap(), folder), manifest("one"));
    assert_eq!(server.answered(), [302, 304]);
    server.has(&manifest("two"), "\"b\"");
    assert_eq!(kept(&place.read().unwrap(), folder), manifest("two"));
    assert_eq!(server.answered(), [302, 200]);
    *server.file.lock().unwrap() = None;
    let said = place.read().err().unwrap();
    assert!(said.contains("the server says 404"), "{said}");
}

#[test]
fn whoever_is_offline_has_the_manifest_of_last_time() {
    let server = Server::start();
    let mut place =
        Place::new(&format!("manifests: {{rawYaml: ['{}/new.yaml']}}\n", server.address));
    server.has(&manifest("one"), "\"a\"");
    place.offline = true;
    let said = place.read().err().unwrap();
    assert!(said.contains("`--offline` asks nobody"), "{said}");
    assert!(server.answered().is_empty());
    place.offline = false;
    place.read().unwrap();
    assert_eq!(server.answered(), [200]);
    place.variables.push(("SKAFFOLD_OFFLINE", "true".to_owned()));
    assert_eq!(kept(&place.read().unwrap(), place.folder.path()), manifest("one"));
    assert!(server.answered().is_empty());
    place.variables.clear();

    // The same folder, but the server has gone.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        "apiVersion: skaffold/v4beta14\nkind: Config\nmanifests: {{rawYaml: ['http://{gone}/x.yaml']}}\n"
    );
    std::fs::write(place.folder.path().join("skaffold.yaml"), text).unwrap();
    let said = place.read().err().unwrap();
    assert!(said.contains("does not answer"), "{said}");
}
