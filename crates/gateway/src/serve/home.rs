//! The way of a request for a page of our own, once it is known who asks and that they may.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use kernel::{Identity, Peer};
use tokio::time::timeout;

use super::{Asked, DECIDED_WITHIN, Shared};
use crate::Payer;
use crate::attack::{Gauge, Lane};
use crate::bodies::Share;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::who::Shown;

/// What a request for a page of ours may take.
pub(super) struct Room<'a> {
    /// The places inside of which it needs one, while strangers are shed.
    pub(super) lane: Option<Lane>,
    pub(super) gauge: &'a Arc<Gauge>,
    /// The largest body, in bytes.
    pub(super) limit: usize,
    /// Whether it is a directory's.
    pub(super) directory: bool,
}

impl Shared {
    /// What a page of ours answers, once its body is here.
    pub(super) async fn own(
        &self,
        asked: &mut Asked,
        shown: Option<&Shown>,
        identity: Option<Arc<Identity>>,
        room: Room<'_>,
    ) -> Result<Response<Reply>, Refusal> {
        let inside = self.enter(room.lane, room.gauge)?;
        let share = match self.admit(asked, room.directory).await? {
            Ok(share) => share,
            Err(answer) => return Ok(Reply::whole(answer)),
        };
        // A place is not held by a body, which may take as long as its sender likes.
        drop(inside);
        let waited = asked.body.is_some();
        let body = self.body(asked, room.limit, share).await?;
        let (body, _share) = body.joined().await?;
        // Nor need what held when its head came hold any more.
        let identity =
            if waited { self.identity(shown, asked.parts.uri.path()).await? } else { identity };
        let _inside = self.enter(room.lane, room.gauge)?;
        self.page_of_ours(asked, body, identity).await
    }

    /// A page of ours. Its panic is ours to answer for, not the connection's end.
    async fn page_of_ours(
        &self,
        asked: &Asked,
        body: Bytes,
        identity: Option<Arc<Identity>>,
    ) -> Result<Response<Reply>, Refusal> {
        let mut request = Request::from_parts(asked.parts.clone(), body);
        request.extensions_mut().insert(Peer(asked.peer.ip().to_canonical()));
        let nonce = self.give_nonce(request.headers_mut());
        let page = self.at_home(self.ports.own.handle(request, identity));
        let page = timeout(self.own_deadline, AssertUnwindSafe(page).catch_unwind());
        let page = page.await.map_err(|_| Refusal::OwnSlow)?;
        let mut page = page.map_err(|_| Refusal::Broken)?;
        page.extensions_mut().insert(nonce);
        Ok(Reply::whole(page))
    }

    /// The share that the body of a request for a page of ours is counted to, if it is anybody's.
    /// Whoever shows no good token of a directory does not get as far as sending one: the answer that
    /// they get instead.
    async fn admit(
        &self,
        asked: &Asked,
        directory: bool,
    ) -> Result<Result<Option<Share>, Response<Bytes>>, Refusal> {
        if !directory || asked.body.is_none() {
            return Ok(Ok(None));
        }
        let admitted = self.ports.own.admit(&asked.parts, asked.peer.ip().to_canonical());
        let admitted = self.at_home(admitted);
        let admitted = timeout(DECIDED_WITHIN, AssertUnwindSafe(admitted).catch_unwind()).await;
        let admitted = admitted.map_err(|_| Refusal::Undecided)?.map_err(|_| Refusal::Broken)?;
        let share = |payer: Payer| self.directory_bodies.share(&payer.token, &payer.tenant);
        Ok(admitted.map(|payer| Some(share(payer))))
    }
}
