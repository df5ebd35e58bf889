//! Puts commit and date into the build. The date is the commit's, so that the same sources give the
//! same programs at any time.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Without git, or in a folder of another project, the commit is unknown.
    if git(&["rev-parse", "--show-prefix"]).as_deref() != Some("common/") {
        return;
    }
    if let Some((commit, date)) = git(&["log", "-1", "--abbrev=7", "--format=%h %cs"])
        .as_deref()
        .and_then(|it| it.split_once(' '))
    {
        println!("cargo::rustc-env=LOADLINE_COMMIT={commit}, {date}");
        println!("cargo::rustc-env=LOADLINE_COMMIT_DATE={date}");
    }
    // Files that change with the commit. A missing file would rerun this script at each build.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        let path = git(&["rev-parse", "--git-path", name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// Returns the output of git, if git succeeds.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
