//! Loops over tasks on all threads of the current pool, without waking one for each loop.
//!
//! A pass of the decoder is a few hundred loops of some microseconds, and waking a sleeping thread
//! takes as long as one of them. So for the length of a pass ([`scope`]) the pool's other threads
//! stay awake and wait for the next loop of the thread that leads. Outside of that, loops are the
//! pool's own. Knows nothing of what tasks compute.

#![allow(unsafe_code, reason = "a loop's body and its items are lent to other threads until its last task is done")]

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// Looks for a task before a waiting thread lets others run: some microseconds, more than lies
/// between two loops.
const LOOKS: u32 = 4096;
/// Bits of each of the two numbers of a ticket.
const HALF: u32 = 32;

thread_local! {
    /// The scope that this thread leads, while it does.
    static LEADING: Cell<Option<*const Scope>> = const { Cell::new(None) };
}

/// What a loop calls with the number of each task.
type Body = dyn Fn(usize) + Sync;

/// What a leader and those who wait for it share.
#[derive(Default)]
struct Scope {
    /// Tasks of the present loop in the upper half, the next one to take in the lower.
    ticket: AtomicU64,
    /// Tasks of the present loop that are done.
    done: AtomicUsize,
    /// The present loop's body. Written by the leader, between loops only; read by whoever took a
    /// task.
    body: UnsafeCell<Option<*const Body>>,
    dismissed: AtomicBool,
    /// What a task panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `body` is written while no task is taken and not done, as `Scope::run` argues; everything
// else is shared by design.
unsafe impl Sync for Scope {}

/// A parallel scope: calls `work` on this thread, one of a pool's, while the pool's other threads
/// stay awake and wait for its loops.
pub(crate) fn scope<R>(work: impl FnOnce() -> R) -> R {
    /// Lets the others go, whatever happens.
    struct Dismiss<'a>(&'a Scope);
    impl Drop for Dismiss<'_> {
        fn drop(&mut self) {
            LEADING.set(None);
            self.0.dismissed.store(true, Ordering::Release);
        }
    }
    if rayon::current_num_threads() == 1 || rayon::current_thread_index().is_none() || LEADING.get().is_some() {
        return work();
    }
    let shared = Scope::default();
    rayon::in_place_scope(|threads| {
        threads.spawn_broadcast(|_, _| shared.serve());
        let _dismiss = Dismiss(&shared);
        LEADING.set(Some(&raw const shared));
        work()
    })
}

/// Calls `body` with every number below `count`, on all threads, and returns when all calls have.
pub(crate) fn for_each(count: usize, body: impl Fn(usize) + Sync + Send) {
    match (count, LEADING.get()) {
        (0, _) => {}
        (1, _) => body(0),
        // SAFETY: the scope lives until `scope` has returned, which unsets it before.
        (_, Some(leading)) => unsafe { &*leading }.run(count, &body),
        (_, None) => (0..count).into_par_iter().for_each(body),
    }
}

/// Calls `body` with every item, and its number, like [`for_each`].
pub(crate) fn for_each_mut<T: Send>(items: &mut [T], body: impl Fn(usize, &mut T) + Sync + Send) {
    struct Items<T>(*mut T);
    // SAFETY: every item is handed to one call of `body` and no other, and they may be sent to
    // other threads.
    unsafe impl<T: Send> Sync for Items<T> {}
    // SAFETY: as above.
    unsafe impl<T: Send> Send for Items<T> {}
    impl<T> Items<T> {
        /// # Safety
        /// `i` must be the number of an item, and asked for once.
        unsafe fn at(&self, i: usize) -> *mut T {
            // SAFETY: the caller's.
            unsafe { self.0.add(i) }
        }
    }
    let all = Items(items.as_mut_ptr());
    // SAFETY: `for_each` calls with each number below the count once, and has returned before the
    // borrow ends.
    for_each(items.len(), |i| body(i, unsafe { &mut *all.at(i) }));
}

