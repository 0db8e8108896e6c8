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
    hello: `hello` failed to build: Dockerfile:1 `FORM python:3.11-slim`
      dockerfile parse error line 1: unknown instruction: FORM
      full log: HOME/STATE/hello/builds/hello.log
    help: see the full log: `wharf logs --build hello`
    [wharf::build::step_failed]
    ");
    assert_ne!(wharf.round(), 0);
    project.edit("Dockerfile", "FORM ", "FROM ");
    mended(&mut wharf);
    assert_eq!(times_told(&wharf, "wharf::build::step_failed"), 1);
    assert_eq!(wharf.interrupt(), Some(0));
}
