//! What holds data and is not looked at, because it lies elsewhere.

use store::DatabaseUrl;

/// What holds data and lies on no disk of this machine, as far as is known here. `managed` is an
/// address in the managed cluster, when that is where the control database lies.
///
/// A server beside it counts as elsewhere even when its address is this machine's: where such a
/// server keeps its files is not asked, and a forwarded port looks the same. The addresses stay
/// out of the words, which are published.
pub(crate) fn unseen<'a>(
    managed: Option<&DatabaseUrl>,
    protected: impl Iterator<Item = (&'a str, &'a DatabaseUrl)>,
    bucket: bool,
) -> Vec<String> {
    let place = |url: &DatabaseUrl| (url.host.clone(), url.port);
    let managed = managed.map(place);
    let elsewhere = protected.filter(|(_, url)| managed.as_ref() != Some(&place(url)));
    let control = managed.is_none().then(|| "the server of the control database".to_owned());
    let servers = elsewhere.map(|(name, _)| format!("the server of the database {name}"));
    let ring = bucket.then(|| "the bucket of the key ring".to_owned());
    control.into_iter().chain(servers).chain(ring).collect()
}

#[cfg(test)]
mod tests {
    use store::DatabaseUrl;

    use super::unseen;

    #[test]
    fn whatever_lies_on_another_server_or_in_a_bucket_is_named() {
        let url = |text: &str| DatabaseUrl::parse(text).unwrap();
        let inside = url("postgres://amanah@/amanah?host=/srv/data/socket&port=5433");
        let shop = url("postgres://shop@/shop?host=/srv/data/socket&port=5433");
        let (other, port) = (
            url("postgres://crm@db.example:5432/crm"),
            url("postgres://erp@/erp?host=/srv/data/socket&port=5434"),
        );
        let all = [("shop", &shop), ("crm", &other), ("erp", &port)];
        assert_eq!(unseen(Some(&inside), [("shop", &shop)].into_iter(), false), [""; 0]);
        assert_eq!(
            unseen(Some(&inside), all.into_iter(), true),
            [
                "the server of the database crm",
                "the server of the database erp",
                "the bucket of the key ring",
            ]
        );
        // Where the control database is elsewhere, there is no managed cluster for the others.
        assert_eq!(
            unseen(None, [("shop", &shop)].into_iter(), false),
            ["the server of the control database", "the server of the database shop"]
        );
    }
}