impl Scope {
    /// Leads a loop.
    fn run(&self, count: usize, body: &(dyn Fn(usize) + Sync)) {
        assert!(u32::try_from(count).is_ok(), "a loop of {count} tasks");
        self.done.store(0, Ordering::Relaxed);
        // SAFETY: every task of the loop before is done, and none can be taken until the ticket is
        // set below; so nobody reads this. The lifetime is forgotten, and kept all the same: this
        // function returns when all tasks are done.
        unsafe {
            *self.body.get() = Some(&raw const *std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static Body>(body));
        };
        self.ticket.store((count as u64) << HALF, Ordering::Release);
        // A task that has a loop of its own runs it on the pool.
        let led = LEADING.take();
        while self.take() {}
        let mut looks = 0;
        while self.done.load(Ordering::Acquire) < count {
            pause(&mut looks);
        }
        LEADING.set(led);
        let panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Helps with loops until dismissed.
    fn serve(&self) {
        let mut looks = 0;
        while !self.dismissed.load(Ordering::Acquire) {
            if self.take() { looks = 0 } else { pause(&mut looks) }
        }
    }

    /// Runs a task of the present loop, if there is one left.
    fn take(&self) -> bool {
        let split = |ticket: u64| ((ticket & u64::from(u32::MAX)) as usize, (ticket >> HALF) as usize);
        let (next, count) = split(self.ticket.load(Ordering::Relaxed));
        if next >= count {
            return false;
        }
        // Between the look and this the leader may have begun another loop: whichever this number
        // belongs to, it is taken now.
        let (task, count) = split(self.ticket.fetch_add(1, Ordering::Acquire));
        if task >= count {
            return false;
        }
        // SAFETY: this task is taken and not done, so the loop that it belongs to is on, and its
        // body there, unchanged until then.
        let body = unsafe { (*self.body.get()).map(|body| &*body) };
        let ran = catch_unwind(AssertUnwindSafe(|| body.map(|body| body(task))));
        if let Err(panic) = ran {
            *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
        }
        self.done.fetch_add(1, Ordering::Release);
        true
    }
}

fn pause(looks: &mut u32) {
    if *looks < LOOKS {
        *looks += 1;
        std::hint::spin_loop();
    } else {
        // The thread waited for may have no core.
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::thread::ThreadId;
    use std::time::Duration;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    /// Loops of many lengths, each of which must have run every task once before the next begins.
    fn loops() {
        for count in (0..40).chain([1000, 3, 257]) {
            let mut items = vec![0; count];
            for round in 1..=3 {
                for_each_mut(&mut items, |i, item| *item += i + 1);
                assert!(items.iter().enumerate().all(|(i, item)| *item == round * (i + 1)), "{count} tasks");
            }
        }
    }

    #[test]
    fn every_task_runs_once_before_the_loop_is_over() {
        loops();
        for threads in [1, 2, 3, 8] {
            let pool = pool(threads);
            for _ in 0..20 {
                pool.install(|| scope(loops));
            }
            assert_eq!(pool.install(|| scope(|| 7)), 7);
        }
        scope(loops);
    }

    #[test]
    fn all_threads_take_part_and_none_is_left_behind() {
        let pool = pool(3);
        let seen = Mutex::new(HashSet::<ThreadId>::new());
        pool.install(|| {
            scope(|| {
                for_each(30, |_| {
                    seen.lock().unwrap().insert(std::thread::current().id());
                    std::thread::sleep(Duration::from_millis(5));
                });
            });
        });
        assert_eq!(seen.lock().unwrap().len(), 3);
        let again = AtomicUsize::new(0);
        pool.broadcast(|_| again.fetch_add(1, Ordering::Relaxed));
        assert_eq!(again.into_inner(), 3, "the pool's threads are free again");
    }

    #[test]
    fn two_leaders_of_one_pool_do_not_wait_for_each_other() {
        let pool = pool(2);
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| (0..50).for_each(|_| pool.install(|| scope(loops))));
            }
        });
    }

    #[test]
    fn a_task_may_have_a_loop_of_its_own() {
        let sum = AtomicUsize::new(0);
        pool(2).install(|| {
            scope(|| {
                for_each(4, |_| {
                    for_each(5, |i| {
                        sum.fetch_add(i, Ordering::Relaxed);
                    });
                });
            });
        });
        assert_eq!(sum.into_inner(), 40);
    }

    #[test]
    fn a_panic_in_a_task_is_the_leaders() {
        let pool = pool(2);
        for bad in [0, 99] {
            let ran = catch_unwind(AssertUnwindSafe(|| {
                pool.install(|| scope(|| for_each(100, |i| assert!(i != bad, "task {i}"))));
            }));
            let panic = ran.unwrap_err();
            assert_eq!(panic.downcast_ref::<String>().unwrap(), &format!("task {bad}"));
        }
        pool.install(|| scope(loops));
    }
}
