//! Requests that are under way at the same time: a thread for each hand of an engine that has
//! several. Knows no source, and nothing of whose turn it is: it gets jobs and gives them back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use vlm::{Cancel, Reply, Reuse, Steadiness, Stop, Tiling};

use crate::base::thread::Thread;
use crate::engine::prefix::{Prefix, PrefixCost};
use crate::engine::{Engine, EngineError, Limits, Shown, Task, Turn};
use crate::live::asides::{Asides, Heard};
use crate::live::events::{Event, Question, Told};
use crate::live::frame::Frame;
use crate::live::host::{Trouble, guarded};
use crate::live::opened::Opened;
use crate::live::outbox::Outbox;
use crate::live::talks::Beside;
use crate::live::view::Candidate;

/// How long the end of the lanes waits for them. They need a tenth of a second once their flags are
/// raised; only an engine that breaks its promise takes longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request of a view.
pub struct Job {
    pub view: usize,
    pub what: What,
    /// The number of the scene that its frame shows, if that is the view's own.
    pub scene: Option<u64>,
    pub reuse: Reuse,
    pub prefix: Arc<Prefix>,
    pub tiling: Tiling,
    pub prompt: String,
    pub max_tokens: usize,
    pub asides: Arc<Asides>,
    pub steady: Option<Steadiness>,
    pub keep_views: bool,
    pub cancel: Cancel,
    pub began: Instant,
}

/// What is to be told.
pub enum What {
    Caption(Candidate),
    Answer(Question),
}

impl Job {
    /// What its text belongs to.
    pub fn of(&self) -> Told {
        match &self.what {
            What::Caption(next) => Told::Caption { frame: next.seen.frame.id },
            What::Answer(question) => Told::Answer(question.id),
        }
    }

    fn frame(&self) -> &Arc<Frame> {
        match &self.what {
            What::Caption(next) => &next.seen.frame,
            What::Answer(question) => &question.frame,
        }
    }

    /// Has an engine do it; `opened` is what the view has open there.
    pub fn carry_out(
        &self,
        engine: &mut dyn Engine,
        opened: &mut Opened,
        outbox: &mut Outbox,
    ) -> Result<Outcome, EngineError> {
        let shown = Shown { pictures: &[&self.frame().image], scene: self.scene, reuse: self.reuse };
        let view = opened.view(engine, &self.prefix, self.tiling)?;
        let limits = Limits::tokens(self.max_tokens);
        if let What::Answer(question) = &self.what {
            let beside = Beside { view, prefix: &self.prefix, tiling: self.tiling };
            let on_text = &mut |piece: &str| outbox.text(self.view, self.of(), piece);
            let reply = opened.talks.answer(engine, question, (beside, shown), limits, &self.cancel, on_text)?;
            return Ok(Outcome { reply, cost: engine.prefix_cost(view) });
        }
        let task = Task::Caption { shown, instruction: &self.prompt };
        let turn = Turn { view, task, limits: Limits { keeps: false, ..limits } };
        opened.asked.set(&self.asides);
        let mut is_looked_at = false;
        let about = (self.frame(), self.steady);
        let reply = opened.asked.tell(engine, turn, about, &self.cancel, &mut |heard| match heard {
            Heard::Text(piece) => {
                is_looked_at = true;
                outbox.text(self.view, self.of(), piece);
            }
            Heard::Scores(scored) => {
                is_looked_at = true;
                outbox.send(Some(self.view), Event::Scored(scored));
            }
            Heard::Refused(message) => outbox.send(Some(self.view), Event::NotScored { message }),
        })?;
        // Also of a caption that was cut short: its scores count.
        if self.keep_views
            && (is_looked_at || reply.stop != Stop::Cancelled)
            && let Some(features) = engine.features(view)?
        {
            outbox.send(Some(self.view), Event::Viewed { frame: Arc::clone(self.frame()), features });
        }
        Ok(Outcome { reply, cost: engine.prefix_cost(view) })
    }
}

/// What a job gives.
pub struct Outcome {
    pub reply: Reply,
    /// What the view's prefix costs, where the engine knows.
    pub cost: Option<PrefixCost>,
}

/// A job that is over, and what came of it.
pub struct Done {
    pub job: Job,
    pub told: Result<Outcome, Trouble>,
}

/// The threads. Dropping them stops what runs.
pub struct Lanes {
    jobs: Option<Sender<Job>>,
    taken: Receiver<Job>,
    sender: Sender<Done>,
    done: Receiver<Done>,
    threads: Vec<Thread>,
    /// The flags of the jobs that are under way.
    running: Vec<(usize, Cancel)>,
}

impl Lanes {
    /// None yet, and `most` at most.
    pub fn new(most: usize) -> Self {
        let (jobs, taken) = bounded(most);
        let (sender, done) = bounded(most);
        Self { jobs: Some(jobs), taken, sender, done, threads: Vec::new(), running: Vec::new() }
    }

    /// Adds a thread for each of these hands of an engine; fewer where the system starts no more.
    pub fn add(&mut self, hands: Vec<Box<dyn Engine>>, outbox: &Outbox) {
        for mut engine in hands {
            let (taken, sender, mut outbox) = (self.taken.clone(), self.sender.clone(), outbox.another());
            let work = move || {
                let mut opened: Vec<Opened> = Vec::new();
                for job in taken {
                    if opened.len() <= job.view {
                        opened.resize_with(job.view + 1, Opened::default);
                    }
                    let told =
                        guarded(&mut *engine, |engine| job.carry_out(engine, &mut opened[job.view], &mut outbox));
                    outbox.flush();
                    if sender.send(Done { job, told }).is_err() {
                        return;
                    }
                }
            };
            match Thread::start("request", work) {
                Ok(thread) => self.threads.push(thread),
                Err(error) => {
                    tracing::warn!("fewer requests at a time: {error}");
                    break;
                }
            }
        }
    }

    /// How many requests may be under way.
    pub fn count(&self) -> usize {
        self.threads.len()
    }

    /// Whether there is one for another job.
    pub fn has_room(&self) -> bool {
        self.running.len() < self.threads.len()
    }

    /// Begins a job, for which there must be room.
    pub fn begin(&mut self, job: Job) {
        self.running.push((job.view, job.cancel.clone()));
        if let Some(jobs) = &self.jobs {
            // As many fit as there are threads.
            let _ = jobs.try_send(job);
        }
    }

    /// What tells when a job is over.
    pub fn done(&self) -> &Receiver<Done> {
        &self.done
    }

    /// A job that is over, if there is one.
    pub fn take(&mut self) -> Option<Done> {
        let done = self.done.try_recv().ok()?;
        self.running.retain(|(view, _)| *view != done.job.view);
        Some(done)
    }

    /// Stops all jobs, and gives them back.
    pub fn stop(&mut self) -> Vec<Done> {
        self.running.iter().for_each(|(_, cancel)| cancel.cancel());
        let deadline = Instant::now() + PATIENCE;
        let count = std::mem::take(&mut self.running).len();
        (0..count).map_while(|_| self.done.recv_deadline(deadline).ok()).collect()
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.stop();
        self.jobs = None;
        let deadline = Instant::now() + PATIENCE;
        for thread in &mut self.threads {
            thread.join_until(deadline);
        }
    }
}
