//! What the two processes of an upgrade say to one another, and the descriptors that go with it.
//!
//! They speak over a pair of sockets without a name, one of which the new process finds as its standard
//! input: nobody else can connect. One message is one packet, which comes whole with its descriptors or not
//! at all. Descriptors that come in are closed when another program is started.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;

use anyhow::{Context as _, bail};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// The form of what is said here. Another number is not understood.
pub(crate) const FORM: u32 = 1;
/// The longest message, in bytes, and the most descriptors with one.
const MAX_BYTES: usize = 16 << 10;
const MAX_DESCRIPTORS: usize = 4;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Word {
    /// The new one is Amanah, and this is what it speaks.
    Hello { form: u32, version: String },
    /// What the new one needs to build its house. With it come the listeners: that for HTTPS, then those
    /// for plain HTTP and for keys, if there are such.
    Start {
        clear: bool,
        keys: bool,
        application: Option<SocketAddr>,
        upstream: Option<String>,
        attack: String,
    },
    /// The new one could serve from now on.
    Ready {},
    /// The old one does nothing any more that one alone may do. With it comes the lock of the data
    /// directory, and the sample application's input and process, if there is one.
    Yours {},
    /// The new one serves.
    Serving {},
    /// The new one does not, and ends.
    Failed { why: String },
}

/// One end. The types of a stream serve for packets too: what is sent and received goes by the calls below.
pub(crate) struct Channel(UnixStream);

/// Both ends of a new one: ours, and that for the new process.
pub(crate) fn pair() -> anyhow::Result<(Channel, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
    let (ours, theirs) = pair.context("two processes cannot be connected")?;
    Ok((Channel::of(ours)?, theirs))
}

impl Channel {
    /// # Errors
    /// When it is no socket of packets.
    pub(crate) fn of(end: OwnedFd) -> anyhow::Result<Self> {
        let kind = rustix::net::sockopt::socket_type(&end);
        if !matches!(kind, Ok(SocketType::SEQPACKET)) {
            bail!("the standard input is not what a running house hands over");
        }
        let end = StdStream::from(end);
        end.set_nonblocking(true)?;
        Ok(Self(UnixStream::from_std(end)?))
    }

    /// Says something, and gives the other side copies of descriptors with it.
    pub(crate) async fn say(&self, word: &Word, with: &[BorrowedFd<'_>]) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec(word)?;
        let sent = self.0.async_io(Interest::WRITABLE, || {
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !with.is_empty() && !control.push(SendAncillaryMessage::ScmRights(with)) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            // Who has gone is an error here, and not the end of this process.
            let flags = SendFlags::NOSIGNAL;
            Ok(sendmsg(self.0.as_fd(), &[IoSlice::new(&bytes)], &mut control, flags)?)
        });
        sent.await.context("the other process is gone")?;
        Ok(())
    }

    /// The next message and its descriptors.
    ///
    /// # Errors
    /// When the other side is gone, or says what is not understood.
    pub(crate) async fn hear(&self) -> anyhow::Result<(Word, Vec<OwnedFd>)> {
        let heard = self.0.async_io(Interest::READABLE, || receive(self.0.as_fd())).await;
        let (bytes, descriptors) = heard.context("the other process is gone")?;
        if bytes.is_empty() {
            bail!("the other process is gone");
        }
        let word = serde_json::from_slice(&bytes);
        Ok((word.context("the other process says what is not understood")?, descriptors))
    }
}

/// One packet, whole.
fn receive(end: BorrowedFd<'_>) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; MAX_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [IoSliceMut::new(&mut bytes)];
    let got = recvmsg(end, parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = message {
            descriptors.extend(more);
        }
    }
    if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::other("a message was too long"));
    }
    bytes.truncate(got.bytes);
    Ok((bytes, descriptors))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;

    use super::{Channel, MAX_BYTES, Word, pair};

    /// What is said arrives whole with its descriptors, which are others of the same thing; and the end of
    /// one side is heard.
    #[tokio::test]
    async fn a_message_comes_whole_with_its_descriptors() {
        let (ours, theirs) = pair().unwrap();
        let theirs = Channel::of(theirs).unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let word = Word::Hello { form: 1, version: "0.1.0".to_owned() };
        ours.say(&word, &[writer.as_fd()]).await.unwrap();
        ours.say(&Word::Ready {}, &[]).await.unwrap();
        drop(writer);
        let (heard, mut with) = theirs.hear().await.unwrap();
        assert_eq!((heard, with.len()), (word, 1));
        let flags = rustix::io::fcntl_getfd(&with[0]).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        std::fs::File::from(with.remove(0)).write_all(b"here").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "here");
        assert_eq!(theirs.hear().await.unwrap().0, Word::Ready {});
        drop(ours);
        assert!(theirs.hear().await.unwrap_err().to_string().contains("gone"));
        assert!(theirs.say(&Word::Ready {}, &[]).await.is_err());
    }

    /// What is too long or no message is refused, and so is another kind of socket.
    #[tokio::test]
    async fn what_is_not_understood_is_refused() {
        let (ours, theirs) = pair().unwrap();
        let theirs = Channel::of(theirs).unwrap();
        for packet in [&b"{\"say\":\"hello\"}"[..], b"x", &vec![b' '; MAX_BYTES + 1]] {
            rustix::net::send(&ours.0, packet, rustix::net::SendFlags::empty()).unwrap();
            assert!(theirs.hear().await.is_err());
        }
        let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Channel::of(stream.into()).is_err());
    }
}
