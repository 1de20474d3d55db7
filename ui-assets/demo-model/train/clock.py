"""The time a training may take: processor time of its own, so that waiting for others costs nothing of it."""
import math
import os
import time


class Clock:
    """Minutes worked of a budget that a file may change while it runs: processor time over threads, without the worker's."""

    def __init__(self, minutes, threads, file, spent=0.0, steps=0):
        self.minutes, self.threads, self.file, self.spent, self.steps = minutes, threads, file, spent, steps
        self.last = time.process_time()

    def tick(self):
        now = time.process_time()
        self.spent += (now - self.last) / 60 / self.threads
        self.last = now
        self.steps += 1
        if self.steps % 25 == 0 and os.path.exists(self.file):
            self.minutes = float(open(self.file).read())

    @property
    def share(self):
        return min(1.0, self.spent / self.minutes)

    def scale(self, warm=60, floor=0.02):
        """The learning rate's share: a short climb, then a cosine down to the floor at the end of the budget."""
        return min(1.0, (self.steps + 1) / warm) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * self.share)))
