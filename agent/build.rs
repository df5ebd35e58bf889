//! Puts commit, date and features into the build. The date is the commit's, so that the same
//! sources give the same program at any time.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let features = std::env::var("CARGO_CFG_FEATURE").unwrap_or_default();
    let features: Vec<&str> =
        features.split(',').filter(|it| !it.is_empty() && *it != "default").collect();
    println!("cargo::rustc-env=LOADLINE_FEATURES={}", features.join(" "));
    // Without git, or in a folder of another project, the commit is unknown.
    if git(&["rev-parse", "--show-prefix"]).as_deref() != Some("agent/") {
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
