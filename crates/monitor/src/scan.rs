//! One search through everything that must hold no secret.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use kernel::{Finding, Population, Secret};

use crate::allow::{ALLOW_FILE, Allowed};
use crate::detect::{Detectors, Hit, Text};
use crate::needles::{IN_USE, Needles};
use crate::planted::is_planted;
use crate::{files, private, processes};

/// Where to look, and for what. Paths that are relative are so to the working directory.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Configuration files.
    pub configs: Vec<PathBuf>,
    /// Folders that are searched with everything in them: the checkout, the installed program.
    pub roots: Vec<PathBuf>,
    /// Folders inside the roots that are not entered: those with data.
    pub skip: Vec<PathBuf>,
    /// Files and folders that hold secrets, which nobody else may open.
    pub private: Vec<PathBuf>,
    /// The secrets in use. They must be in no file and on no command line.
    pub in_use: Vec<Secret>,
    /// A folder in which a bite may plant files; it is made if it is missing.
    pub scratch: PathBuf,
}

/// How many findings one search reports.
const MAX_FINDINGS: usize = 200;
/// How many bytes one search reads in all; files beyond it count as not checked.
const MAX_TOTAL_BYTES: usize = 2 << 30;
/// Of how many bytes of a secret without a public form one is shown.
const SHOW_ONE_IN: usize = 8;
/// How many characters of a secret are shown at most.
const SHOW_MAX: usize = 4;

/// What a search came back with.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) files: usize,
    pub(crate) command_lines: usize,
    pub(crate) findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub(crate) unchecked: Vec<String>,
    /// What the reader should know besides.
    pub(crate) notes: Vec<String>,
    allowed: usize,
    bytes: usize,
}

/// What to look with.
pub(crate) struct Search<'s> {
    pub(crate) scan: &'s Scan,
    pub(crate) detectors: &'s Detectors,
    /// Looks at the command line of this process alone: a bite's own. Otherwise what bites
    /// planted is passed over.
    pub(crate) only: Option<u32>,
    /// Set when nobody waits for the result any more.
    pub(crate) stop: &'s AtomicBool,
}

impl Search<'_> {
    /// Looks at everything. It blocks: run it where that is no harm.
    pub(crate) fn run(&self) -> Report {
        let mut report = Report::default();
        let needles = Needles::new(&self.scan.in_use);
        let mut seen = BTreeSet::new();
        for config in &self.scan.configs {
            if let Some(path) = report.resolve(config)
                && seen.insert(path.clone())
            {
                let shown = config.display().to_string();
                self.file(&path, &shown, Text::Settings, &needles, None, &mut report);
            }
        }
        for root in &self.scan.roots {
            self.root(root, &needles, &mut seen, &mut report);
        }
        match processes::own_user() {
            Ok(own_user) => {
                self.processes(own_user, &needles, &mut report);
                self.private(own_user, &mut report);
            }
            Err(why) => report.unchecked.push(why),
        }
        report.remark(self.scan, &needles);
        report
    }

    fn root(
        &self,
        root: &Path,
        needles: &Needles<'_>,
        seen: &mut BTreeSet<PathBuf>,
        report: &mut Report,
    ) {
        let Some(path) = report.resolve(root) else {
            return;
        };
        let skip: Vec<PathBuf> = self
            .scan
            .skip
            .iter()
            // One that is not there needs no skipping.
            .filter_map(|skip| skip.canonicalize().ok())
            .collect();
        let listing = files::list(&path, &skip);
        report.unchecked.extend(listing.unchecked);
        let mut allowed = match files::read(&path.join(ALLOW_FILE)) {
            Ok(list) => Allowed::parse(&String::from_utf8_lossy(&list.unwrap_or_default())),
            // Nothing is allowed then; the file itself is told among the unchecked below.
            Err(_) => Allowed::default(),
        };
        for file in listing.files {
            let below = file.strip_prefix(&path).unwrap_or(&file).to_path_buf();
            let shown = below.display().to_string();
            let kind = if files::is_settings(&below) { Text::Settings } else { Text::Source };
            if seen.insert(file.clone()) {
                let list = Some((&mut allowed, &*below));
                self.file(&file, &shown, kind, needles, list, report);
            }
        }
        for line in &allowed.unreadable {
            report.notes.push(format!(
                "line {line} of {ALLOW_FILE} cannot be read and allows nothing: write PATH:DIGEST \
                 REASON"
            ));
        }
        if allowed.unused() > 0 {
            let unused = allowed.unused();
            let note = format!("{unused} lines of {ALLOW_FILE} allow nothing that is there");
            report.notes.push(note);
        }
    }

    fn file(
        &self,
        path: &Path,
        shown: &str,
        kind: Text,
        needles: &Needles<'_>,
        mut allowed: Option<(&mut Allowed, &Path)>,
        report: &mut Report,
    ) {
        if self.stop.load(Ordering::Relaxed) || report.bytes > MAX_TOTAL_BYTES {
            report.unchecked.push(format!("{shown}: the search ended before it"));
            return;
        }
        let bytes = match files::read(path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(why) => return report.unchecked.push(why),
        };
        report.files += 1;
        report.bytes = report.bytes.saturating_add(bytes.len());
        let place = |at| format!("{shown}:{}", line_of(&bytes, at));
        let used = needles.search(&bytes);
        for (at, secret) in &used {
            report.find(place(*at), IN_USE, secret, false);
        }
        if !files::is_text(&bytes) {
            return;
        }
        for hit in self.detectors.search(&bytes, kind) {
            if is_among(&hit, &used) {
                continue;
            }
            let on_list =
                allowed.as_mut().is_some_and(|(list, below)| list.allows(below, hit.secret));
            if on_list {
                report.allowed += 1;
            } else {
                report.find(place(hit.at), hit.detector, hit.secret, hit.public_prefix);
            }
        }
    }

    fn processes(&self, own_user: u32, needles: &Needles<'_>, report: &mut Report) {
        let found = match processes::list(own_user, self.only) {
            Ok(found) => found,
            Err(why) => return report.unchecked.push(why),
        };
        report.unchecked.extend(found.unchecked);
        for process in found.all {
            report.command_lines += 1;
            let place = format!("command line of process {} ({})", process.id, process.name);
            let used = needles.search(&process.arguments);
            for (_, secret) in &used {
                report.find(place.clone(), IN_USE, secret, false);
            }
            let kind = if process.ours { Text::Arguments } else { Text::Foreign };
            for hit in self.detectors.search(&process.arguments, kind) {
                let of_a_bite = self.only.is_none() && is_planted(&process.arguments, hit.secret);
                if !of_a_bite && !is_among(&hit, &used) {
                    report.find(place.clone(), hit.detector, hit.secret, hit.public_prefix);
                }
            }
        }
    }

    fn private(&self, own_user: u32, report: &mut Report) {
        for path in &self.scan.private {
            match private::check(path, own_user) {
                Ok(finding) => {
                    report.files += 1;
                    report.findings.extend(finding);
                }
                Err(why) => report.unchecked.push(why),
            }
        }
    }
}

