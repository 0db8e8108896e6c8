//! Failures of builds.

use super::{failure, mended, times_told};
use crate::support::{Project, Wharf};

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
    let run = "RUN for i in 1 2 3; do echo line $i; done; \\\n  echo no luck; exit 3\n";
    project.write("Dockerfile", &format!("{good}{run}{end}"));
    insta::assert_snapshot!(failure(&mut wharf, &project), @r"
    hello  failed to build: Dockerfile:4 `RUN for i in 1 2 3; do echo line $i; done; echo no luck; exit 3` exited with 3
      line 1
      line 2
      line 3
      no luck
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
    help: see the full log: `wharf logs --build hello`
    [wharf::build::command_failed]
    ");
    assert_ne!(wharf.round(), 0);

    project.write(
        "Dockerfile",
        &format!("{good}{end}").replace("python:3.11-slim", "no-such.invalid/python:1"),
    );
    let told = failure(&mut wharf, &project);
    let asked = regex::Regex::new(r"lookup (\S+)( on \S+)?: .*").expect("it is a pattern");
    insta::assert_snapshot!(asked.replace(&told, "lookup $1: …"), @r#"
    hello  failed: base image `no-such.invalid/python:1` of `hello` cannot be found
      Docker does not have it, and its registry is out of reach: Get "https://no-such.invalid/v2/": dial tcp: lookup no-such.invalid: …
    help: try it: `docker pull no-such.invalid/python:1`
    [wharf::build::no_base]
    "#);
    assert_ne!(wharf.round(), 0);

    project.write("Dockerfile", &format!("{good}{end}"));
    mended(&mut wharf);
    assert_eq!(times_told(&wharf, "wharf::build::step_failed"), 1);
    assert_eq!(times_told(&wharf, "wharf::build::command_failed"), 2);
    assert_eq!(times_told(&wharf, "wharf::build::no_base"), 1);
    assert_eq!(wharf.interrupt(), Some(0));
}
