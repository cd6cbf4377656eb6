//! A browser without a screen, if this machine has one.
//!
//! `RABI_BENCH_BROWSER` names it, and then it must be there, as in CI; else it is looked for under
//! the names Chromium has in distributions.

use std::path::{Path, PathBuf};
use std::process::Command;

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Makes the document in the frame the one that is handed back.
const SHOW_THE_FRAME: &str = "addEventListener('load', () => {
    const inner = document.querySelector('iframe').contentDocument.documentElement;
    document.replaceChild(document.importNode(inner, true), document.documentElement);
});";

/// Chromium.
pub struct Browser {
    program: PathBuf,
}

impl Browser {
    /// The browser of this machine. Says so if there is none.
    pub fn find() -> Option<Browser> {
        if let Some(program) = std::env::var_os("RABI_BENCH_BROWSER") {
            let program = PathBuf::from(program);
            return Some(Browser { program });
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let candidates = std::env::split_paths(&path).flat_map(|dir| NAMES.map(|name| dir.join(name)));
        let found = candidates.into_iter().find(|program| program.is_file());
        if found.is_none() {
            eprintln!("skipped: there is no Chromium in PATH; RABI_BENCH_BROWSER can name one");
        }
        found.map(|program| Browser { program })
    }

    /// What the document has become once the scripts of the page and then `script` have run, in a
    /// frame of that width: windows have a least width, which is more than a telephone's.
    pub fn document(&self, page: &Path, script: &str, width: u32) -> String {
        let html = std::fs::read_to_string(page).unwrap();
        let (before, after) = html.rsplit_once("</body>").unwrap();
        let probed = page.with_extension("probed.html");
        let framed = format!("{before}<script>{script}</script></body>{after}");
        let framed = framed.replace('&', "&amp;").replace('"', "&quot;");
        let frame = format!("<iframe width=\"{width}\" height=\"1000\" srcdoc=\"{framed}\"></iframe>");
        std::fs::write(&probed, format!("<!doctype html>{frame}<script>{SHOW_THE_FRAME}</script>")).unwrap();
        let profile = tempfile::tempdir().unwrap();
        let done = Command::new(&self.program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom"])
            .arg(format!("--window-size={},1000", width + 50))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("file://{}", probed.display()))
            .output()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.program.display()));
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{} ended with {}:\n{said}", self.program.display(), done.status);
        String::from_utf8(done.stdout).unwrap()
    }
}
