//! A tenant's files, into an archive and out of one. Whoever stores them is behind a port of the
//! kernel; they are opened on the way in and sealed again, under the new tenant's own key, on the way
//! out.

use std::io::Read;

use kernel::{
    Condition, FileCard, FileFault, FileName, Listing, MAX_FILES_LISTED, NewFile, TenantFiles,
    TenantId, hex,
};
use sha2::{Digest as _, Sha256};

use super::{File, Reader, Text, Writer};
use crate::fleet::made::Made;
use crate::{Error, Result};

/// Writes every file of a tenant. One that is removed meanwhile is left out.
pub(in super::super) async fn write(
    files: &dyn TenantFiles,
    tenant: &TenantId,
    writer: &mut Writer<'_>,
) -> Result<Vec<File>> {
    let (mut written, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let which = Listing { prefix: "", cursor: cursor.as_deref(), limit: MAX_FILES_LISTED };
        let page = files.list(tenant, which).await.map_err(|why| fault("(the list)", why))?;
        for card in page.files {
            written.extend(write_one(files, tenant, &card, (written.len() + 1, writer)).await?);
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(written),
        }
    }
}

async fn write_one(
    files: &dyn TenantFiles,
    tenant: &TenantId,
    card: &FileCard,
    (at, writer): (usize, &mut Writer<'_>),
) -> Result<Option<File>> {
    let failed = |why| fault(&card.name.to_string(), why);
    let mut reader = match files.read(tenant, &card.name).await {
        Ok(reader) => reader,
        Err(FileFault::Missing) => return Ok(None),
        Err(why) => return Err(failed(why)),
    };
    // It may have been replaced since it was listed.
    let card = reader.card().clone();
    let mut parts = writer.text(Text::File(at));
    let (mut bytes, mut digest) = (0, Sha256::new());
    while bytes < card.bytes {
        let piece = reader.next(bytes..card.bytes).await.map_err(failed)?;
        digest.update(&piece);
        parts.take(&piece)?;
        bytes += piece.len() as u64;
    }
    parts.end()?;
    let (name, content_type) = (card.name.as_str().to_owned(), card.content_type);
    let (created_at, sha256) = (card.created_at, hex(&digest.finalize()));
    if sha256 != card.sha256 {
        return Err(failed(FileFault::Damaged));
    }
    Ok(Some(File { name, content_type, created_at, bytes, sha256 }))
}

/// Makes files of a tenant that has none, and notes each before it is one.
pub(in super::super) async fn make<R: Read + Send>(
    files: &dyn TenantFiles,
    made: Made<'_>,
    all: &[File],
    reader: &mut Reader<R>,
) -> Result<()> {
    for (at, file) in all.iter().enumerate() {
        let failed = |why| fault(&file.name.escape_debug().to_string(), why);
        let name = FileName::new(file.name.clone()).map_err(failed)?;
        let (content_type, bytes) = (file.content_type.clone(), Some(file.bytes));
        let new = NewFile { content_type, bytes, condition: Condition::Absent };
        let mut writer = files.write(made.tenant, &name, new).await.map_err(failed)?;
        let mut number = 0;
        while let Some(piece) = reader.part(Text::File(at + 1), number + 1)? {
            number += 1;
            writer.push(&piece).await.map_err(failed)?;
        }
        made.note(&name, &writer.etag()).await?;
        let written = writer.finish().await.map_err(failed)?;
        if (written.card.bytes, &written.card.sha256) != (file.bytes, &file.sha256) {
            return Err(Error::Archive("it changed while it was read".to_owned()));
        }
    }
    Ok(())
}

/// Whether a tenant has files.
pub(in super::super) async fn has(files: &dyn TenantFiles, tenant: &TenantId) -> Result<bool> {
    let which = Listing { prefix: "", cursor: None, limit: 1 };
    let page = files.list(tenant, which).await.map_err(|why| fault("(the list)", why))?;
    Ok(!page.files.is_empty())
}

fn fault(name: &str, why: FileFault) -> Error {
    Error::File { name: name.to_owned(), why }
}
