//! Failures of builds.

use super::{failure, mended, times_told};
use crate::support::{Project, Wharf, output};

/// A name that an image has in the Engine for as long as the test lasts.
struct Tag(String);

impl Drop for Tag {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rmi", &self.0]).output();
    }
}

#[test]
#[ignore = "needs a cluster"]
fn a_dockerfile_that_cannot_be_built() {
    let project = Project::hello();
    project.edit("Dockerfile", "FROM ", "FORM ");
    let mut wharf = Wharf::start(&project, &["dev"]);
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    hello  failed to build: Dockerfile:1 `FORM python:3.11-slim`
      dockerfile parse error line 1: unknown instruction: FORM
      full log: HOME/STATE/hello/builds/hello.log
    help: did you mean `FROM`?
    help: see the full log: `wharf logs --build hello`
    [wharf::build::step_failed]
    ");
    assert_ne!(wharf.round(), 0);

    let good = "FROM python:3.11-slim\nWORKDIR /app\nCOPY app.py .\n";
    let end = "CMD [\"python\", \"app.py\"]\n";
    let run = "RUN for i in 1 2; do echo line $i; sleep .2; echo bad luck $i >&2; sleep .2; done; \\\n  exit 3\n";
    project.write("Dockerfile", &format!("{good}{run}{end}"));
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    hello  failed to build: Dockerfile:4 `RUN for i in 1 2; do echo line $i; sleep .2; echo bad luck $i >&2; sleep .2; done; exit 3` exited with 3
      line 1
      bad luck 1
      line 2
      bad luck 2
      full log: HOME/STATE/hello/builds/hello.log
    help: see the full log: `wharf logs --build hello`
    [wharf::build::command_failed]
    ");
    assert_ne!(wharf.round(), 0);

    // A container has a small file system of its own in its memory.
    let full = "RUN dd if=/dev/zero of=/dev/shm/large bs=1M count=1000 status=none\n";
    project.write("Dockerfile", &format!("{good}{full}{end}"));
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    hello  failed to build: Dockerfile:4 `RUN dd if=/dev/zero of=/dev/shm/large bs=1M count=1000 status=none` exited with 1
      dd: error writing '/dev/shm/large': No space left on device
      full log: HOME/STATE/hello/builds/hello.log
    help: see what fills the disk of Docker: `docker system df`
    help: free what earlier builds have kept: `docker builder prune`
    help: see the full log: `wharf logs --build hello`
    [wharf::build::command_failed]
    ");
    assert_ne!(wharf.round(), 0);

    let base = Tag(format!("no-such.invalid/{}:1", project.namespace()));
    let named = format!("{good}{end}").replace("python:3.11-slim", &base.0);
    project.write("Dockerfile", &named);
    let told = failure(&mut wharf, &project);
    let asked = regex::Regex::new(r"lookup (\S+)( on \S+)?: .*").expect("it is a pattern");
    insta::assert_snapshot!(asked.replace(&told, "lookup $1: …"), @r#"
    hello  failed: base image `no-such.invalid/NAMESPACE:1` of `hello` cannot be found
      Docker does not have it, and its registry is out of reach: Get "https://no-such.invalid/v2/": dial tcp: lookup no-such.invalid: …
    help: try it: `docker pull no-such.invalid/NAMESPACE:1`; once it is there, the build goes on
    [wharf::build::no_base]
    "#);
    assert_ne!(wharf.round(), 0);
    // As it was told, and nothing is saved.
    output("docker", &["tag", "python:3.11-slim", &base.0]);
    mended(&mut wharf);
    assert_eq!(wharf.told("hello", "built"), 1);

    assert_eq!(times_told(&wharf, "wharf::build::step_failed"), 1);
    assert_eq!(times_told(&wharf, "wharf::build::command_failed"), 2);
    assert_eq!(times_told(&wharf, "wharf::build::no_base"), 1);
    assert_eq!(wharf.interrupt(), Some(0));
}
