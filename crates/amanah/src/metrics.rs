//! Every room's measurements as one text.

use std::fmt::Write as _;
use std::sync::Arc;

use claims::{Engine, Page};
use gateway::{Certificates, Metrics};
use identity::SessionVitals;
use keys::Keys;

use crate::sealing::Sealers;
use crate::witnesses::Witnesses;

/// The measurements of the claims on `pages`, of the gateway, of the keys, of the trails and of
/// letters, as `OpenMetrics` text.
pub(crate) async fn text(
    engine: &Engine,
    pages: &[Arc<Page>],
    (gateway, certificates, sessions): (&Metrics, &Certificates, SessionVitals),
    keys: &Keys,
    (seals, witnesses): (&Sealers, &Witnesses),
    mail: Vec<(&'static str, &'static str, u64)>,
) -> String {
    let mut reports = Vec::new();
    for page in pages {
        match engine.report(page, None).await {
            Ok(report) => reports.push(report),
            Err(error) => tracing::warn!(%error, page = page.name, "no metrics of this page"),
        }
    }
    let mut text = engine.metrics(&reports).unwrap_or_default();
    let own = |label: Option<(&'static str, &str)>| {
        Vec::from_iter(label.map(|(name, value)| (name, value.to_owned())))
    };
    let gateway = gateway.snapshot().into_iter().map(|r| (r.name, r.help, own(r.label), r.value));
    let keys = keys.readings().into_iter().map(|r| (r.name, r.help, own(r.label), r.value));
    let seals = seals.readings().into_iter();
    let seals = seals.map(|(name, help, log, value)| (name, help, vec![("log", log)], value));
    let gateway = gateway.chain(of_certificates(certificates));
    let told = gateway.chain(of_sessions(sessions)).chain(keys).chain(seals);
    let mail = mail.into_iter().map(|(name, help, value)| (name, help, Vec::new(), value));
    let mut last = "";
    for (name, help, labels, value) in told.chain(witnesses.readings()).chain(mail) {
        // OpenMetrics names a counter without the suffix that its samples have.
        let family = name.strip_suffix("_total").unwrap_or(name);
        let kind = if family == name { "gauge" } else { "counter" };
        // Writing to a `String` cannot fail.
        if family != last {
            let _ = writeln!(text, "# HELP amanah_{family} {help}.");
            let _ = writeln!(text, "# TYPE amanah_{family} {kind}");
            last = family;
        }
        let labels: Vec<String> = labels.iter().map(|(name, value)| label(name, value)).collect();
        let labels = match &labels[..] {
            [] => String::new(),
            some => format!("{{{}}}", some.join(",")),
        };
        let _ = writeln!(text, "amanah_{name}{labels} {value}");
    }
    text.push_str("# EOF\n");
    text
}

/// One reading: name, help, labels, value.
type Reading = (&'static str, &'static str, Vec<(&'static str, String)>, u64);

fn of_certificates(certificates: &Certificates) -> impl Iterator<Item = Reading> {
    let (reloaded, refused) = certificates.reloads();
    let plain = [
        ("gateway_certificates_reloaded_total", "Certificates that were read anew", reloaded),
        (
            "gateway_certificates_refused_total",
            "New files of certificates that were not taken",
            refused,
        ),
    ];
    let plain = plain.into_iter().map(|(name, help, value)| (name, help, Vec::new(), value));
    plain.chain(certificates.presented().into_iter().map(|one| {
        let help = "When a certificate ends, in seconds since 1970";
        let file = one.file.display().to_string();
        let until = u64::try_from(one.until.as_second()).unwrap_or_default();
        ("gateway_certificate_ends_seconds", help, vec![("file", file)], until)
    }))
}

fn of_sessions(vitals: SessionVitals) -> impl Iterator<Item = Reading> {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let plain = [
        ("sessions_kept", "Decisions about sessions in memory", count(vitals.kept)),
        ("sessions_from_memory_total", "Sessions decided from memory", vitals.from_memory),
        ("sessions_asked_total", "Sessions asked of the database", vitals.asked),
        (
            "sessions_unwritten",
            "Uses of sessions that are to be written down",
            count(vitals.unwritten),
        ),
        ("sessions_notices_total", "Ends that were heard of", vitals.notices),
    ];
    let silent = vitals.silent.map(|silent| {
        let help = "Since when nothing is heard of what others end; absent when nobody listens";
        let millis = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
        ("sessions_silent_milliseconds", help, millis)
    });
    let mut sum = 0;
    let beats = vitals.beats.into_iter().map(move |(most, some)| {
        sum += some;
        let most = most.map_or_else(|| "+Inf".to_owned(), |ms| ms.to_string());
        let help = "Beats by the most milliseconds from being sent to being heard, as an end is";
        ("sessions_beats_total", help, vec![("within_ms", most)], sum)
    });
    plain
        .into_iter()
        .chain(silent)
        .map(|(name, help, value)| (name, help, Vec::new(), value))
        .chain(beats)
}

/// What is measured may be called as somebody else calls it.
fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{name}=\"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn a_name_stays_within_its_quotes() {
        assert_eq!(label("witness", "w.example/1"), r#"witness="w.example/1""#);
        assert_eq!(label("witness", "a\"} 1 \\"), "witness=\"a\\\"} 1 \\\\\"");
    }
}
