//! Passes the names of the enabled features to the program, for `--version`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let features = std::env::var("CARGO_CFG_FEATURE").unwrap_or_default();
    let features: Vec<&str> =
        features.split(',').filter(|it| !it.is_empty() && *it != "default").collect();
    println!("cargo::rustc-env=LOADLINE_FEATURES={}", features.join(" "));
}