impl Report {
    /// How much was looked at, of how much there was.
    pub(crate) fn population(&self) -> Population {
        let checked = self.files + self.command_lines;
        let total = checked + self.unchecked.len();
        Population::new(checked, total, "files and command lines")
    }

    fn resolve(&mut self, path: &Path) -> Option<PathBuf> {
        path.canonicalize()
            .map_err(|e| self.unchecked.push(format!("{}: {e}", path.display())))
            .ok()
    }

    fn find(&mut self, place: String, detector: &str, secret: &[u8], public_prefix: bool) {
        if self.findings.len() >= MAX_FINDINGS {
            return;
        }
        let what = format!("holds a secret ({detector}, {})", shown(secret, public_prefix));
        let fix = "Take it out, give it through the environment, and replace it: whoever could \
                   read it has it. Only a published sample may go on the list of what is allowed";
        self.findings.push(Finding::new(place, what).fix(fix));
    }

    fn remark(&mut self, scan: &Scan, needles: &Needles<'_>) {
        if scan.roots.is_empty() {
            self.notes.push("no source was at hand to be searched".to_owned());
        }
        if needles.too_short > 0 {
            self.notes.push(format!(
                "{} of {} secrets in use are too short to be looked for",
                needles.too_short,
                scan.in_use.len()
            ));
        }
        if self.allowed > 0 {
            self.notes.push(format!("{} samples are on the allow list", self.allowed));
        }
    }
}

/// Whether a hit by form is only another view of a secret that is in use.
fn is_among(hit: &Hit<'_>, used: &[(usize, &[u8])]) -> bool {
    used.iter().any(|(at, secret)| {
        *at < hit.at + hit.secret.len() && hit.at < at.saturating_add(secret.len())
    })
}

/// The number of the line at an offset in bytes.
fn line_of(bytes: &[u8], at: usize) -> usize {
    1 + bytes.iter().take(at).filter(|byte| **byte == b'\n').count()
}

/// The beginning of a secret: enough to recognise it, not enough to be of use.
fn shown(secret: &[u8], public_prefix: bool) -> String {
    let many = if public_prefix { SHOW_MAX } else { SHOW_MAX.min(secret.len() / SHOW_ONE_IN) };
    let start: Vec<u8> = secret.iter().copied().take(many).collect();
    format!("{}…, {} bytes", start.escape_ascii(), secret.len())
}

#[cfg(test)]
mod tests;
