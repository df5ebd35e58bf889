/// Text of `--version` after the program's name: the version, then in brackets the commit, if known,
/// and the features that were built in.
///
/// ```
/// let text = loadline_common::version_text("1.2.3", &[("metrics", false), ("tls", true)]);
/// assert!(text.starts_with("1.2.3 (") && text.ends_with("tls)"));
/// ```
#[must_use]
pub fn version_text(version: &str, features: &[(&str, bool)]) -> String {
    let names = features.iter().filter(|(_, is_built)| *is_built).map(|(name, _)| *name);
    let names = names.collect::<Vec<_>>().join(" ");
    let parts = [option_env!("LOADLINE_COMMIT").unwrap_or_default(), &names];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { version.to_owned() } else { format!("{version} ({})", parts.join("; ")) }
}
