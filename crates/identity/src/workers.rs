//! Threads for hashing, and for nothing else.
//!
//! They are as many as hashes may go on at once, and stand back behind every other thread of the machine: a
//! flood of sign-ins takes what is left over, and whoever is signed in is served first.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use crate::{Error, Result};

/// How far they stand back, as `nice` counts: of a core that both want, they get about a tenth.
const NICENESS: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;

/// The threads, which are started when the first hash is asked for and end with whoever holds this.
#[derive(Debug)]
pub(crate) struct Workers {
    at_once: usize,
    jobs: OnceLock<Sender<Job>>,
}

impl Workers {
    pub(crate) const fn new(at_once: usize) -> Self {
        Self { at_once, jobs: OnceLock::new() }
    }

    /// Has a thread do `work`, when one is free.
    ///
    /// # Errors
    /// [`Error::Hash`] when there is no thread, or it ended in the middle of the work.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let gone = || Error::Hash("its threads have ended".to_owned());
        let (done, answer) = tokio::sync::oneshot::channel();
        let job = move || {
            // Whoever lost patience does not listen any more.
            drop(done.send(work()));
        };
        let jobs = self.jobs.get_or_init(|| start(self.at_once));
        jobs.send(Box::new(job)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

fn start(at_once: usize) -> Sender<Job> {
    let (jobs, waiting) = mpsc::channel();
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..at_once {
        let waiting = Arc::clone(&waiting);
        let thread = thread::Builder::new().name("passwords".to_owned());
        if let Err(error) = thread.spawn(move || work(&waiting)) {
            tracing::warn!(%error, "a thread for passwords could not be started; others do its work");
        }
    }
    jobs
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    // Of this thread alone. Where that is not allowed, it stands back less.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a thread for passwords does not stand back");
    }
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Workers;

    #[tokio::test]
    async fn they_stand_back_and_nobody_else_does() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let workers = Workers::new(2);
        let (here, there) = (priority(), workers.run(priority).await.unwrap());
        assert_eq!(there, super::NICENESS.max(here));
        assert_eq!(priority(), here);
    }

    #[tokio::test]
    async fn a_thread_that_dies_is_told_of_and_not_waited_for() {
        let workers = Workers::new(1);
        assert!(workers.run(|| panic!("as a test wants it")).await.is_err());
        assert!(workers.run(|| ()).await.is_err());
    }
}
